#include "program/tuned.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "io/cache_file.h"

uint64_t mvg_tuned_hash(const char *glsl) {
  return mvg_hash_string(MVG_HASH_SEED, glsl);
}

static void format_path(const mvg_caps *caps, char out_path[64]) {
  uint64_t device = mvg_hash_string(mvg_hash_string(MVG_HASH_SEED, caps->name), caps->driver);
  snprintf(out_path, 64, "tiles/%016" PRIx64 ".txt", device);
}

// One line: "0123456789abcdef 64x64x16".
static mvg_status read_line(mvg_tuned *tuned, const char *line) {
  uint64_t kernel;
  char name[32];
  if (sscanf(line, "%16" SCNx64 " %31s", &kernel, name) != 2) return NULL;
  const mvg_matmul_tile *tile = mvg_matmul_tile_find(name);
  return tile ? mvg_tuned_set(tuned, kernel, tile) : NULL;
}

mvg_status mvg_tuned_load(const mvg_caps *caps, mvg_tuned *out_tuned) {
  *out_tuned = (mvg_tuned){0};
  char path[64], line[64];
  void *bytes = NULL;
  size_t size = 0;
  format_path(caps, path);
  if (!mvg_cache_file_read(path, &bytes, &size)) return NULL;
  mvg_status status = NULL;
  const char *at = bytes, *end = at + size;
  while (at < end && !status) {
    const char *next = memchr(at, '\n', (size_t)(end - at));
    if (!next) break; // cut off
    if ((size_t)(next - at) < sizeof line) {
      snprintf(line, sizeof line, "%.*s", (int)(next - at), at);
      status = read_line(out_tuned, line);
    }
    at = next + 1;
  }
  mvg_free(bytes);
  if (status) mvg_tuned_deinit(out_tuned);
  return status;
}

void mvg_tuned_deinit(mvg_tuned *tuned) {
  mvg_array_deinit(&tuned->tiles);
}

static mvg_tuned_tile *find(const mvg_tuned *tuned, uint64_t kernel) {
  for (size_t i = 0; i < tuned->tiles.count; ++i) {
    if (tuned->tiles.items[i].kernel == kernel) return &tuned->tiles.items[i];
  }
  return NULL;
}

const mvg_matmul_tile *mvg_tuned_find(const mvg_tuned *tuned, uint64_t kernel) {
  const mvg_tuned_tile *found = find(tuned, kernel);
  return found ? found->tile : NULL;
}

mvg_status mvg_tuned_set(mvg_tuned *tuned, uint64_t kernel, const mvg_matmul_tile *tile) {
  mvg_tuned_tile *found = find(tuned, kernel);
  if (!found && tile) return mvg_array_push(&tuned->tiles, ((mvg_tuned_tile){kernel, tile}));
  if (found && tile) found->tile = tile;
  if (found && !tile) *found = tuned->tiles.items[--tuned->tiles.count];
  return NULL;
}

mvg_status mvg_tuned_save(const mvg_tuned *tuned, const mvg_caps *caps) {
  char path[64];
  format_path(caps, path);
  mvg_str text = {0};
  mvg_str_append(&text, "# kernel, tile\n");
  for (size_t i = 0; i < tuned->tiles.count; ++i) {
    const mvg_tuned_tile *item = &tuned->tiles.items[i];
    mvg_str_appendf(&text, "%016" PRIx64 " %s\n", item->kernel, item->tile->name);
  }
  char *taken = NULL;
  MVG_RETURN_IF_ERROR(mvg_str_take(&text, &taken));
  bool is_written = mvg_cache_file_write(path, taken, strlen(taken));
  mvg_free(taken);
  if (is_written) return NULL;
  return MVG_ERROR(MVG_IO,
                   "what tuning found cannot be kept: ~/.cache/mvgraph/%s cannot be written", path);
}

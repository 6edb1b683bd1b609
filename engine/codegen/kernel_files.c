#include "codegen/kernel_files.h"

#include <stdint.h>
#include <string.h>

#define MAX_NESTING 8

static const char *find_text(const char *path, const char **out_nearest) {
  size_t best = SIZE_MAX;
  for (const mvg_kernel_file *file = mvg_kernel_files; file->path; ++file) {
    if (strcmp(file->path, path) == 0) return file->text;
    size_t distance = mvg_str_distance(path, file->path);
    if (distance < best) *out_nearest = file->path;
    if (distance < best) best = distance;
  }
  return NULL;
}

static mvg_status append_file(const char *path, mvg_str *out, int nesting) {
  const char *nearest = "(none)";
  const char *text = find_text(path, &nearest);
  if (!text) {
    return MVG_ERROR(MVG_NOT_FOUND, "there is no kernel file '%s'; did you mean '%s'?", path,
                     nearest);
  }
  if (nesting > MAX_NESTING) return MVG_ERROR(MVG_INVALID_ARGUMENT, "'%s' includes itself", path);
  static const char directive[] = "#include \"";
  while (*text) {
    size_t length = strcspn(text, "\n");
    length += text[length] == '\n';
    if (strncmp(text, directive, sizeof directive - 1) == 0) {
      char name[256] = "";
      const char *begin = text + sizeof directive - 1;
      size_t name_length = strcspn(begin, "\"\n");
      if (name_length < sizeof name) memcpy(name, begin, name_length);
      mvg_status status = append_file(name, out, nesting + 1);
      if (status) return mvg_status_annotate(status, "included by '%s'", path);
    } else {
      mvg_str_append_bytes(out, text, length);
    }
    text += length;
  }
  return NULL;
}

mvg_status mvg_kernel_file_append(const char *path, mvg_str *out) {
  return append_file(path, out, 0);
}

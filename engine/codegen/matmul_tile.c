#include "codegen/matmul_tile.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define DIRECT "matmul/matmul.comp"
#define TILED "matmul/tiled.comp"
#define PADDING 4 // floats a row of shared memory

const mvg_matmul_tile mvg_matmul_tiles[] = {
    {"128x128x16", TILED, 128, 128, 16, 8, 8}, // 256 invocations
    {"128x96x16", TILED, 128, 96, 16, 8, 8},   // 192: widths of 96 and its multiples
    {"64x96x16", TILED, 64, 96, 16, 8, 4},     // 192
    {"64x64x16", TILED, 64, 64, 16, 8, 4},     // 128: what every device has
    {"32x32x32", TILED, 32, 32, 32, 4, 4},     // 64
    {"direct", DIRECT, 32, 32, 0, 4, 4},
};
const uint32_t mvg_matmul_tile_count = sizeof mvg_matmul_tiles / sizeof mvg_matmul_tiles[0];

const mvg_matmul_tile *mvg_matmul_tile_find(const char *name) {
  for (uint32_t i = 0; i < mvg_matmul_tile_count; ++i) {
    if (strcmp(mvg_matmul_tiles[i].name, name) == 0) return &mvg_matmul_tiles[i];
  }
  return NULL;
}

bool mvg_matmul_is_product(const mvg_node *node) {
  return node->kind == MVG_KIND_KERNEL && strcmp(node->kernel.source, DIRECT) == 0;
}

uint32_t mvg_matmul_tile_get_local_size(const mvg_matmul_tile *tile) {
  return tile->rows / tile->own_rows * (tile->columns / tile->own_columns);
}

bool mvg_matmul_tile_fits(const mvg_matmul_tile *tile, const mvg_caps *caps) {
  uint32_t bytes =
      tile->depth * (tile->rows + tile->columns + 2 * PADDING) * (uint32_t)sizeof(float);
  bool has_room = bytes <= caps->max_shared_bytes || caps->max_shared_bytes == 0;
  uint32_t local_size = mvg_matmul_tile_get_local_size(tile);
  return has_room && (local_size <= caps->max_local_size || caps->max_local_size == 0);
}

// ---- choice ----

typedef struct {
  int64_t batch, m, n, k, slices;
} extents;

static int64_t get_constant(const mvg_kernel_body *product, const char *name, int64_t missing) {
  for (uint32_t i = 0; i < product->constant_count; ++i) {
    if (strcmp(product->constants[i].name, name) == 0) return product->constants[i].integer;
  }
  return missing;
}

static int64_t get_slice(const mvg_kernel_body *product) {
  int64_t k = get_constant(product, "K", 1);
  return get_constant(product, "SLICE", k > 1 ? k : 1);
}

static int64_t divide_up(int64_t count, int64_t size) {
  return (count + size - 1) / size;
}

static extents get_extents(const mvg_kernel_body *product) {
  extents e = {.batch = get_constant(product, "B", 1),
               .m = get_constant(product, "M", 1),
               .n = get_constant(product, "N", 1),
               .k = get_constant(product, "K", 1)};
  int64_t slices = divide_up(e.k, get_slice(product));
  e.slices = slices > 1 ? slices : 1;
  return e;
}

static int64_t count_groups(const mvg_matmul_tile *tile, const extents *e) {
  return divide_up(e->m, tile->rows) * divide_up(e->n, tile->columns) * e->batch * e->slices;
}

#define UNKNOWN_CORES 32
#define GROUPS_PER_CORE 2
#define LOAD_COST                                                                                  \
  16.0 // of what an element of the result costs, per row or column that shares a load

// Time of a product, in units of one element's arithmetic: what is computed past the edges counts.
static double estimate_cost(const mvg_matmul_tile *tile, const extents *e) {
  double padded = (double)(divide_up(e->m, tile->rows) * tile->rows) *
                  (double)(divide_up(e->n, tile->columns) * tile->columns);
  return padded * (1 + LOAD_COST / tile->rows + LOAD_COST / tile->columns);
}

static const mvg_matmul_tile *choose_for(const extents *e, const mvg_caps *caps) {
  const mvg_matmul_tile *best = NULL, *smallest = &mvg_matmul_tiles[mvg_matmul_tile_count - 1];
  uint32_t cores = caps->core_count ? caps->core_count : UNKNOWN_CORES;
  for (uint32_t i = 0; i + 1 < mvg_matmul_tile_count; ++i) {
    const mvg_matmul_tile *tile = &mvg_matmul_tiles[i];
    if (!mvg_matmul_tile_fits(tile, caps)) continue;
    smallest = tile;
    if (count_groups(tile, e) < (int64_t)GROUPS_PER_CORE * cores) continue;
    if (!best || estimate_cost(tile, e) < estimate_cost(best, e)) best = tile;
  }
  return best ? best : smallest;
}

static mvg_status find_forced(const char *name, const mvg_caps *caps,
                              const mvg_matmul_tile **out_tile) {
  *out_tile = mvg_matmul_tile_find(name);
  if (*out_tile && mvg_matmul_tile_fits(*out_tile, caps)) return NULL;
  if (*out_tile) {
    return MVG_ERROR(MVG_UNSUPPORTED, "MVGRAPH_TILE=%s is too large for device '%s'", name,
                     caps->name);
  }
  mvg_str names = {0};
  for (uint32_t i = 0; i < mvg_matmul_tile_count; ++i)
    mvg_str_appendf(&names, i ? ", %s" : "%s", mvg_matmul_tiles[i].name);
  mvg_status status = MVG_ERROR(MVG_INVALID_ARGUMENT, "MVGRAPH_TILE=%s is not known; it may be %s",
                                name, names.text ? names.text : "");
  mvg_str_deinit(&names);
  return status;
}

mvg_status mvg_matmul_tile_choose(const mvg_kernel_body *product, const mvg_caps *caps,
                                  const mvg_matmul_tile **out_tile) {
  const char *forced = getenv("MVGRAPH_TILE");
  if (forced && *forced) return find_forced(forced, caps, out_tile);
  const extents e = get_extents(product);
  *out_tile = caps->is_cpu ? mvg_matmul_tile_find("direct") : choose_for(&e, caps);
  return NULL;
}

// ---- use ----

void mvg_matmul_tile_apply(const mvg_matmul_tile *tile, mvg_kernel_body *product) {
  const extents e = get_extents(product);
  product->source = tile->source;
  product->local_size = mvg_matmul_tile_get_local_size(tile);
  product->invocations = 0;
  product->groups[0] = (uint32_t)divide_up(e.n, tile->columns);
  product->groups[1] = (uint32_t)divide_up(e.m, tile->rows);
  product->groups[2] = (uint32_t)(e.batch * e.slices);
}

void mvg_matmul_tile_print_constants(const mvg_matmul_tile *tile, const mvg_kernel_body *product,
                                     mvg_str *out) {
  if (get_constant(product, "SLICE", 0) == 0)
    mvg_str_appendf(out, "const uint SLICE = %" PRId64 "u;\n", get_slice(product));
  if (tile->depth == 0) return;
  mvg_str_appendf(out, "const uint BM = %uu, BN = %uu, BK = %uu, TM = %uu, TN = %uu;\n", tile->rows,
                  tile->columns, tile->depth, tile->own_rows, tile->own_columns);
}

#include "codegen/matmul_tile.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/spirv_matrix.h"

#define TILED "matmul/tiled.comp"
#define MATRIX "matmul/matrix.comp"

#define MATRIX_TILES(suffix, operands)                                                             \
  {"128x128x32-" suffix, MATRIX, 128, 128, 32, 32, 64, operands}, /* 8 subgroups */                \
      {"128x96x32-" suffix, MATRIX, 128, 96, 32, 32, 48, operands}, {                              \
    "64x64x32-" suffix, MATRIX, 64, 64, 32, 32, 32, operands                                       \
  } /* 4 */

const mvg_matmul_tile mvg_matmul_tiles[] = {
    {"128x128x16", TILED, 128, 128, 16, 8, 8, MVG_OPERANDS_F32}, // 256 invocations
    {"128x96x16", TILED, 128, 96, 16, 8, 8, MVG_OPERANDS_F32},   // 192: for multiples of 96
    {"64x96x16", TILED, 64, 96, 16, 8, 4, MVG_OPERANDS_F32},     // 192
    {"64x64x16", TILED, 64, 64, 16, 8, 4, MVG_OPERANDS_F32},     // 128: what every device has
    {"32x32x32", TILED, 32, 32, 32, 4, 4, MVG_OPERANDS_F32},     // 64
    {"direct", MVG_MATMUL_SOURCE, 32, 32, 0, 4, 4, MVG_OPERANDS_F32},
    MATRIX_TILES("f16", MVG_OPERANDS_F16),
    MATRIX_TILES("bf16", MVG_OPERANDS_BF16),
    MATRIX_TILES("split", MVG_OPERANDS_SPLIT),
};
const uint32_t mvg_matmul_tile_count = sizeof mvg_matmul_tiles / sizeof mvg_matmul_tiles[0];
_Static_assert(sizeof mvg_matmul_tiles / sizeof mvg_matmul_tiles[0] <= MVG_MATMUL_MAX_TILES,
               "a verdict for each");

const mvg_matmul_tile *mvg_matmul_tile_find(const char *name) {
  for (uint32_t i = 0; i < mvg_matmul_tile_count; ++i) {
    if (strcmp(mvg_matmul_tiles[i].name, name) == 0) return &mvg_matmul_tiles[i];
  }
  return NULL;
}

bool mvg_matmul_is_product(const mvg_node *node) {
  return node->kind == MVG_KIND_KERNEL && strcmp(node->kernel.source, MVG_MATMUL_SOURCE) == 0;
}

// ---- matrix units ----

#define IMITATED_SUBGROUP 32
static const mvg_matrix_shape imitated_shape = {16, 16, 16};

static const mvg_matrix_shape *get_units(const mvg_matmul_tile *tile, const mvg_caps *caps) {
  return tile->operands == MVG_OPERANDS_F16 ? &caps->matrix_f16 : &caps->matrix_bf16;
}

bool mvg_matmul_tile_is_native(const mvg_matmul_tile *tile, const mvg_caps *caps) {
  if (tile->operands == MVG_OPERANDS_F32) return true;
  return get_units(tile, caps)->m > 0 && caps->subgroup_size > 0;
}

static mvg_matrix_shape get_fragment(const mvg_matmul_tile *tile, const mvg_caps *caps) {
  return mvg_matmul_tile_is_native(tile, caps) ? *get_units(tile, caps) : imitated_shape;
}

static uint32_t get_subgroup_size(const mvg_matmul_tile *tile, const mvg_caps *caps) {
  return mvg_matmul_tile_is_native(tile, caps) ? caps->subgroup_size : IMITATED_SUBGROUP;
}

// ---- limits ----

static uint32_t count_shares(const mvg_matmul_tile *tile) {
  return tile->rows / tile->own_rows * (tile->columns / tile->own_columns);
}

uint32_t mvg_matmul_tile_get_local_size(const mvg_matmul_tile *tile, const mvg_caps *caps) {
  bool is_matrix = tile->operands != MVG_OPERANDS_F32;
  return count_shares(tile) * (is_matrix ? get_subgroup_size(tile, caps) : 1);
}

// kernels/matmul/tiled.comp, matrix.comp: operands with padding, and sums on their way out.
static uint32_t get_shared_bytes(const mvg_matmul_tile *tile, const mvg_caps *caps) {
  if (tile->operands == MVG_OPERANDS_F32)
    return tile->depth * (tile->rows + tile->columns + 2 * 4) * 4;
  const mvg_matrix_shape fragment = get_fragment(tile, caps);
  uint32_t parts = tile->operands == MVG_OPERANDS_SPLIT ? 2 : 1;
  return parts * tile->depth * (tile->rows + tile->columns + 2 * 8) * 2 +
         count_shares(tile) * fragment.m * fragment.n * 4;
}

bool mvg_matmul_tile_fits(const mvg_matmul_tile *tile, const mvg_caps *caps) {
  if (tile->operands != MVG_OPERANDS_F32) {
    const mvg_matrix_shape fragment = get_fragment(tile, caps);
    bool divides = tile->own_rows % fragment.m == 0 && tile->own_columns % fragment.n == 0 &&
                   tile->depth % fragment.k == 0 && fragment.n % 4 == 0;
    if (!divides) return false;
  }
  bool has_room =
      get_shared_bytes(tile, caps) <= caps->max_shared_bytes || caps->max_shared_bytes == 0;
  uint32_t local_size = mvg_matmul_tile_get_local_size(tile, caps);
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

void mvg_matmul_get_shape(const mvg_kernel_body *product, int64_t out_shape[4]) {
  const extents e = get_extents(product);
  memcpy(out_shape, (const int64_t[4]){e.batch, e.m, e.n, e.k}, 4 * sizeof *out_shape);
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

static const mvg_matmul_tile *choose_for(const extents *e, const mvg_caps *caps,
                                         mvg_operands operands) {
  const mvg_matmul_tile *best = NULL, *smallest = NULL;
  uint32_t cores = caps->core_count ? caps->core_count : UNKNOWN_CORES;
  for (uint32_t i = 0; i < mvg_matmul_tile_count; ++i) {
    const mvg_matmul_tile *tile = &mvg_matmul_tiles[i];
    if (tile->operands != operands || tile->depth == 0) continue;
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

static const char *get_forced(void) {
  const char *forced = getenv("MVGRAPH_TILE");
  return forced && *forced ? forced : NULL;
}

bool mvg_matmul_tile_is_forced(void) {
  return get_forced() != NULL;
}

mvg_status mvg_matmul_tile_choose(const mvg_kernel_body *product, const mvg_caps *caps,
                                  mvg_operands operands, const mvg_matmul_tile **out_tile) {
  const char *forced = get_forced();
  if (forced) return find_forced(forced, caps, out_tile);
  const extents e = get_extents(product);
  *out_tile = caps->is_cpu ? NULL : choose_for(&e, caps, operands);
  if (!*out_tile && operands == MVG_OPERANDS_F32) *out_tile = mvg_matmul_tile_find("direct");
  return NULL;
}

// ---- use ----

void mvg_matmul_tile_apply(const mvg_matmul_tile *tile, const mvg_caps *caps,
                           mvg_kernel_body *product) {
  const extents e = get_extents(product);
  product->source = tile->source;
  product->local_size = mvg_matmul_tile_get_local_size(tile, caps);
  product->invocations = 0;
  product->groups[0] = (uint32_t)divide_up(e.n, tile->columns);
  product->groups[1] = (uint32_t)divide_up(e.m, tile->rows);
  product->groups[2] = (uint32_t)(e.batch * e.slices);
}

static void print_matrix_constants(const mvg_matmul_tile *tile, const mvg_caps *caps,
                                   mvg_str *out) {
  const mvg_matrix_shape fragment = get_fragment(tile, caps);
  bool is_f16 = tile->operands == MVG_OPERANDS_F16;
  mvg_str_appendf(out, "const uint FM = %uu, FN = %uu, FK = %uu, SUBGROUP_SIZE = %uu;\n",
                  fragment.m, fragment.n, fragment.k, get_subgroup_size(tile, caps));
  mvg_str_appendf(out, "#define MVG_HAS_MATRIX %d\n#define MVG_PARTS %d\n",
                  mvg_matmul_tile_is_native(tile, caps),
                  tile->operands == MVG_OPERANDS_SPLIT ? 2 : 1);
  mvg_str_appendf(out, "#define MVG_OPERAND_A %d\n#define MVG_OPERAND_B %d\n",
                  is_f16 ? MVG_MATRIX_A : MVG_MATRIX_A_BF16,
                  is_f16 ? MVG_MATRIX_B : MVG_MATRIX_B_BF16);
  mvg_str_append(out,
                 is_f16 ? "#define MVG_PACK(v) uvec2(packHalf2x16((v).xy), packHalf2x16((v).zw))\n"
                          "#define MVG_UNPACK(v) vec4(unpackHalf2x16((v).x), "
                          "unpackHalf2x16((v).y))\n"
                        : "#define MVG_PACK(v) to_bf16x4_(v)\n"
                          "#define MVG_UNPACK(v) from_bf16x4_(v)\n");
}

void mvg_matmul_tile_print_constants(const mvg_matmul_tile *tile, const mvg_caps *caps,
                                     const mvg_kernel_body *product, mvg_str *out) {
  if (get_constant(product, "SLICE", 0) == 0)
    mvg_str_appendf(out, "const uint SLICE = %" PRId64 "u;\n", get_slice(product));
  if (tile->depth == 0) return;
  mvg_str_appendf(out, "const uint BM = %uu, BN = %uu, BK = %uu, TM = %uu, TN = %uu;\n", tile->rows,
                  tile->columns, tile->depth, tile->own_rows, tile->own_columns);
  if (tile->operands != MVG_OPERANDS_F32) print_matrix_constants(tile, caps, out);
}

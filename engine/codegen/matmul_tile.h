// Tiles of matrix products: which shader computes a product, and how much of it a workgroup has.
// Nodes say what is multiplied; this is where the device comes in.
#ifndef MVGRAPH_CODEGEN_MATMUL_TILE_H_
#define MVGRAPH_CODEGEN_MATMUL_TILE_H_

#include "base/str.h"
#include "device/caps.h"
#include "graph/graph.h"

// How operands are multiplied. All but f32 need matrix units.
typedef enum {
  MVG_OPERANDS_F32,
  MVG_OPERANDS_F16,   // rounded to f16, exact for what is stored so
  MVG_OPERANDS_BF16,  // likewise
  MVG_OPERANDS_SPLIT, // two bf16 each, three products: about 16 bits of a mantissa
} mvg_operands;

typedef struct mvg_matmul_tile {
  const char *name;               // "128x96x16", "128x96x32-bf16", "direct"
  const char *source;             // file below kernels/
  uint32_t rows, columns;         // of the result, a workgroup
  uint32_t depth;                 // of K, between two barriers; 0: operands are read in place
  uint32_t own_rows, own_columns; // of the result, an invocation, or a subgroup of matrix units
  mvg_operands operands;
} mvg_matmul_tile;

// The largest of each kind first.
#define MVG_MATMUL_MAX_TILES 32
extern const mvg_matmul_tile mvg_matmul_tiles[];
extern const uint32_t mvg_matmul_tile_count;

#define MVG_MATMUL_SOURCE "matmul/matmul.comp" // what nodes of products name

// NULL when there is none of that name.
const mvg_matmul_tile *mvg_matmul_tile_find(const char *name);
// A product: a kernel node of kernels/matmul/matmul.comp, with constants B, M, N, K and the like.
bool mvg_matmul_is_product(const mvg_node *node);
void mvg_matmul_get_shape(const mvg_kernel_body *product, int64_t out_shape[4]); // batch, m, n, k
uint32_t mvg_matmul_tile_get_local_size(const mvg_matmul_tile *tile, const mvg_caps *caps);
// Within the device's invocations and shared memory? Tiles for matrix units it does not have fit
// too: their shaders then do without, slowly, for tests.
bool mvg_matmul_tile_fits(const mvg_matmul_tile *tile, const mvg_caps *caps);
// Has the device what the tile is for?
bool mvg_matmul_tile_is_native(const mvg_matmul_tile *tile, const mvg_caps *caps);

// The default for a product on a device: of the tiles for such operands that give every core two
// workgroups the one with the least loads and padding, else the smallest. *out_tile is NULL where
// none fits. MVGRAPH_TILE=NAME in the environment has all products take that tile: INVALID_ARGUMENT
// when there is none, UNSUPPORTED when it does not fit.
mvg_status mvg_matmul_tile_choose(const mvg_kernel_body *product, const mvg_caps *caps,
                                  mvg_operands operands,
                                  const mvg_matmul_tile **out_tile) MVG_MUST_USE;

bool mvg_matmul_tile_is_forced(void); // by MVGRAPH_TILE

// Source, grid and size of workgroups of a product under a tile.
void mvg_matmul_tile_apply(const mvg_matmul_tile *tile, const mvg_caps *caps,
                           mvg_kernel_body *product);
// The constants that its shader wants beside the node's.
void mvg_matmul_tile_print_constants(const mvg_matmul_tile *tile, const mvg_caps *caps,
                                     const mvg_kernel_body *product, mvg_str *out);

#endif // MVGRAPH_CODEGEN_MATMUL_TILE_H_

// Tiles that `mvgraph tune` found faster than the default, kept by device and driver in the cache
// folder, by kernel within.
#ifndef MVGRAPH_PROGRAM_TUNED_H_
#define MVGRAPH_PROGRAM_TUNED_H_

#include "base/array.h"
#include "codegen/matmul_tile.h"

typedef struct {
  uint64_t kernel; // hash of the text of the product's default shader
  const mvg_matmul_tile *tile;
} mvg_tuned_tile;

typedef struct {
  MVG_ARRAY(mvg_tuned_tile) tiles;
} mvg_tuned;

uint64_t mvg_tuned_hash(const char *glsl);
// What is known of the device: nothing where the file is missing or damaged.
mvg_status mvg_tuned_load(const mvg_caps *caps, mvg_tuned *out_tuned) MVG_MUST_USE;
void mvg_tuned_deinit(mvg_tuned *tuned);
const mvg_matmul_tile *mvg_tuned_find(const mvg_tuned *tuned, uint64_t kernel); // or NULL
mvg_status mvg_tuned_set(mvg_tuned *tuned, uint64_t kernel,
                         const mvg_matmul_tile *tile) MVG_MUST_USE; // NULL: the default
mvg_status mvg_tuned_save(const mvg_tuned *tuned, const mvg_caps *caps) MVG_MUST_USE;

#endif // MVGRAPH_PROGRAM_TUNED_H_

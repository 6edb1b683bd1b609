// Lifetimes to offsets in one arena.
#ifndef MVGRAPH_PLAN_MEMORY_H_
#define MVGRAPH_PLAN_MEMORY_H_

#include <stdint.h>

#include "base/status.h"

typedef struct {
  uint64_t size_bytes;
  uint32_t first_step, last_step; // inclusive: written, read for the last time
  uint64_t offset;                // result
} mvg_block;

// Largest first, each at the lowest offset that is free over its whole lifetime and where it
// crosses no multiple of `piece_bytes`: the arena is allocated in pieces of that size, and no block
// may be larger. *out_peak is the arena's size.
mvg_status mvg_memory_assign(mvg_block *blocks, uint32_t count, uint64_t alignment,
                             uint64_t piece_bytes, uint64_t *out_peak) MVG_MUST_USE;

#endif // MVGRAPH_PLAN_MEMORY_H_

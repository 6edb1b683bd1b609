#include "plan/memory.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/alloc.h"

static int compare_sizes(const void *a, const void *b) {
  const mvg_block *left = *(mvg_block *const *)a, *right = *(mvg_block *const *)b;
  if (left->size_bytes != right->size_bytes) return left->size_bytes > right->size_bytes ? -1 : 1;
  if (left->first_step != right->first_step) return left->first_step < right->first_step ? -1 : 1;
  return (left > right) - (left < right);
}

static int compare_offsets(const void *a, const void *b) {
  const mvg_block *left = *(mvg_block *const *)a, *right = *(mvg_block *const *)b;
  return (left->offset > right->offset) - (left->offset < right->offset);
}

static bool overlap_in_time(const mvg_block *a, const mvg_block *b) {
  return a->first_step <= b->last_step && b->first_step <= a->last_step;
}

static uint64_t skip_boundary(uint64_t offset, uint64_t size, uint64_t piece) {
  bool crosses = size > 0 && offset / piece != (offset + size - 1) / piece;
  return crosses ? (offset / piece + 1) * piece : offset;
}

// `placed` is sorted by offset.
static uint64_t find_gap(mvg_block *const *placed, uint32_t count, const mvg_block *block,
                         uint64_t piece) {
  uint64_t offset = 0;
  for (uint32_t i = 0; i < count; ++i) {
    if (!overlap_in_time(placed[i], block)) continue;
    if (placed[i]->offset >= offset + block->size_bytes) break;
    uint64_t end = placed[i]->offset + placed[i]->size_bytes;
    if (end > offset) offset = skip_boundary(end, block->size_bytes, piece);
  }
  return offset;
}

mvg_status mvg_memory_assign(mvg_block *blocks, uint32_t count, uint64_t alignment,
                             uint64_t piece_bytes, uint64_t *out_peak) {
  *out_peak = 0;
  if (count == 0) return NULL;
  mvg_block **order, **placed;
  MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY(count, &order));
  mvg_status status = MVG_NEW_ARRAY(count, &placed);
  if (status) {
    mvg_free(order);
    return status;
  }
  for (uint32_t i = 0; i < count; ++i) {
    blocks[i].size_bytes = (blocks[i].size_bytes + alignment - 1) / alignment * alignment;
    order[i] = &blocks[i];
  }
  qsort(order, count, sizeof *order, compare_sizes);
  for (uint32_t i = 0; i < count; ++i) {
    mvg_block *block = order[i];
    block->offset = find_gap(placed, i, block, piece_bytes);
    uint32_t j = i;
    for (; j > 0 && compare_offsets(&placed[j - 1], &block) > 0; --j)
      placed[j] = placed[j - 1];
    placed[j] = block;
    uint64_t end = block->offset + block->size_bytes;
    if (end > *out_peak) *out_peak = end;
  }
  mvg_free(order);
  mvg_free(placed);
  return NULL;
}

// Bump allocation with one lifetime: everything a graph or a plan owns dies together.
#ifndef MVGRAPH_BASE_ARENA_H_
#define MVGRAPH_BASE_ARENA_H_

#include <stddef.h>

#include "base/status.h"

typedef struct mvg_arena {
  struct mvg_arena_block *head; // newest block; NULL while empty
} mvg_arena;                    // zeroed storage is a valid empty arena

void mvg_arena_deinit(mvg_arena *arena);

// Zeroed, 16-byte aligned. Count 0 gives a valid pointer that must not be read.
mvg_status mvg_arena_alloc(mvg_arena *arena, size_t count, size_t element_size,
                           void **out) MVG_MUST_USE;
mvg_status mvg_arena_copy(mvg_arena *arena, const void *source, size_t count, size_t element_size,
                          void **out) MVG_MUST_USE;
mvg_status mvg_arena_string(mvg_arena *arena, const char *text, const char **out) MVG_MUST_USE;
mvg_status mvg_arena_strings(mvg_arena *arena, const char *const *texts, size_t count,
                             const char *const **out) MVG_MUST_USE;

#endif // MVGRAPH_BASE_ARENA_H_

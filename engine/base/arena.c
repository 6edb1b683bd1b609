#include "base/arena.h"

#include <stdint.h>
#include <string.h>

#include "base/alloc.h"

#define BLOCK_SIZE 65536u

typedef struct mvg_arena_block {
  struct mvg_arena_block *next;
  size_t used, capacity;
  _Alignas(16) unsigned char bytes[];
} block;

void mvg_arena_deinit(mvg_arena *arena) {
  while (arena->head) {
    block *next = arena->head->next;
    mvg_free(arena->head);
    arena->head = next;
  }
}

mvg_status mvg_arena_alloc(mvg_arena *arena, size_t count, size_t element_size, void **out) {
  *out = NULL;
  size_t size;
  if (__builtin_mul_overflow(count, element_size, &size) || size > SIZE_MAX / 2) {
    return MVG_ERROR(MVG_OUT_OF_MEMORY, "arena request of %zu x %zu bytes overflows", count,
                     element_size);
  }
  size = (size + 15) & ~(size_t)15;
  if (!arena->head || arena->head->capacity - arena->head->used < size) {
    size_t capacity = size > BLOCK_SIZE ? size : BLOCK_SIZE;
    block *fresh;
    MVG_RETURN_IF_ERROR(mvg_alloc_zeroed(1, sizeof(block) + capacity, (void **)&fresh));
    fresh->capacity = capacity;
    fresh->next = arena->head;
    arena->head = fresh;
  }
  *out = arena->head->bytes + arena->head->used;
  arena->head->used += size;
  return NULL;
}

mvg_status mvg_arena_copy(mvg_arena *arena, const void *source, size_t count, size_t element_size,
                          void **out) {
  MVG_RETURN_IF_ERROR(mvg_arena_alloc(arena, count, element_size, out));
  if (count) memcpy(*out, source, count * element_size);
  return NULL;
}

mvg_status mvg_arena_string(mvg_arena *arena, const char *text, const char **out) {
  return mvg_arena_copy(arena, text, strlen(text) + 1, 1, (void **)out);
}

mvg_status mvg_arena_strings(mvg_arena *arena, const char *const *texts, size_t count,
                             const char *const **out) {
  const char **copy;
  MVG_RETURN_IF_ERROR(mvg_arena_alloc(arena, count, sizeof *copy, (void **)&copy));
  for (size_t i = 0; i < count; ++i)
    MVG_RETURN_IF_ERROR(mvg_arena_string(arena, texts[i], &copy[i]));
  *out = copy;
  return NULL;
}

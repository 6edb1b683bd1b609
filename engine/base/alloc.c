#include "base/alloc.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static atomic_uint_fast64_t fail_countdown;

static bool should_fail(void) {
  uint_fast64_t left = atomic_load_explicit(&fail_countdown, memory_order_relaxed);
  if (left == 0) return false;
  return atomic_fetch_sub(&fail_countdown, 1) == 1;
}

void mvg_alloc_fail_nth(uint64_t n) {
  atomic_store(&fail_countdown, n);
}

static mvg_status out_of_memory(size_t count, size_t element_size) {
  return MVG_ERROR(MVG_OUT_OF_MEMORY, "out of host memory: %zu elements of %zu bytes", count,
                   element_size);
}

mvg_status mvg_alloc_zeroed(size_t count, size_t element_size, void **out) {
  *out = NULL;
  if (count == 0) return NULL;
  if (should_fail()) return out_of_memory(count, element_size);
  *out = calloc(count, element_size);
  return *out ? NULL : out_of_memory(count, element_size);
}

mvg_status mvg_alloc_resize(void **inout, size_t count, size_t element_size) {
  size_t size_bytes;
  if (__builtin_mul_overflow(count, element_size, &size_bytes) || size_bytes == 0 ||
      should_fail()) {
    return out_of_memory(count, element_size);
  }
  void *moved = realloc(*inout, size_bytes);
  if (!moved) return out_of_memory(count, element_size);
  *inout = moved;
  return NULL;
}

mvg_status mvg_alloc_string(const char *text, char **out) {
  size_t size = strlen(text) + 1;
  MVG_RETURN_IF_ERROR(mvg_alloc_zeroed(size, 1, (void **)out));
  memcpy(*out, text, size);
  return NULL;
}

void mvg_free(void *memory) {
  free(memory);
}

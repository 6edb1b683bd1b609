#include "base/alloc.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

// All of it is idle in production: one relaxed load an allocation, another one a release.
static atomic_uint_fast64_t fail_countdown;
static atomic_bool does_failure_last, is_watching;
static atomic_int_fast64_t held_count;

static bool must_fail(void) {
  uint_fast64_t left = atomic_load_explicit(&fail_countdown, memory_order_relaxed);
  while (left > 1 || (left == 1 && !atomic_load(&does_failure_last))) {
    if (atomic_compare_exchange_weak(&fail_countdown, &left, left - 1)) break;
  }
  return left == 1;
}

static void count_held(int change) {
  if (atomic_load_explicit(&is_watching, memory_order_relaxed)) {
    atomic_fetch_add(&held_count, change);
  }
}

uint64_t mvg_alloc_fail_nth(uint64_t n) {
  atomic_store(&does_failure_last, false);
  return atomic_exchange(&fail_countdown, n);
}

uint64_t mvg_alloc_fail_from(uint64_t n) {
  atomic_store(&does_failure_last, true);
  return atomic_exchange(&fail_countdown, n);
}

void mvg_alloc_watch(void) {
  atomic_store(&held_count, 0);
  atomic_store(&is_watching, true);
}

int64_t mvg_alloc_unwatch(void) {
  atomic_store(&is_watching, false);
  return (int64_t)atomic_load(&held_count);
}

static mvg_status out_of_memory(size_t count, size_t element_size) {
  if (count == 1) {
    return MVG_ERROR(MVG_OUT_OF_MEMORY, "out of host memory: %zu bytes", element_size);
  }
  return MVG_ERROR(MVG_OUT_OF_MEMORY, "out of host memory: %zu elements of %zu bytes", count,
                   element_size);
}

mvg_status mvg_alloc_zeroed(size_t count, size_t element_size, void **out) {
  *out = NULL;
  if (count == 0) return NULL;
  if (must_fail()) return out_of_memory(count, element_size);
  *out = calloc(count, element_size);
  if (!*out) return out_of_memory(count, element_size);
  count_held(1);
  return NULL;
}

mvg_status mvg_alloc_aligned(size_t size_bytes, void **out) {
  *out = NULL;
  size_t rounded = (size_bytes + MVG_ALIGNMENT - 1) & ~(size_t)(MVG_ALIGNMENT - 1);
  if (rounded == 0) rounded = MVG_ALIGNMENT;
  if (rounded < size_bytes || must_fail()) return out_of_memory(1, size_bytes);
  *out = aligned_alloc(MVG_ALIGNMENT, rounded);
  if (!*out) return out_of_memory(1, size_bytes);
  memset(*out, 0, rounded);
  count_held(1);
  return NULL;
}

void *mvg_alloc_plain(size_t size_bytes) {
  void *memory = must_fail() ? NULL : malloc(size_bytes);
  if (memory) count_held(1);
  return memory;
}

mvg_status mvg_alloc_resize(void **inout, size_t count, size_t element_size) {
  size_t size_bytes;
  if (__builtin_mul_overflow(count, element_size, &size_bytes) || size_bytes == 0 || must_fail()) {
    return out_of_memory(count, element_size);
  }
  void *moved = realloc(*inout, size_bytes);
  if (!moved) return out_of_memory(count, element_size);
  if (!*inout) count_held(1);
  *inout = moved;
  return NULL;
}

mvg_status mvg_alloc_string(const char *text, char **out) {
  size_t size = strlen(text) + 1;
  MVG_RETURN_IF_ERROR(mvg_alloc_zeroed(1, size, (void **)out));
  memcpy(*out, text, size);
  return NULL;
}

void mvg_free(void *memory) {
  if (memory) count_held(-1);
  free(memory);
}

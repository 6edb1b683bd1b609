// Host memory: libc behind one door, so that tests can make the n-th allocation fail.
#ifndef MVGRAPH_BASE_ALLOC_H_
#define MVGRAPH_BASE_ALLOC_H_

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

// Zero-filled memory for `count` elements; *out is NULL on failure (including overflow) and for
// count 0.
mvg_status mvg_alloc_zeroed(size_t count, size_t element_size, void **out) MVG_MUST_USE;

// Grows or shrinks; on failure *inout is untouched.
mvg_status mvg_alloc_resize(void **inout, size_t count, size_t element_size) MVG_MUST_USE;

// Copies a NUL-terminated string.
mvg_status mvg_alloc_string(const char *text, char **out) MVG_MUST_USE;

void mvg_free(void *memory);

// Makes the n-th allocation from now fail once (1 is the next); 0 switches it off. For tests.
void mvg_alloc_fail_nth(uint64_t n);

#define MVG_NEW(pointer) mvg_alloc_zeroed(1, sizeof **(pointer), (void **)(pointer))
#define MVG_NEW_ARRAY(count, pointer)                                                              \
  mvg_alloc_zeroed((count), sizeof **(pointer), (void **)(pointer))

#endif // MVGRAPH_BASE_ALLOC_H_

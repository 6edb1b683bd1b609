// Host memory: libc behind one door, so that tests can make the n-th allocation fail and count what
// is held.
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

// Zero-filled and aligned to MVG_ALIGNMENT; 0 bytes give a valid pointer that must not be read.
#define MVG_ALIGNMENT 64
mvg_status mvg_alloc_aligned(size_t size_bytes, void **out) MVG_MUST_USE;

// malloc for libraries that take an allocator of their user's: NULL on failure. Release with
// mvg_free.
void *mvg_alloc_plain(size_t size_bytes);

// Copies a NUL-terminated string.
mvg_status mvg_alloc_string(const char *text, char **out) MVG_MUST_USE;

void mvg_free(void *memory);

// ---- for tests ----

// Makes the n-th allocation from now fail (1 is the next), that one alone or it and all after it;
// 0 switches it off. Returns what was left of the count before: where the failure came, 0 for one
// alone and 1 else.
uint64_t mvg_alloc_fail_nth(uint64_t n);
uint64_t mvg_alloc_fail_from(uint64_t n);

// Counts blocks from here on; the count at the end is of those that were allocated and not freed.
void mvg_alloc_watch(void);
int64_t mvg_alloc_unwatch(void);

#define MVG_NEW(pointer) mvg_alloc_zeroed(1, sizeof **(pointer), (void **)(pointer))
#define MVG_NEW_ARRAY(count, pointer)                                                              \
  mvg_alloc_zeroed((count), sizeof **(pointer), (void **)(pointer))

#endif // MVGRAPH_BASE_ALLOC_H_

// A typed growable array: MVG_ARRAY(uint32_t) ids = {0}; mvg_array_push(&ids, 7);
// mvg_array_deinit(&ids);
#ifndef MVGRAPH_BASE_ARRAY_H_
#define MVGRAPH_BASE_ARRAY_H_

#include <stddef.h>

#include "base/alloc.h"
#include "base/status.h"

#define MVG_ARRAY(type)                                                                            \
  struct {                                                                                         \
    type *items;                                                                                   \
    size_t count;                                                                                  \
    size_t capacity;                                                                               \
  }

mvg_status mvg_array_grow(void **items, size_t *capacity, size_t needed,
                          size_t element_size) MVG_MUST_USE;

// Makes room for `extra` more items.
#define mvg_array_reserve(array, extra)                                                            \
  mvg_array_grow((void **)&(array)->items, &(array)->capacity, (array)->count + (extra),           \
                 sizeof *(array)->items)

// Appends; evaluates to a status.
#define mvg_array_push(array, ...)                                                                 \
  __extension__({                                                                                  \
    mvg_status push_status_ = mvg_array_reserve((array), 1);                                       \
    if (!push_status_) (array)->items[(array)->count++] = (__VA_ARGS__);                           \
    push_status_;                                                                                  \
  })

#define mvg_array_deinit(array)                                                                    \
  do {                                                                                             \
    mvg_free((array)->items);                                                                      \
    (array)->items = NULL;                                                                         \
    (array)->count = 0;                                                                            \
    (array)->capacity = 0;                                                                         \
  } while (0)

#endif // MVGRAPH_BASE_ARRAY_H_

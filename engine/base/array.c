#include "base/array.h"

#include "base/alloc.h"

mvg_status mvg_array_grow(void **items, size_t *capacity, size_t needed, size_t element_size) {
  if (needed <= *capacity) return NULL;
  size_t grown = *capacity ? *capacity * 2 : 8;
  if (grown < needed) grown = needed;
  MVG_RETURN_IF_ERROR(mvg_alloc_resize(items, grown, element_size));
  *capacity = grown;
  return NULL;
}

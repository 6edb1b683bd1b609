#include "graph/shape.h"

#include <inttypes.h>
#include <stdio.h>

int64_t mvg_shape_get_size(const mvg_shape *shape) {
  int64_t size = 1;
  for (uint32_t i = 0; i < shape->rank; ++i)
    size *= shape->dims[i];
  return size;
}

bool mvg_shape_is_equal(const mvg_shape *a, const mvg_shape *b) {
  if (a->rank != b->rank) return false;
  for (uint32_t i = 0; i < a->rank; ++i) {
    if (a->dims[i] != b->dims[i]) return false;
  }
  return true;
}

void mvg_shape_get_strides(const mvg_shape *shape, int64_t strides[MVG_MAX_RANK]) {
  int64_t stride = 1;
  for (uint32_t i = shape->rank; i-- > 0;) {
    strides[i] = stride;
    stride *= shape->dims[i];
  }
}

void mvg_shape_get_coordinates(const mvg_shape *shape, int64_t flat, int64_t coords[MVG_MAX_RANK]) {
  for (uint32_t i = shape->rank; i-- > 0;) {
    coords[i] = flat % shape->dims[i];
    flat /= shape->dims[i];
  }
}

int64_t mvg_shape_get_broadcast_element(const mvg_shape *shape, uint32_t rank,
                                        const int64_t *coords) {
  int64_t flat = 0;
  for (uint32_t i = 0; i < shape->rank; ++i) {
    int64_t coord = shape->dims[i] == 1 ? 0 : coords[rank - shape->rank + i];
    flat = flat * shape->dims[i] + coord;
  }
  return flat;
}

mvg_status mvg_shape_broadcast(mvg_shape *inout, const mvg_shape *extra) {
  mvg_shape result = inout->rank >= extra->rank ? *inout : *extra;
  for (uint32_t back = 1; back <= result.rank; ++back) {
    int64_t a = back <= inout->rank ? inout->dims[inout->rank - back] : 1;
    int64_t b = back <= extra->rank ? extra->dims[extra->rank - back] : 1;
    if (a != b && a != 1 && b != 1) {
      char left[MVG_SHAPE_TEXT_SIZE], right[MVG_SHAPE_TEXT_SIZE];
      return MVG_ERROR(MVG_INVALID_ARGUMENT,
                       "shapes %s and %s do not broadcast: %" PRId64 " against %" PRId64
                       " on axis -%u",
                       mvg_shape_format(inout, left), mvg_shape_format(extra, right), a, b, back);
    }
    result.dims[result.rank - back] = a == 1 ? b : a;
  }
  *inout = result;
  return NULL;
}

mvg_status mvg_shape_validate(const mvg_shape *shape) {
  if (shape->rank > MVG_MAX_RANK) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT, "rank %u is more than the %d supported", shape->rank,
                     MVG_MAX_RANK);
  }
  int64_t size = 1;
  for (uint32_t i = 0; i < shape->rank; ++i) {
    if (shape->dims[i] < 0) {
      return MVG_ERROR(MVG_INVALID_ARGUMENT, "axis %u has negative length %" PRId64, i,
                       shape->dims[i]);
    }
    if (__builtin_mul_overflow(size, shape->dims[i] ? shape->dims[i] : 1, &size) ||
        size > INT32_MAX) {
      return MVG_ERROR(MVG_INVALID_ARGUMENT, "a tensor has at most %d elements", INT32_MAX);
    }
  }
  return NULL;
}

const char *mvg_shape_format(const mvg_shape *shape, char buffer[MVG_SHAPE_TEXT_SIZE]) {
  size_t used = 0;
  buffer[used++] = '[';
  for (uint32_t i = 0; i < shape->rank; ++i) {
    used += (size_t)snprintf(buffer + used, MVG_SHAPE_TEXT_SIZE - used, "%s%" PRId64, i ? ", " : "",
                             shape->dims[i]);
  }
  snprintf(buffer + used, MVG_SHAPE_TEXT_SIZE - used, "]");
  return buffer;
}

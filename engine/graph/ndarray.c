#include "graph/ndarray.h"

#include <inttypes.h>
#include <math.h>

#include "base/alloc.h"
#include "base/half.h"

mvg_status mvg_ndarray_create(mvg_dtype dtype, const mvg_shape *shape, mvg_ndarray **out_array) {
  *out_array = NULL;
  MVG_RETURN_IF_ERROR(mvg_shape_validate(shape));
  mvg_ndarray *array;
  MVG_RETURN_IF_ERROR(MVG_NEW(&array));
  *array = (mvg_ndarray){.dtype = dtype, .shape = *shape, .reference_count = 1};
  array->size_bytes = (size_t)mvg_shape_get_size(shape) * mvg_dtype_get_size(dtype);
  mvg_status status = mvg_alloc_aligned(array->size_bytes, &array->data);
  if (status) {
    mvg_free(array);
    char text[MVG_SHAPE_TEXT_SIZE];
    return mvg_status_annotate(status, "an array %s of %s", mvg_shape_format(shape, text),
                               mvg_dtype_get_name(dtype));
  }
  *out_array = array;
  return NULL;
}

mvg_status mvg_ndarray_narrow(mvg_ndarray *array, int64_t first, int64_t count,
                              mvg_ndarray **out_view) {
  *out_view = NULL;
  if (array->shape.rank == 0 || first < 0 || count < 0 || first > array->shape.dims[0] ||
      count > array->shape.dims[0] - first) {
    char text[MVG_SHAPE_TEXT_SIZE];
    return MVG_ERROR(MVG_INVALID_ARGUMENT,
                     "%" PRId64 " rows from row %" PRId64 " lie outside shape %s", count, first,
                     mvg_shape_format(&array->shape, text));
  }
  mvg_ndarray *view;
  MVG_RETURN_IF_ERROR(MVG_NEW(&view));
  *view = (mvg_ndarray){.dtype = array->dtype, .shape = array->shape, .reference_count = 1};
  view->shape.dims[0] = count;
  size_t row_bytes = array->shape.dims[0] ? array->size_bytes / (size_t)array->shape.dims[0] : 0;
  view->size_bytes = row_bytes * (size_t)count;
  view->data = (char *)array->data + row_bytes * (size_t)first;
  view->parent = array->parent ? array->parent : array;
  mvg_ndarray_retain(view->parent);
  *out_view = view;
  return NULL;
}

void mvg_ndarray_retain(mvg_ndarray *array) {
  array->reference_count++;
}

void mvg_ndarray_release(mvg_ndarray *array) {
  if (!array || --array->reference_count) return;
  if (array->parent) {
    mvg_ndarray_release(array->parent);
  } else {
    mvg_free(array->data);
  }
  mvg_free(array);
}

double mvg_ndarray_get(const mvg_ndarray *array, int64_t flat_index) {
  switch (array->dtype) {
  case MVG_DTYPE_F32:
    return ((const float *)array->data)[flat_index];
  case MVG_DTYPE_I32:
    return ((const int32_t *)array->data)[flat_index];
  case MVG_DTYPE_F16:
    return mvg_float_from_f16(((const uint16_t *)array->data)[flat_index]);
  case MVG_DTYPE_BF16:
    return mvg_float_from_bf16(((const uint16_t *)array->data)[flat_index]);
  case MVG_DTYPE_U8:
    return ((const uint8_t *)array->data)[flat_index];
  case MVG_DTYPE_F64:
    return ((const double *)array->data)[flat_index];
  case MVG_DTYPE_COUNT:
    break;
  }
  return NAN;
}

// The nearest that the type holds; not a number is 0.
static double saturate(double value, double low, double high) {
  return value >= high ? high : value > low ? value : value <= low ? low : 0;
}

void mvg_ndarray_set(mvg_ndarray *array, int64_t flat_index, double value) {
  switch (array->dtype) {
  case MVG_DTYPE_F32:
    ((float *)array->data)[flat_index] = (float)value;
    break;
  case MVG_DTYPE_I32:
    ((int32_t *)array->data)[flat_index] = (int32_t)saturate(value, INT32_MIN, INT32_MAX);
    break;
  case MVG_DTYPE_F16:
    ((uint16_t *)array->data)[flat_index] = mvg_float_to_f16((float)value);
    break;
  case MVG_DTYPE_BF16:
    ((uint16_t *)array->data)[flat_index] = mvg_float_to_bf16((float)value);
    break;
  case MVG_DTYPE_U8:
    ((uint8_t *)array->data)[flat_index] = (uint8_t)lrint(saturate(value, 0, 255));
    break;
  case MVG_DTYPE_F64:
    ((double *)array->data)[flat_index] = value;
    break;
  case MVG_DTYPE_COUNT:
    break;
  }
}

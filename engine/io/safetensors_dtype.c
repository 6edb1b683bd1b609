#include "io/safetensors_dtype.h"

#include <inttypes.h>
#include <stdint.h>
#include <string.h>

#include "base/half.h"

typedef enum {
  FILE_F32,
  FILE_I32,
  FILE_U8,
  FILE_F64,
  FILE_F16,
  FILE_BF16,
  FILE_I64,
  FILE_BOOL
} file_dtype;

static const mvg_safetensors_dtype file_dtypes[] = {
    [FILE_F32] = {"F32", 4, MVG_DTYPE_F32}, [FILE_I32] = {"I32", 4, MVG_DTYPE_I32},
    [FILE_U8] = {"U8", 1, MVG_DTYPE_U8},    [FILE_F64] = {"F64", 8, MVG_DTYPE_F64},
    [FILE_F16] = {"F16", 2, MVG_DTYPE_F32}, [FILE_BF16] = {"BF16", 2, MVG_DTYPE_F32},
    [FILE_I64] = {"I64", 8, MVG_DTYPE_I32}, [FILE_BOOL] = {"BOOL", 1, MVG_DTYPE_U8},
};

const mvg_safetensors_dtype *mvg_safetensors_dtype_find(const char *name) {
  for (size_t i = 0; i < sizeof file_dtypes / sizeof *file_dtypes; i++) {
    if (!strcmp(file_dtypes[i].name, name)) return &file_dtypes[i];
  }
  return NULL;
}

const char *mvg_safetensors_dtype_get_name(mvg_dtype dtype) {
  switch (dtype) {
  case MVG_DTYPE_F32:
    return "F32";
  case MVG_DTYPE_I32:
    return "I32";
  case MVG_DTYPE_F16:
    return "F16";
  case MVG_DTYPE_BF16:
    return "BF16";
  case MVG_DTYPE_U8:
    return "U8";
  case MVG_DTYPE_F64:
    return "F64";
  case MVG_DTYPE_COUNT:
    break;
  }
  return "";
}

static void convert_f16(const uint8_t *source, float *values, size_t count) {
  for (size_t i = 0; i < count; i++) {
    uint16_t half;
    memcpy(&half, source + 2 * i, sizeof half);
    values[i] = mvg_float_from_f16(half);
  }
}

static void convert_bf16(const uint8_t *source, float *values, size_t count) {
  for (size_t i = 0; i < count; i++) {
    uint16_t half;
    memcpy(&half, source + 2 * i, sizeof half);
    values[i] = mvg_float_from_bf16(half);
  }
}

static mvg_status convert_i64(const uint8_t *source, int32_t *values, size_t count) {
  for (size_t i = 0; i < count; i++) {
    int64_t value;
    memcpy(&value, source + 8 * i, sizeof value);
    if (value < INT32_MIN || value > INT32_MAX) {
      return MVG_ERROR(MVG_UNSUPPORTED,
                       "element %zu is %" PRId64 ", which does not fit 32 bits; store it as F64", i,
                       value);
    }
    values[i] = (int32_t)value;
  }
  return NULL;
}

mvg_status mvg_safetensors_dtype_convert(const mvg_safetensors_dtype *dtype, const void *source,
                                         mvg_ndarray *array) {
  size_t count = (size_t)mvg_shape_get_size(&array->shape);
  switch ((file_dtype)(dtype - file_dtypes)) {
  case FILE_F16:
    convert_f16(source, array->data, count);
    return NULL;
  case FILE_BF16:
    convert_bf16(source, array->data, count);
    return NULL;
  case FILE_I64:
    return convert_i64(source, array->data, count);
  case FILE_F32:
  case FILE_I32:
  case FILE_U8:
  case FILE_F64:
  case FILE_BOOL:
    if (count) memcpy(array->data, source, count * dtype->size_bytes);
    return NULL;
  }
  return MVG_ERROR(MVG_INTERNAL, "dtype '%s' has no conversion", dtype->name);
}

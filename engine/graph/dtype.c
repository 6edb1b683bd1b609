#include "graph/dtype.h"

#include <string.h>

static const struct {
  const char *name;
  size_t size_bytes;
} table[MVG_DTYPE_COUNT] = {{"f32", 4}, {"i32", 4}, {"f16", 2}, {"bf16", 2}, {"u8", 1}, {"f64", 8}};

size_t mvg_dtype_get_size(mvg_dtype dtype) {
  return table[dtype].size_bytes;
}

const char *mvg_dtype_get_name(mvg_dtype dtype) {
  return table[dtype].name;
}

bool mvg_dtype_is_half(mvg_dtype dtype) {
  return dtype == MVG_DTYPE_F16 || dtype == MVG_DTYPE_BF16;
}

bool mvg_dtype_parse(const char *name, mvg_dtype *out_dtype) {
  for (int i = 0; i < MVG_DTYPE_COUNT; ++i) {
    if (strcmp(name, table[i].name) == 0) {
      *out_dtype = (mvg_dtype)i;
      return true;
    }
  }
  return false;
}

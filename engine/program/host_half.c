#include "program/host_half.h"

#include "base/half.h"
#include "program/host_math.h"

MVG_HOST_INLINE void widen(mvg_dtype dtype, const uint16_t *halves, int64_t stride, int64_t count,
                           float *values) {
  if (dtype == MVG_DTYPE_BF16 && stride == 1) {
    for (int64_t i = 0; i < count; ++i)
      values[i] = mvg_float_from_bf16(halves[i]);
  } else if (dtype == MVG_DTYPE_BF16) {
    for (int64_t i = 0; i < count; ++i)
      values[i] = mvg_float_from_bf16(halves[i * stride]);
  } else {
    for (int64_t i = 0; i < count; ++i)
      values[i] = mvg_float_from_f16(halves[i * stride]);
  }
}

MVG_HOST_INLINE void narrow(mvg_dtype dtype, const float *values, int64_t count, uint16_t *halves) {
  if (dtype == MVG_DTYPE_BF16) {
    for (int64_t i = 0; i < count; ++i)
      halves[i] = mvg_float_to_bf16(values[i]);
  } else {
    for (int64_t i = 0; i < count; ++i)
      halves[i] = mvg_float_to_f16(values[i]);
  }
}

#if defined(__x86_64__) && defined(__GNUC__)
__attribute__((target("avx2"))) static void
widen_fast(mvg_dtype dtype, const uint16_t *halves, int64_t stride, int64_t count, float *values) {
  widen(dtype, halves, stride, count, values);
}

__attribute__((target("avx2"))) static void narrow_fast(mvg_dtype dtype, const float *values,
                                                        int64_t count, uint16_t *halves) {
  narrow(dtype, values, count, halves);
}

static bool is_fast(void) {
  return __builtin_cpu_supports("avx2");
}
#else
#define widen_fast widen
#define narrow_fast narrow

static bool is_fast(void) {
  return false;
}
#endif

void mvg_host_widen(mvg_dtype dtype, const void *halves, int64_t stride, int64_t count,
                    float *out_values) {
  if (is_fast()) {
    widen_fast(dtype, halves, stride, count, out_values);
  } else {
    widen(dtype, halves, stride, count, out_values);
  }
}

void mvg_host_narrow(mvg_dtype dtype, const float *values, int64_t count, void *out_halves) {
  if (is_fast()) {
    narrow_fast(dtype, values, count, out_halves);
  } else {
    narrow(dtype, values, count, out_halves);
  }
}

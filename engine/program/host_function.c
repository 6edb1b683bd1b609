// The functions of host_math.h, with fused multiply-adds where the processor has them.
#include "program/host_function.h"

#include "graph/expr.h"
#include "program/host_math.h"

#define MAX_ANGLE 1e8f // above, quarter turns need more than double precision
#define EACH MVG_INDEPENDENT for (int32_t i = 0; i < n; ++i)

MVG_HOST_INLINE bool apply(uint16_t op, const float *x, int32_t n, float *y) {
  switch (op) {
  case MVG_EXPR_EXP:
    EACH y[i] = mvg_host_exp(x[i]);
    return true;
  case MVG_EXPR_LOG:
    EACH y[i] = mvg_host_log(x[i]);
    return true;
  case MVG_EXPR_SIN:
    EACH y[i] = mvg_host_sine(x[i], 0);
    EACH if (fabsf(x[i]) > MAX_ANGLE) y[i] = sinf(x[i]);
    return true;
  case MVG_EXPR_COS:
    EACH y[i] = mvg_host_sine(x[i], 1);
    EACH if (fabsf(x[i]) > MAX_ANGLE) y[i] = cosf(x[i]);
    return true;
  case MVG_EXPR_TANH:
    EACH y[i] = mvg_host_tanh(x[i]);
    return true;
  case MVG_EXPR_EXPM1:
    EACH y[i] = mvg_host_expm1(x[i]);
    return true;
  case MVG_EXPR_LOG1P:
    EACH y[i] = mvg_host_log1p(x[i]);
    return true;
  case MVG_EXPR_ERF:
    EACH y[i] = mvg_host_erf(x[i]);
    return true;
  case MVG_EXPR_SIGMOID:
    EACH y[i] = mvg_host_sigmoid(x[i]);
    return true;
  default:
    return false;
  }
}

static bool apply_plainly(uint16_t op, const float *x, int32_t n, float *y) {
  return apply(op, x, n, y);
}

#if defined(__x86_64__) && defined(__GNUC__)
__attribute__((target("avx2,fma"))) static bool apply_avx2(uint16_t op, const float *x, int32_t n,
                                                           float *y) {
  return apply(op, x, n, y);
}

MVG_WIDEST("avx512f,avx512vl,avx512dq")
static bool apply_avx512(uint16_t op, const float *x, int32_t n, float *y) {
  return apply(op, x, n, y);
}

bool mvg_host_function(uint16_t op, const float *x, int32_t count, float *y) {
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq")) {
    return apply_avx512(op, x, count, y);
  }
  bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return (has_avx2 ? apply_avx2 : apply_plainly)(op, x, count, y);
}
#else
bool mvg_host_function(uint16_t op, const float *x, int32_t count, float *y) {
  return apply_plainly(op, x, count, y);
}
#endif

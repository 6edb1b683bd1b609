// Elementary functions that compilers turn into vector code: no branches, no tables, no library
// calls. Accurate to a few units in the last place; NaN in gives NaN out. Sizes of blocks, too.
#ifndef MVGRAPH_PROGRAM_HOST_MATH_H_
#define MVGRAPH_PROGRAM_HOST_MATH_H_

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/half.h"

// ---- what compilers are told ----

#if defined(__GNUC__)
#define MVG_HOST_INLINE static inline __attribute__((always_inline))
#else
#define MVG_HOST_INLINE static inline
#endif

// MVG_INDEPENDENT: the iterations of the loop that follows may run side by side.
// MVG_WIDEST(features): the function has these, and vectors of 512 bits where they pay.
#if defined(__clang__)
#pragma clang diagnostic ignored "-Wpass-failed" // where they may, but do not
#define MVG_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#define MVG_WIDEST(features) __attribute__((target(features), min_vector_width(512)))
#elif defined(__GNUC__)
#define MVG_INDEPENDENT _Pragma("GCC ivdep")
#define MVG_WIDEST(features) __attribute__((target(features ",prefer-vector-width=512")))
#else
#define MVG_INDEPENDENT
#endif

// ---- sizes of blocks ----

MVG_HOST_INLINE int64_t mvg_host_smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

MVG_HOST_INLINE int64_t mvg_host_divide_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

MVG_HOST_INLINE int64_t mvg_host_common_divisor(int64_t a, int64_t b) {
  a = a < 0 ? -a : a;
  b = b < 0 ? -b : b;
  while (b) {
    int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

// ---- elementary functions ----

// e^x = 2^n e^r with |r| <= ln(2) / 2; Taylor's series to r^7 leaves 6e-9. The power of two is
// applied in two halves, so that results below the normal range come out right.
MVG_HOST_INLINE float mvg_host_exp(float x) {
  float t = x > 89.0f ? 89.0f : x;
  t = t < -104.0f ? -104.0f : t;
  const float magic = 12582912.0f; // adding it rounds to an integer
  float shifted = t * 1.44269504f + magic;
  int32_t n = (int32_t)(mvg_float_to_bits(shifted) - mvg_float_to_bits(magic));
  float k = shifted - magic;
  float r = t - k * 0.693145752f;
  r = r - k * 1.42860677e-6f;
  float p = 1.98412698e-4f;
  p = p * r + 1.38888889e-3f;
  p = p * r + 8.33333333e-3f;
  p = p * r + 4.16666667e-2f;
  p = p * r + 1.66666667e-1f;
  p = p * r + 0.5f;
  p = p * r * r + r + 1.0f;
  int32_t half = n >> 1;
  float a = mvg_float_from_bits((uint32_t)(half + 127) << 23);
  float b = mvg_float_from_bits((uint32_t)(n - half + 127) << 23);
  return p * a * b;
}

// x = 2^e m with m in [sqrt(1/2), sqrt(2)); log m = 2 artanh(s), s = (m - 1) / (m + 1).
MVG_HOST_INLINE float mvg_host_log(float x) {
  int is_small = x < 1.17549435e-38f;
  float y = is_small ? x * 8388608.0f : x;
  uint32_t bits = mvg_float_to_bits(y) - 0x3F3504F3u;
  int32_t e = (int32_t)bits >> 23;
  float m = mvg_float_from_bits((bits & 0x007FFFFFu) + 0x3F3504F3u);
  float f = m - 1.0f, s = f / (2.0f + f), q = s * s;
  float p = 0.222222222f;
  p = p * q + 0.285714286f;
  p = p * q + 0.4f;
  p = p * q + 0.666666667f;
  float k = (float)(e - (is_small ? 23 : 0));
  // f - f^2 / 2 carries most of it without rounding: log m = f - (f^2 / 2 - s (f^2 / 2 + p q)).
  float h = 0.5f * f * f;
  float r = k * 0.693145752f + (f - (h - (s * (h + p * q) + k * 1.42860677e-6f)));
  r = x == INFINITY ? x : r;
  r = x == 0.0f ? -INFINITY : r;
  r = x < 0.0f ? NAN : r;
  return x != x ? x : r;
}

// Quarter turns are taken off in double precision, which is right up to 1e8.
MVG_HOST_INLINE float mvg_host_sine(float x, uint32_t quarter) {
  const double magic = 6755399441055744.0;
  double shifted = (double)x * 0.63661977236758134308 + magic;
  double k = shifted - magic;
  uint64_t bits;
  memcpy(&bits, &shifted, sizeof bits);
  uint32_t n = (uint32_t)bits + quarter;
  float r = (float)(((double)x - k * 1.5707963267948966) - k * 6.123233995736766e-17);
  float q = r * r;
  float sine = 2.75573192e-6f;
  sine = sine * q - 1.98412698e-4f;
  sine = sine * q + 8.33333333e-3f;
  sine = sine * q - 1.66666667e-1f;
  sine = r + r * q * sine;
  float cosine = -2.75573192e-7f;
  cosine = cosine * q + 2.48015873e-5f;
  cosine = cosine * q - 1.38888889e-3f;
  cosine = cosine * q + 4.16666667e-2f;
  cosine = 1.0f - 0.5f * q + q * q * cosine;
  float y = n & 1u ? cosine : sine;
  return n & 2u ? -y : y;
}

MVG_HOST_INLINE float mvg_host_sigmoid(float x) {
  float e = mvg_host_exp(-fabsf(x));
  float low = e / (1.0f + e), high = 1.0f / (1.0f + e);
  return x >= 0.0f ? high : low;
}

// A polynomial near 0 keeps small arguments accurate.
MVG_HOST_INLINE float mvg_host_tanh(float x) {
  float a = fabsf(x), s = x * x;
  float p = 0.0218694885f;
  p = p * s - 0.0539682540f;
  p = p * s + 0.133333333f;
  p = p * s - 0.333333333f;
  p = x + x * s * p;
  float e = mvg_host_exp(-2.0f * a);
  float t = (1.0f - e) / (1.0f + e);
  t = x < 0.0f ? -t : t;
  return a < 0.25f ? p : t;
}

// Near 0 2 t / (1 - t), t = tanh(x / 2), which cancels nothing.
MVG_HOST_INLINE float mvg_host_expm1(float x) {
  float h = 0.5f * x, s = h * h;
  float p = 0.0218694885f;
  p = p * s - 0.0539682540f;
  p = p * s + 0.133333333f;
  p = p * s - 0.333333333f;
  float t = h + h * s * p;
  float near = 2.0f * t / (1.0f - t), far = mvg_host_exp(x) - 1.0f;
  return fabsf(x) < 0.5f ? near : far;
}

// Near 0 the series of 2 artanh(s), s = x / (2 + x).
MVG_HOST_INLINE float mvg_host_log1p(float x) {
  float s = x / (2.0f + x), q = s * s;
  float p = 0.111111111f;
  p = p * q + 0.142857143f;
  p = p * q + 0.2f;
  p = p * q + 0.333333333f;
  float near = 2.0f * (s + s * q * p), far = mvg_host_log(1.0f + x);
  return x > -0.3f && x < 0.42f ? near : far;
}

// The polynomials of kernels/include/erf.glsl.
MVG_HOST_INLINE float mvg_host_erf(float x) {
  float a = fabsf(x), s = x * x;
  float p = 8.31153418e-05f;
  p = p * s - 0.00081286385f;
  p = p * s + 0.00519977124f;
  p = p * s - 0.0268588798f;
  p = p * s + 0.112836859f;
  p = p * s - 0.376126331f;
  p = x * (p * s + 1.12837917f);
  float t = a > 4.0f ? 4.0f : a;
  float q = 2.12689606e-05f;
  q = q * t - 0.000436377559f;
  q = q * t + 0.00417989465f;
  q = q * t - 0.0251415548f;
  q = q * t + 0.10831264f;
  q = q * t + 0.633318771f;
  q = q * t + 1.12952817f;
  float r = 1.0f - mvg_host_exp(0.000177305535f - q * t);
  r = x < 0.0f ? -r : r;
  return a < 0.925f ? p : r;
}

MVG_HOST_INLINE float mvg_host_min(float a, float b) {
  float r = b < a ? b : a;
  return b != b && a == a ? b : r;
}

MVG_HOST_INLINE float mvg_host_max(float a, float b) {
  float r = b > a ? b : a;
  return b != b && a == a ? b : r;
}

// As GLSL's uint(x), for all of [0, 2^32).
MVG_HOST_INLINE uint32_t mvg_host_to_uint(float x) {
  float y = x >= 2147483648.0f ? x - 2147483648.0f : x;
  uint32_t n = (uint32_t)(int32_t)y;
  return x >= 2147483648.0f ? n ^ 0x80000000u : n;
}

// Philox4x32-10, first word, uniform in [0, 1).
MVG_HOST_INLINE float mvg_host_random(float seed, float step, float stream, int32_t index) {
  uint32_t c0 = (uint32_t)index, c1 = mvg_host_to_uint(stream), c2 = 0, c3 = 0;
  uint32_t k0 = mvg_host_to_uint(seed), k1 = mvg_host_to_uint(step);
  for (int i = 0; i < 10; ++i) {
    uint64_t a = (uint64_t)c0 * 0xD2511F53u, b = (uint64_t)c2 * 0xCD9E8D57u;
    c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
    c1 = (uint32_t)b;
    c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
    c3 = (uint32_t)a;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return (float)(int32_t)(c0 >> 8) * 5.9604644775390625e-8f;
}

#endif // MVGRAPH_PROGRAM_HOST_MATH_H_

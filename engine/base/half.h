// Sixteen-bit floats: binary16 (f16) and bfloat16 (bf16), as IEEE 754 rounds them: to nearest, ties
// to even. Without branches, so that loops over them become vector code.
// kernels/include/half.glsl does the same on the device, bit for bit.
#ifndef MVGRAPH_BASE_HALF_H_
#define MVGRAPH_BASE_HALF_H_

#include <stdint.h>
#include <string.h>

static inline float mvg_float_from_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static inline uint32_t mvg_float_to_bits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline float mvg_float_from_bf16(uint16_t half) {
  return mvg_float_from_bits((uint32_t)half << 16);
}

static inline uint16_t mvg_float_to_bf16(float value) {
  uint32_t bits = mvg_float_to_bits(value);
  uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1)) >> 16, nan = bits >> 16 | 0x40u;
  return (uint16_t)((bits & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
}

static inline float mvg_float_from_f16(uint16_t half) {
  uint32_t sign = (uint32_t)(half & 0x8000u) << 16, rest = half & 0x7fffu;
  uint32_t normal = (rest << 13) + (112u << 23), infinite = (rest << 13) + (224u << 23);
  uint32_t tiny = mvg_float_to_bits((float)(int32_t)rest * 0x1p-24f);
  uint32_t bits = rest < 0x400u ? tiny : rest < 0x7c00u ? normal : infinite;
  return mvg_float_from_bits(sign | bits);
}

static inline uint16_t mvg_float_to_f16(float value) {
  uint32_t bits = mvg_float_to_bits(value), sign = bits >> 16 & 0x8000u, rest = bits & 0x7fffffffu;
  uint32_t normal = (rest - (112u << 23) + 0xfffu + (rest >> 13 & 1)) >> 13;
  // the last place of numbers next to 0.5 is that of numbers below f16's normal range
  uint32_t tiny = mvg_float_to_bits(mvg_float_from_bits(rest) + 0.5f) - 0x3f000000u;
  uint32_t infinite = rest > 0x7f800000u ? 0x7e00u : 0x7c00u;
  uint32_t half = rest < 0x38800000u ? tiny : rest < 0x47800000u ? normal : infinite;
  return (uint16_t)(sign | half);
}

#endif // MVGRAPH_BASE_HALF_H_

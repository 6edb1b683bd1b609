#ifndef HALF_GLSL_
#define HALF_GLSL_
// Sixteen-bit floats, rounded to nearest, ties to even: engine/base/half.h, bit for bit.
float from_bf16_(uint half_) {
  return uintBitsToFloat(half_ << 16);
}

uint to_bf16_(float x) {
  uint bits = floatBitsToUint(x);
  return (bits & 0x7fffffffu) > 0x7f800000u ? bits >> 16 | 0x40u : (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}

float from_f16_(uint half_) {
  uint rest = half_ & 0x7fffu;
  uint bits = rest < 0x400u  ? floatBitsToUint(float(rest) * 5.9604644775390625e-8)
            : rest < 0x7c00u ? (rest << 13) + (112u << 23)
                             : (rest << 13) + (224u << 23);
  return uintBitsToFloat((half_ & 0x8000u) << 16 | bits);
}

uint to_f16_(float x) {
  uint bits = floatBitsToUint(x), rest = bits & 0x7fffffffu;
  uint half_ = rest < 0x38800000u ? floatBitsToUint(uintBitsToFloat(rest) + 0.5) - 0x3f000000u
             : rest < 0x47800000u ? (rest - (112u << 23) + 0xfffu + (rest >> 13 & 1u)) >> 13
             : rest > 0x7f800000u ? 0x7e00u
                                  : 0x7c00u;
  return bits >> 16 & 0x8000u | half_;
}

vec4 from_bf16x4_(uvec2 halves) {
  return uintBitsToFloat(uvec4(halves.x << 16, halves.x & 0xffff0000u, halves.y << 16, halves.y & 0xffff0000u));
}

uvec2 to_bf16x4_(vec4 x) {
  return uvec2(to_bf16_(x.x) | to_bf16_(x.y) << 16, to_bf16_(x.z) | to_bf16_(x.w) << 16);
}

vec4 from_f16x4_(uvec2 halves) {
  return vec4(from_f16_(halves.x & 0xffffu), from_f16_(halves.x >> 16), from_f16_(halves.y & 0xffffu),
              from_f16_(halves.y >> 16));
}

uvec2 to_f16x4_(vec4 x) {
  return uvec2(to_f16_(x.x) | to_f16_(x.y) << 16, to_f16_(x.z) | to_f16_(x.w) << 16);
}
#endif

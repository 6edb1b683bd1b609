// Philox4x32-10 (Salmon et al. 2011), first word; the same numbers as engine/base/rng.c.
uint philox_word(float seed, float step, float stream, uint index) {
  uvec4 c = uvec4(index, uint(stream), 0u, 0u);
  uvec2 k = uvec2(uint(seed), uint(step));
  for (int i = 0; i < 10; ++i) {
    uint high0, low0, high1, low1;
    umulExtended(0xD2511F53u, c.x, high0, low0);
    umulExtended(0xCD9E8D57u, c.z, high1, low1);
    c = uvec4(high1 ^ c.y ^ k.x, low1, high0 ^ c.w ^ k.y, low0);
    k += uvec2(0x9E3779B9u, 0xBB67AE85u);
  }
  return c.x;
}

// Of integers too, which single precision does not hold beyond 2^24.
float philox_uniform(float seed, float step, float stream, int index) {
  return float(philox_word(seed, step, stream, uint(index)) >> 8) * 5.9604644775390625e-8;
}

float philox_uniform(float seed, float step, float stream, float index) {
  return philox_uniform(seed, step, stream, int(index));
}

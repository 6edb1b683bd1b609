#include "base/rng.h"

static uint32_t multiply_high_low(uint32_t a, uint32_t b, uint32_t *out_low) {
  uint64_t product = (uint64_t)a * b;
  *out_low = (uint32_t)product;
  return (uint32_t)(product >> 32);
}

void mvg_rng_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out_words[4]) {
  uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
  uint32_t k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; ++round) {
    uint32_t low0, low1;
    uint32_t high0 = multiply_high_low(0xD2511F53u, c0, &low0);
    uint32_t high1 = multiply_high_low(0xCD9E8D57u, c2, &low1);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  out_words[0] = c0;
  out_words[1] = c1;
  out_words[2] = c2;
  out_words[3] = c3;
}

double mvg_rng_uniform(uint32_t seed, uint32_t step, uint32_t stream, uint32_t index) {
  const uint32_t counter[4] = {index, stream, 0, 0};
  const uint32_t key[2] = {seed, step};
  uint32_t words[4];
  mvg_rng_philox(counter, key, words);
  return (words[0] >> 8) * 0x1p-24;
}

// Counter-based random numbers (Philox4x32-10, Salmon et al. 2011): identical on the host and in
// kernels.
#ifndef MVGRAPH_BASE_RNG_H_
#define MVGRAPH_BASE_RNG_H_

#include <stdint.h>

// The block cipher itself: four words from a 128-bit counter and a 64-bit key.
void mvg_rng_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out_words[4]);

// Uniform in [0, 1) on a grid of 2^-24; the value that kernels compute as philox_uniform().
double mvg_rng_uniform(uint32_t seed, uint32_t step, uint32_t stream, uint32_t index);

#endif // MVGRAPH_BASE_RNG_H_

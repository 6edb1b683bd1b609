// What the tiles of convolutions share: vectors, the most registers a tile takes, and the choice
// among code for three kinds of processors.
#ifndef MVGRAPH_PROGRAM_HOST_CONV_TILE_H_
#define MVGRAPH_PROGRAM_HOST_CONV_TILE_H_

#include <stdbool.h>

#define LANES 16 // of a vector; processors with narrower ones split it
#define MAX_ROWS 8
#define MAX_VECTORS 2

typedef float vector __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));

// run_block(b) is body(b, rows, vectors) with tiles for 16, 16 and 32 registers of 4, 8 and 16
// lanes; where `is_narrow` one vector holds all columns. has_avx512() says which it will be.
#if defined(__x86_64__) && defined(__GNUC__)
static inline bool has_avx512(void) {
  return __builtin_cpu_supports("avx512f");
}

#define DEFINE_RUN_BLOCK(body, is_narrow)                                                          \
  __attribute__((target("avx2,fma"))) static void run_avx2(const block *b) {                       \
    body(b, 6, 1);                                                                                 \
  }                                                                                                \
  __attribute__((target("avx512f"))) static void run_avx512(const block *b) {                      \
    if (is_narrow) {                                                                               \
      body(b, 8, 1);                                                                               \
    } else {                                                                                       \
      body(b, 8, 2);                                                                               \
    }                                                                                              \
  }                                                                                                \
  static void run_block(const block *b) {                                                          \
    if (has_avx512()) {                                                                            \
      run_avx512(b);                                                                               \
    } else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {                  \
      run_avx2(b);                                                                                 \
    } else {                                                                                       \
      body(b, 3, 1);                                                                               \
    }                                                                                              \
  }
#else
static inline bool has_avx512(void) {
  return false;
}

#define DEFINE_RUN_BLOCK(body, is_narrow)                                                          \
  static void run_block(const block *b) {                                                          \
    body(b, 3, 1);                                                                                 \
  }
#endif

#endif // MVGRAPH_PROGRAM_HOST_CONV_TILE_H_

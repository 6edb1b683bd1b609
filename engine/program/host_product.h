// One dense product on the calling thread.
#ifndef MVGRAPH_PROGRAM_HOST_PRODUCT_H_
#define MVGRAPH_PROGRAM_HOST_PRODUCT_H_

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "graph/dtype.h"

// A product by its element strides: of op(a) [M, K], of op(b) [K, N], from row to row of y [M, N].
typedef struct {
  int64_t m, n, k;
  int64_t a_row, a_column, b_row, b_column, y_row;
  mvg_dtype a, b, y; // f32, f16 or bf16; sums are f32, and rounded once
  bool overwrites;   // y = op(a) op(b) instead of y +=
} mvg_product;

// y += op(a) op(b); each sum in the order of k, whatever tile an element falls into. Halves of y
// are overwritten.
void mvg_host_multiply_add(const mvg_product *product, const void *a, const void *b, void *y);

typedef float mvg_four __attribute__((vector_size(4 * sizeof(float)), aligned(4)));

// to[j][i] = from[i][j] for 4 rows of 4 elements.
static inline void mvg_host_transpose_four(const float *from, int64_t row, float *to,
                                           int64_t to_row) {
  mvg_four x[4];
  for (int i = 0; i < 4; ++i)
    memcpy(&x[i], from + i * row, sizeof x[i]);
  mvg_four ab_low = __builtin_shufflevector(x[0], x[1], 0, 4, 1, 5);
  mvg_four ab_high = __builtin_shufflevector(x[0], x[1], 2, 6, 3, 7);
  mvg_four cd_low = __builtin_shufflevector(x[2], x[3], 0, 4, 1, 5);
  mvg_four cd_high = __builtin_shufflevector(x[2], x[3], 2, 6, 3, 7);
  mvg_four rows[4] = {__builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5),
                      __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7),
                      __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5),
                      __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7)};
  for (int i = 0; i < 4; ++i)
    memcpy(to + i * to_row, &rows[i], sizeof rows[i]);
}

#endif // MVGRAPH_PROGRAM_HOST_PRODUCT_H_

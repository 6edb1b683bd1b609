// Dense products on the host, for CPU devices.
#ifndef MVGRAPH_PROGRAM_HOST_MATMUL_H_
#define MVGRAPH_PROGRAM_HOST_MATMUL_H_

#include <stdbool.h>
#include <stdint.h>

#include "graph/dtype.h"

// y[b] = op(a[b]) op(b[b]), all row-major: a [M, K] ([K, M] if transposed), b [K, N] ([N, K] if
// transposed), y [M, N].
typedef struct {
  int64_t batch, m, n, k;
  bool transpose_a, transpose_b; // stored transposed
  bool broadcast_a, broadcast_b; // one matrix for the whole batch
  mvg_dtype a, b, y;             // f32, f16 or bf16; sums are f32, and rounded once
} mvg_matmul;

// The same bits at every call, whatever the number of threads. Overwrites y.
void mvg_host_matmul(const mvg_matmul *shape, const void *a, const void *b, void *y);

#endif // MVGRAPH_PROGRAM_HOST_MATMUL_H_

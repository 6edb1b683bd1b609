// Eigenvalues, smallest first, and eigenvectors (columns) of symmetric matrices by SWEEPS cyclic Jacobi sweeps.
// a, vectors [B, N, N]; values [B, N]. Only the symmetric part of a counts. One invocation a matrix.
#include "linalg/small.glsl"

void kernel_main(uint id) {
  float a[N * N], v[N * N], values[N];
  uint base = id * N * N;
  for (uint i = 0u; i < N * N; ++i) a[i] = 0.5 * (load_a(base + i) + load_a(base + i % N * N + i / N));
  set_identity(v);
  uint sweeps = SWEEPS + (id >> 31), last = N - 1u + (id >> 31);
  for (uint sweep = 0u; sweep < sweeps; ++sweep) {
    for (uint p = 0u; p < last; ++p) {
      for (uint q = p + 1u; q <= last; ++q) {
        float t = get_tangent(a[p * N + p], a[q * N + q], a[p * N + q]);
        turn_columns(a, p, q, t);
        turn_rows(a, p, q, t);
        turn_columns(v, p, q, t);
      }
    }
  }
  for (uint i = 0u; i < N; ++i) values[i] = a[i * N + i];
  sort_columns(values, v, false);
  fix_signs(v);
  for (uint i = 0u; i < N; ++i) store_values(id * N + i, values[i]);
  for (uint i = 0u; i < N * N; ++i) store_vectors(base + i, v[i]);
}

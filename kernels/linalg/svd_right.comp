// Singular values, largest first, and right singular vectors (columns of v) of a [B, M, N]; s [B, N]; v [B, N, N].
// Givens rotations fold the rows of a into a triangle, one-sided Jacobi sweeps make its columns orthogonal: a^T a,
// which would square the condition number, is never formed. One invocation a matrix.
#include "linalg/small.glsl"

void kernel_main(uint id) {
  float r[N * N], v[N * N], s[N];
  for (uint i = 0u; i < N * N; ++i) r[i] = 0.0;
  uint sweeps = SWEEPS + (id >> 31), last = N - 1u + (id >> 31);
  for (uint row = 0u; row < M; ++row) {
    float x[N];
    for (uint j = 0u; j < N; ++j) x[j] = load_a((id * M + row) * N + j);
    for (uint k = 0u; k <= last; ++k) {
      float length_ = sqrt(r[k * N + k] * r[k * N + k] + x[k] * x[k]);
      if (length_ < TINY) continue;
      float cosine = r[k * N + k] / length_, sine = x[k] / length_;
      for (uint j = k; j < N; ++j) {
        float above = r[k * N + j];
        r[k * N + j] = cosine * above + sine * x[j];
        x[j] = cosine * x[j] - sine * above;
      }
    }
  }
  set_identity(v);
  for (uint sweep = 0u; sweep < sweeps; ++sweep) {
    for (uint p = 0u; p < last; ++p) {
      for (uint q = p + 1u; q <= last; ++q) {
        float pp = 0.0, qq = 0.0, pq = 0.0;
        for (uint i = 0u; i < N; ++i) {
          float x = r[i * N + p], y = r[i * N + q];
          pp += x * x;
          qq += y * y;
          pq += x * y;
        }
        float t = get_tangent(pp, qq, pq);
        turn_columns(r, p, q, t);
        turn_columns(v, p, q, t);
      }
    }
  }
  for (uint j = 0u; j < N; ++j) {
    float square = 0.0;
    for (uint i = 0u; i < N; ++i) square += r[i * N + j] * r[i * N + j];
    s[j] = sqrt(square);
  }
  sort_columns(s, v, true);
  fix_signs(v);
  for (uint i = 0u; i < N; ++i) store_s(id * N + i, s[i]);
  for (uint i = 0u; i < N * N; ++i) store_v(id * N * N + i, v[i]);
}

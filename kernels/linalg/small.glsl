// Jacobi rotations of matrices of N columns, row by row in `m`; N is at most 9. Bounds of loops that compilers would
// unroll for seconds are passed in instead of being constants.
const float TINY = 1e-30;

// Tangent of the rotation that makes [[app, apq], [apq, aqq]] diagonal; 0 where it is.
float get_tangent(float app, float aqq, float apq) {
  float gap = aqq - app;
  float reach = sqrt(gap * gap + 4.0 * apq * apq);
  float divisor = gap < 0.0 ? gap - reach : gap + reach;
  return abs(divisor) < TINY ? 0.0 : 2.0 * apq / divisor;
}

// Columns p and q turned by a rotation of tangent t.
void turn_columns(inout float m[N * N], uint p, uint q, float t) {
  float c = inversesqrt(1.0 + t * t), s = t * c;
  for (uint i = 0u; i < N; ++i) {
    float x = m[i * N + p], y = m[i * N + q];
    m[i * N + p] = c * x - s * y;
    m[i * N + q] = s * x + c * y;
  }
}

void turn_rows(inout float m[N * N], uint p, uint q, float t) {
  float c = inversesqrt(1.0 + t * t), s = t * c;
  for (uint i = 0u; i < N; ++i) {
    float x = m[p * N + i], y = m[q * N + i];
    m[p * N + i] = c * x - s * y;
    m[q * N + i] = s * x + c * y;
  }
}

void set_identity(out float m[N * N]) {
  for (uint i = 0u; i < N * N; ++i) m[i] = i / N == i % N ? 1.0 : 0.0;
}

// Sorts values, and columns of v with them; smallest first, or largest.
void sort_columns(inout float values[N], inout float v[N * N], bool is_descending) {
  for (uint i = 0u; i + 1u < N; ++i) {
    uint best = i;
    for (uint j = i + 1u; j < N; ++j) {
      if (is_descending ? values[j] > values[best] : values[j] < values[best]) best = j;
    }
    float value = values[i];
    values[i] = values[best];
    values[best] = value;
    for (uint k = 0u; k < N; ++k) {
      float x = v[k * N + i];
      v[k * N + i] = v[k * N + best];
      v[k * N + best] = x;
    }
  }
}

// Columns with the sign that makes their largest element positive; the first of equal ones decides.
void fix_signs(inout float v[N * N]) {
  for (uint j = 0u; j < N; ++j) {
    float largest = 0.0;
    for (uint i = 0u; i < N; ++i) {
      if (abs(v[i * N + j]) > abs(largest)) largest = v[i * N + j];
    }
    for (uint i = 0u; i < N && largest < 0.0; ++i) v[i * N + j] = -v[i * N + j];
  }
}

// Batches of small matrices are spread over threads whole; large ones are split inside. Every output is one sum over k in
// order (own kernel) or oneDNN's fixed blocking, so the number of threads does not change a bit.
#include "program/host_matmul.h"

#include <string.h>

#ifdef MVG_HAS_ONEDNN
#include <oneapi/dnnl/dnnl.h>
#endif

#define MR 4
#define NR 16
#define KC 256
#define TINY 8192  // multiplications below which packing costs more than it gains

typedef float vector __attribute__((vector_size(NR * sizeof(float)), aligned(4)));

typedef struct {
  int64_t m, n, k;
  int64_t a_row, a_column, b_row, b_column;  // element strides of op(a), op(b)
} product;

static product get_product(const mvg_matmul *s) {
  product p = {.m = s->m, .n = s->n, .k = s->k};
  p.a_row = s->transpose_a ? 1 : s->k;
  p.a_column = s->transpose_a ? s->m : 1;
  p.b_row = s->transpose_b ? 1 : s->n;
  p.b_column = s->transpose_b ? s->k : 1;
  return p;
}

static void multiply_tiny(const product *p, const float *a, const float *b, float *y) {
  memset(y, 0, (size_t)(p->m * p->n) * sizeof *y);
  for (int64_t i = 0; i < p->m; ++i) {
    float *row = y + i * p->n;
    for (int64_t l = 0; l < p->k; ++l) {
      float x = a[i * p->a_row + l * p->a_column];
      const float *from = b + l * p->b_row;
      for (int64_t j = 0; j < p->n; ++j) row[j] += x * from[j * p->b_column];
    }
  }
}

// y[rows <= MR, columns <= NR] += a-panel (MR a k) * b-panel (NR a k)
static void multiply_block(int64_t depth, const float *a, const float *b, float *y, int64_t stride,
                           int64_t rows, int64_t columns) {
  vector sum[MR];
  float edge[MR][NR] = {{0}};
  bool is_whole = rows == MR && columns == NR;
  for (int64_t i = 0; i < rows; ++i) {
    memcpy(is_whole ? (float *)&sum[i] : edge[i], y + i * stride, (size_t)columns * sizeof *y);
  }
  if (!is_whole) memcpy(sum, edge, sizeof sum);
  for (int64_t l = 0; l < depth; ++l) {
    vector bs;
    memcpy(&bs, b + l * NR, sizeof bs);
    for (int i = 0; i < MR; ++i) sum[i] += a[l * MR + i] * bs;
  }
  if (!is_whole) memcpy(edge, sum, sizeof sum);
  for (int64_t i = 0; i < rows; ++i) {
    memcpy(y + i * stride, is_whole ? (float *)&sum[i] : edge[i], (size_t)columns * sizeof *y);
  }
}

static int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

// One strip of NR columns: its slice of b is packed once and stays in the first-level cache.
static void multiply_strip(const product *p, const float *a, const float *b, float *y, int64_t column) {
  float panel_b[KC * NR], panel_a[KC * MR];
  int64_t columns = smaller(NR, p->n - column);
  for (int64_t i = 0; i < p->m; ++i) memset(y + i * p->n + column, 0, (size_t)columns * sizeof *y);
  for (int64_t l0 = 0; l0 < p->k; l0 += KC) {
    int64_t depth = smaller(KC, p->k - l0);
    for (int64_t l = 0; l < depth; ++l) {
      const float *from = b + (l0 + l) * p->b_row + column * p->b_column;
      for (int64_t j = 0; j < NR; ++j) panel_b[l * NR + j] = j < columns ? from[j * p->b_column] : 0;
    }
    for (int64_t i0 = 0; i0 < p->m; i0 += MR) {
      int64_t rows = smaller(MR, p->m - i0);
      for (int64_t l = 0; l < depth; ++l) {
        const float *from = a + i0 * p->a_row + (l0 + l) * p->a_column;
        for (int64_t i = 0; i < MR; ++i) panel_a[l * MR + i] = i < rows ? from[i * p->a_row] : 0;
      }
      multiply_block(depth, panel_a, panel_b, y + i0 * p->n + column, p->n, rows, columns);
    }
  }
}

static void multiply_own(const product *p, const float *a, const float *b, float *y) {
  int64_t strips = (p->n + NR - 1) / NR;
#ifdef _OPENMP
#pragma omp parallel for schedule(static) if (p->m * p->n * p->k > 262144)
#endif
  for (int64_t s = 0; s < strips; ++s) multiply_strip(p, a, b, y, s * NR);
}

typedef void (*multiply_fn)(const mvg_matmul *shape, const product *p, const float *a,
                            const float *b, float *y);

static void run_own(const mvg_matmul *shape, const product *p, const float *a, const float *b,
                    float *y) {
  (void)shape;
  multiply_own(p, a, b, y);
}

static void run_batch(const mvg_matmul *s, const float *a, const float *b, float *y,
                      multiply_fn multiply) {
  product p = get_product(s);
  int64_t operations = s->m * s->n * s->k;
  bool is_tiny = operations <= TINY;
#ifdef _OPENMP
  bool is_spread = s->batch > 1 && s->batch * operations > 65536 && operations < (1 << 24);
#pragma omp parallel for schedule(static) if (is_spread)
#endif
  for (int64_t i = 0; i < s->batch; ++i) {
    const float *left = a + (s->broadcast_a ? 0 : i * s->m * s->k);
    const float *right = b + (s->broadcast_b ? 0 : i * s->k * s->n);
    float *out = y + i * s->m * s->n;
    if (is_tiny) {
      multiply_tiny(&p, left, right, out);
    } else {
      multiply(s, &p, left, right, out);
    }
  }
}

void mvg_host_matmul_own(const mvg_matmul *shape, const float *a, const float *b, float *y) {
  run_batch(shape, a, b, y, run_own);
}

#ifdef MVG_HAS_ONEDNN
static void run_onednn(const mvg_matmul *s, const product *p, const float *a, const float *b,
                       float *y) {
  dnnl_status_t status =
      dnnl_sgemm(s->transpose_a ? 'T' : 'N', s->transpose_b ? 'T' : 'N', s->m, s->n, s->k, 1.0f, a,
                 s->transpose_a ? s->m : s->k, b, s->transpose_b ? s->k : s->n, 0.0f, y, s->n);
  if (status != dnnl_success) multiply_own(p, a, b, y);
}
#endif

void mvg_host_matmul(const mvg_matmul *shape, const float *a, const float *b, float *y) {
  mvg_matmul s = *shape;
  if (s.batch > 1 && s.broadcast_b && !s.broadcast_a && !s.transpose_a) {
    s.m *= s.batch;  // one tall matrix instead of a batch
    s.batch = 1;
  }
#ifdef MVG_HAS_ONEDNN
  run_batch(&s, a, b, y, run_onednn);
#else
  run_batch(&s, a, b, y, run_own);
#endif
}

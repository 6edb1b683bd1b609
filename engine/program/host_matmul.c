// Batches of small matrices are spread over threads whole; large ones are cut into blocks. The cut
// depends on the shape alone and no sum over k is ever split, so the number of threads does not
// change a bit.
#include "program/host_matmul.h"

#include <string.h>

#ifdef MVG_HAS_ONEDNN
#include <oneapi/dnnl/dnnl.h>
#ifdef _OPENMP
#include <omp.h>
#endif
#endif

#include "program/host_threads.h"

#define MR 4
#define NR 16
#define KC 256
#define TINY 8192 // multiplications below which packing costs more than it gains
#define TASK_OPERATIONS 1000000
#define MAX_BLOCKS 16
#define BLOCK_STEP 16

// The loops below, compiled for wider vectors too; the loader picks what the processor has.
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__)
#define FOR_EACH_PROCESSOR                                                                         \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif

typedef float vector __attribute__((vector_size(NR * sizeof(float)), aligned(4)));

typedef struct {
  int64_t m, n, k;
  int64_t a_row, a_column, b_row, b_column; // element strides of op(a), op(b)
} product;

static product get_product(const mvg_matmul *s) {
  product p = {.m = s->m, .n = s->n, .k = s->k};
  p.a_row = s->transpose_a ? 1 : s->k;
  p.a_column = s->transpose_a ? s->m : 1;
  p.b_row = s->transpose_b ? 1 : s->n;
  p.b_column = s->transpose_b ? s->k : 1;
  return p;
}

FOR_EACH_PROCESSOR
static void multiply_tiny(const product *p, const float *a, const float *b, float *y) {
  memset(y, 0, (size_t)(p->m * p->n) * sizeof *y);
  for (int64_t i = 0; i < p->m; ++i) {
    float *row = y + i * p->n;
    for (int64_t l = 0; l < p->k; ++l) {
      float x = a[i * p->a_row + l * p->a_column];
      const float *from = b + l * p->b_row;
      for (int64_t j = 0; j < p->n; ++j)
        row[j] += x * from[j * p->b_column];
    }
  }
}

// y[rows <= MR, columns <= NR] += a-panel (MR a k) * b-panel (NR a k)
FOR_EACH_PROCESSOR
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
    for (int i = 0; i < MR; ++i)
      sum[i] += a[l * MR + i] * bs;
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
static void multiply_strip(const product *p, const float *a, const float *b, float *y,
                           int64_t stride, int64_t column) {
  float panel_b[KC * NR], panel_a[KC * MR];
  int64_t columns = smaller(NR, p->n - column);
  for (int64_t i = 0; i < p->m; ++i)
    memset(y + i * stride + column, 0, (size_t)columns * sizeof *y);
  for (int64_t l0 = 0; l0 < p->k; l0 += KC) {
    int64_t depth = smaller(KC, p->k - l0);
    for (int64_t l = 0; l < depth; ++l) {
      const float *from = b + (l0 + l) * p->b_row + column * p->b_column;
      for (int64_t j = 0; j < NR; ++j)
        panel_b[l * NR + j] = j < columns ? from[j * p->b_column] : 0;
    }
    for (int64_t i0 = 0; i0 < p->m; i0 += MR) {
      int64_t rows = smaller(MR, p->m - i0);
      for (int64_t l = 0; l < depth; ++l) {
        const float *from = a + i0 * p->a_row + (l0 + l) * p->a_column;
        for (int64_t i = 0; i < MR; ++i)
          panel_a[l * MR + i] = i < rows ? from[i * p->a_row] : 0;
      }
      multiply_block(depth, panel_a, panel_b, y + i0 * stride + column, stride, rows, columns);
    }
  }
}

static void multiply_own(const product *p, const float *a, const float *b, float *y,
                         int64_t stride) {
  for (int64_t column = 0; column < p->n; column += NR)
    multiply_strip(p, a, b, y, stride, column);
}

#ifdef MVG_HAS_ONEDNN
// Called from one of our own threads: the library must not start its own beside them.
static void multiply_onednn(const mvg_matmul *s, const product *p, const float *a, const float *b,
                            float *y) {
#ifdef _OPENMP
  omp_set_num_threads(1);
#endif
  dnnl_status_t status =
      dnnl_sgemm(s->transpose_a ? 'T' : 'N', s->transpose_b ? 'T' : 'N', p->m, p->n, p->k, 1.0f, a,
                 s->transpose_a ? s->m : s->k, b, s->transpose_b ? s->k : s->n, 0.0f, y, s->n);
  if (status != dnnl_success) multiply_own(p, a, b, y, s->n);
}
#endif

// The product is cut into blocks of rows or columns of each matrix, by shape alone.
typedef struct {
  const mvg_matmul *shape;
  const float *a, *b;
  float *y;
  int64_t blocks;        // of one matrix
  int64_t rows, columns; // of one block
  int64_t matrices;      // per task, for batches of small ones
  bool is_own;
} job;

static void multiply_block_of(const job *j, int64_t matrix, int64_t block) {
  const mvg_matmul *s = j->shape;
  product p = get_product(s);
  int64_t row = j->rows < s->m ? block * j->rows : 0,
          column = j->rows < s->m ? 0 : block * j->columns;
  const float *a = j->a + (s->broadcast_a ? 0 : matrix * s->m * s->k) + row * p.a_row;
  const float *b = j->b + (s->broadcast_b ? 0 : matrix * s->k * s->n) + column * p.b_column;
  float *y = j->y + matrix * s->m * s->n + row * s->n + column;
  p.m = smaller(j->rows, s->m - row);
  p.n = smaller(j->columns, s->n - column);
  if (s->m * s->n * s->k <= TINY) {
    multiply_tiny(&p, a, b, y);
    return;
  }
#ifdef MVG_HAS_ONEDNN
  if (!j->is_own) {
    multiply_onednn(s, &p, a, b, y);
    return;
  }
#endif
  multiply_own(&p, a, b, y, s->n);
}

static void run_task(void *context, int64_t index) {
  const job *j = context;
  int64_t first = index / j->blocks * j->matrices;
  int64_t last = smaller(first + j->matrices, j->shape->batch);
  for (int64_t i = first; i < last; ++i)
    multiply_block_of(j, i, index % j->blocks);
}

static int64_t divide_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

static void run(const mvg_matmul *s, const float *a, const float *b, float *y, bool is_own) {
  if (s->batch == 0 || s->m == 0 || s->n == 0) return;
  job j = {.shape = s,
           .a = a,
           .b = b,
           .y = y,
           .blocks = 1,
           .rows = s->m,
           .columns = s->n,
           .matrices = 1,
           .is_own = is_own};
  int64_t operations = s->m * s->n * s->k;
  if (operations >= 2 * TASK_OPERATIONS && s->batch < MAX_BLOCKS) {
    int64_t wanted = smaller(MAX_BLOCKS, operations / TASK_OPERATIONS);
    int64_t *side = s->m >= s->n ? &j.rows : &j.columns, extent = *side;
    *side = divide_up(divide_up(extent, wanted), BLOCK_STEP) * BLOCK_STEP;
    j.blocks = divide_up(extent, *side);
    if (j.blocks == 1) *side = extent;
  } else if (operations > 0 && operations < TASK_OPERATIONS) {
    j.matrices = divide_up(TASK_OPERATIONS, operations);
  }
  mvg_host_parallel(divide_up(s->batch, j.matrices) * j.blocks, run_task, &j);
}

void mvg_host_matmul_own(const mvg_matmul *shape, const float *a, const float *b, float *y) {
  run(shape, a, b, y, true);
}

void mvg_host_matmul(const mvg_matmul *shape, const float *a, const float *b, float *y) {
  mvg_matmul s = *shape;
  if (s.batch > 1 && s.broadcast_b && !s.broadcast_a && !s.transpose_a) {
    s.m *= s.batch; // one tall matrix instead of a batch
    s.batch = 1;
  }
  // oneDNN from several of our threads gave different bits on a loaded machine; the own loops do not
  run(&s, a, b, y, true);
}

// A product is cut into blocks of y, or a batch of small ones into groups, and long sums of small
// products into slices, by shape alone: the number of threads does not change a bit.
#include "program/host_matmul.h"

#include <pthread.h>
#include <string.h>

#include "base/threads.h"
#include "program/host_half.h"
#include "program/host_math.h"
#include "program/host_product.h"

#define TASK_OPERATIONS 1000000
#define MAX_TASKS 16     // of one matrix
#define BLOCK_STEP 32    // rows and columns of a block are multiples of it
#define BLOCK_AREA 32768 // elements of y below which a block reads more than it computes
#define SLICE 2048       // of a sum that is cut
#define MAX_SUMS 1048576 // elements of all slices' sums

// The product of one task; the last ones of a row, a column, a batch and a sum may be smaller.
typedef struct {
  const mvg_matmul *shape;
  const void *a, *b;
  void *y;
  int64_t rows, columns, depth;   // of one task
  int64_t across, blocks, slices; // blocks side by side, of one matrix; slices of one sum
  int64_t matrices;               // per task, for batches of small ones
} job;

// Sums of slices, [slices][m][n]; a second program's product waits.
static struct {
  pthread_mutex_t lock;
  float sums[MAX_SUMS];
} partial = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const void *at(const void *array, mvg_dtype dtype, int64_t index) {
  return (const char *)array + index * (int64_t)mvg_dtype_get_size(dtype);
}

static mvg_product get_product(const mvg_matmul *s) {
  return (mvg_product){.m = s->m,
                       .n = s->n,
                       .k = s->k,
                       .a_row = s->transpose_a ? 1 : s->k,
                       .a_column = s->transpose_a ? s->m : 1,
                       .b_row = s->transpose_b ? 1 : s->n,
                       .b_column = s->transpose_b ? s->k : 1,
                       .y_row = s->n,
                       .a = s->a,
                       .b = s->b,
                       .y = s->y,
                       .overwrites = true};
}

static void multiply_block(const job *j, int64_t matrix, int64_t block, int64_t slice) {
  const mvg_matmul *s = j->shape;
  mvg_product p = get_product(s);
  int64_t row = block / j->across * j->rows, column = block % j->across * j->columns;
  int64_t first = slice * j->depth;
  p.m = mvg_host_smaller(j->rows, s->m - row);
  p.n = mvg_host_smaller(j->columns, s->n - column);
  p.k = mvg_host_smaller(j->depth, s->k - first);
  const void *a = at(
      j->a, s->a, (s->broadcast_a ? 0 : matrix * s->m * s->k) + row * p.a_row + first * p.a_column);
  const void *b =
      at(j->b, s->b,
         (s->broadcast_b ? 0 : matrix * s->k * s->n) + first * p.b_row + column * p.b_column);
  int64_t to = row * s->n + column;
  if (j->slices > 1) {
    p.y = MVG_DTYPE_F32;
    mvg_host_multiply_add(&p, a, b, partial.sums + slice * s->m * s->n + to);
  } else {
    mvg_host_multiply_add(&p, a, b, (void *)at(j->y, s->y, matrix * s->m * s->n + to));
  }
}

static void run_task(void *context, int64_t index) {
  const job *j = context;
  int64_t slice = index % j->slices, block = index / j->slices % j->blocks;
  int64_t first = index / j->slices / j->blocks * j->matrices;
  int64_t last = mvg_host_smaller(first + j->matrices, j->shape->batch);
  for (int64_t i = first; i < last; ++i)
    multiply_block(j, i, block, slice);
}

// ---- slices ----

static void add_slices(void *context, int64_t index) {
  const job *j = context;
  int64_t count = j->shape->m * j->shape->n, first = index * BLOCK_AREA;
  int64_t part = mvg_host_smaller(BLOCK_AREA, count - first);
  bool is_half = mvg_dtype_is_half(j->shape->y);
  float *sum = partial.sums + first, *y = is_half ? sum : (float *)j->y + first;
  for (int64_t i = 0; i < part; ++i)
    y[i] = sum[i] + sum[count + i];
  for (int64_t slice = 2; slice < j->slices; ++slice) {
    const float *more = sum + slice * count;
    for (int64_t i = 0; i < part; ++i)
      y[i] += more[i];
  }
  if (is_half) mvg_host_narrow(j->shape->y, sum, part, (uint16_t *)j->y + first);
}

static void run_slices(job *j) {
  pthread_mutex_lock(&partial.lock);
  mvg_threads_run(j->blocks * j->slices, run_task, j);
  mvg_threads_run(mvg_host_divide_up(j->shape->m * j->shape->n, BLOCK_AREA), add_slices, j);
  pthread_mutex_unlock(&partial.lock);
}

// ---- tasks ----

// Halves the longer side of the blocks until there are as many as wanted.
static void cut_blocks(job *j, int64_t wanted) {
  const mvg_matmul *s = j->shape;
  while (j->blocks < wanted && j->rows * j->columns >= 2 * BLOCK_AREA) {
    int64_t *side = j->rows >= j->columns ? &j->rows : &j->columns;
    int64_t half = mvg_host_divide_up(*side, 2 * BLOCK_STEP) * BLOCK_STEP;
    *side = half;
    j->across = mvg_host_divide_up(s->n, j->columns);
    j->blocks = mvg_host_divide_up(s->m, j->rows) * j->across;
  }
}

static void cut_sums(job *j, int64_t wanted) {
  const mvg_matmul *s = j->shape;
  int64_t slices = mvg_host_smaller(wanted, s->k / SLICE);
  slices = mvg_host_smaller(slices, MAX_SUMS / (s->m * s->n));
  if (slices < 2) return;
  j->depth = mvg_host_divide_up(s->k, slices);
  j->slices = mvg_host_divide_up(s->k, j->depth);
}

static void cut(job *j) {
  const mvg_matmul *s = j->shape;
  int64_t operations = s->m * s->n * s->k;
  if (operations < TASK_OPERATIONS) {
    if (operations > 0) j->matrices = mvg_host_divide_up(TASK_OPERATIONS, operations);
  } else if (s->batch < MAX_TASKS) {
    int64_t wanted = mvg_host_smaller(MAX_TASKS, operations / TASK_OPERATIONS);
    cut_blocks(j, wanted);
    if (s->batch == 1) cut_sums(j, wanted / j->blocks);
  }
}

void mvg_host_matmul(const mvg_matmul *shape, const void *a, const void *b, void *y) {
  mvg_matmul s = *shape;
  if (s.batch == 0 || s.m == 0 || s.n == 0) return;
  if (s.batch > 1 && s.broadcast_b && !s.broadcast_a && !s.transpose_a) {
    s.m *= s.batch; // one tall matrix instead of a batch
    s.batch = 1;
  }
  job j = {.shape = &s,
           .a = a,
           .b = b,
           .y = y,
           .rows = s.m,
           .columns = s.n,
           .depth = s.k,
           .across = 1,
           .blocks = 1,
           .slices = 1,
           .matrices = 1};
  cut(&j);
  if (j.slices > 1) {
    run_slices(&j);
  } else {
    mvg_threads_run(mvg_host_divide_up(s.batch, j.matrices) * j.blocks, run_task, &j);
  }
}

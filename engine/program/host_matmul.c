// A product is cut into blocks, or a batch of small ones into groups, by shape alone, and no sum
// over k is split between threads: their number does not change a bit. A block goes strip by strip;
// a strip's slice of b is packed once and stays in the first-level cache.
#include "program/host_matmul.h"

#include <string.h>

#include "base/threads.h"
#include "program/host_half.h"
#include "program/host_math.h"

#define DEPTH 192 // of a packed panel
#define TINY 1024 // multiplications below which packing costs more than it gains
#define TASK_OPERATIONS 1000000
#define MAX_BLOCKS 16
#define BLOCK_STEP 32
#define STRIP_ROWS 256 // of a strip whose sums are rounded when they are done

#define LANES 16 // of a vector; processors with narrower ones split it
#define MAX_ROWS 8
#define MAX_VECTORS 2

typedef float vector __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));

// Element `index` of an array of `dtype`.
static const void *at(const void *array, mvg_dtype dtype, int64_t index) {
  return (const char *)array + index * (int64_t)mvg_dtype_get_size(dtype);
}

static mvg_product get_product(const mvg_matmul *s) {
  mvg_product p = {.m = s->m, .n = s->n, .k = s->k, .y_row = s->n, .a = s->a, .b = s->b, .y = s->y};
  p.a_row = s->transpose_a ? 1 : s->k;
  p.a_column = s->transpose_a ? s->m : 1;
  p.b_row = s->transpose_b ? 1 : s->n;
  p.b_column = s->transpose_b ? s->k : 1;
  return p;
}

static bool has_halves(const mvg_product *p) {
  return mvg_dtype_is_half(p->a) || mvg_dtype_is_half(p->b) || mvg_dtype_is_half(p->y);
}

static void multiply_tiny(const mvg_product *p, const float *a, const float *b, float *y) {
  for (int64_t i = 0; i < p->m; ++i) {
    float *row = y + i * p->y_row;
    for (int64_t l = 0; l < p->k; ++l) {
      float x = a[i * p->a_row + l * p->a_column];
      const float *from = b + l * p->b_row;
      for (int64_t j = 0; j < p->n; ++j)
        row[j] += x * from[j * p->b_column];
    }
  }
}

// panel[l][j] = b[l][j] for j below `columns`, else 0.
MVG_HOST_INLINE void pack(const mvg_product *p, const void *matrix, int64_t depth, int64_t columns,
                          const int width, float *panel) {
  if (columns < width) memset(panel, 0, (size_t)(depth * width) * sizeof *panel);
  if (mvg_dtype_is_half(p->b)) {
    for (int64_t l = 0; l < depth; ++l)
      mvg_host_widen(p->b, at(matrix, p->b, l * p->b_row), p->b_column, columns, panel + l * width);
    return;
  }
  const float *b = matrix;
  if (p->b_column == 1 && columns == width) { // a size known here is copied by vectors
    for (int64_t l = 0; l < depth; ++l)
      memcpy(panel + l * width, b + l * p->b_row, (size_t)width * sizeof *b);
    return;
  }
  if (p->b_column == 1) {
    for (int64_t l = 0; l < depth; ++l)
      memcpy(panel + l * width, b + l * p->b_row, (size_t)columns * sizeof *b);
    return;
  }
  for (int64_t j = 0; j < columns; ++j) {
    for (int64_t l = 0; l < depth; ++l)
      panel[l * width + j] = b[l * p->b_row + j * p->b_column];
  }
}

// y[rows][columns] += a[rows][depth] panel[depth][vectors * LANES], summed in order over the depth:
// an element's bits do not depend on the tile it falls into.
MVG_HOST_INLINE void multiply_tile(const mvg_product *p, const float *a, const float *panel,
                                   int64_t depth, float *y, int64_t columns, const int rows,
                                   const int vectors) {
  vector sum[MAX_ROWS][MAX_VECTORS];
  float edge[MAX_ROWS][MAX_VECTORS * LANES];
  bool is_whole = columns == vectors * LANES;
  int64_t stride = p->y_row;
  if (!is_whole) memset(edge, 0, sizeof edge);
#pragma GCC unroll 8
  for (int i = 0; i < rows; ++i) {
    if (!is_whole) memcpy(edge[i], y + i * stride, (size_t)columns * sizeof *y);
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v)
      memcpy(&sum[i][v], (is_whole ? y + i * stride : edge[i]) + v * LANES, sizeof(vector));
  }
  int64_t a_row = p->a_row, a_column = p->a_column;
  for (int64_t l = 0; l < depth; ++l) {
    vector b[MAX_VECTORS];
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v)
      memcpy(&b[v], panel + (l * vectors + v) * LANES, sizeof b[v]);
#pragma GCC unroll 8
    for (int i = 0; i < rows; ++i) {
      float x = a[i * a_row + l * a_column];
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v)
        sum[i][v] += x * b[v];
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v)
      memcpy((is_whole ? y + i * stride : edge[i]) + v * LANES, &sum[i][v], sizeof(vector));
    if (!is_whole) memcpy(y + i * stride, edge[i], (size_t)columns * sizeof *y);
  }
}

// The rows of a that one tile takes: as they lie, or widened to `tile`.
MVG_HOST_INLINE const float *widen_rows(const mvg_product *p, const void *a, int64_t rows,
                                        int64_t depth, float *tile) {
  if (!mvg_dtype_is_half(p->a)) return a;
  for (int64_t i = 0; i < rows; ++i)
    mvg_host_widen(p->a, at(a, p->a, i * p->a_row), p->a_column, depth, tile + i * DEPTH);
  return tile;
}

// One strip of columns: y[m][columns] += a[m][k] b[k][columns].
MVG_HOST_INLINE void multiply_strip(const mvg_product *p, const void *a, const void *b, float *y,
                                    int64_t columns, const int rows, const int vectors) {
  float panel[DEPTH * MAX_VECTORS * LANES], tile[MAX_ROWS * DEPTH];
  mvg_product widened = *p;
  if (mvg_dtype_is_half(p->a)) {
    widened.a_row = DEPTH;
    widened.a_column = 1;
  }
  for (int64_t l = 0; l < p->k; l += DEPTH) {
    int64_t depth = mvg_host_smaller(DEPTH, p->k - l), i = 0;
    pack(p, at(b, p->b, l * p->b_row), depth, columns, vectors * LANES, panel);
    for (; i + rows <= p->m; i += rows) {
      const void *from = at(a, p->a, l * p->a_column + i * p->a_row);
      multiply_tile(&widened, widen_rows(p, from, rows, depth, tile), panel, depth,
                    y + i * p->y_row, columns, rows, vectors);
    }
    for (; i < p->m; ++i) {
      const void *from = at(a, p->a, l * p->a_column + i * p->a_row);
      multiply_tile(&widened, widen_rows(p, from, 1, depth, tile), panel, depth, y + i * p->y_row,
                    columns, 1, vectors);
    }
  }
}

// Halves of y are summed up in a part of a strip, and rounded from there.
MVG_HOST_INLINE void multiply_rounded_strip(const mvg_product *p, const void *a, const void *b,
                                            uint16_t *y, int64_t columns, const int rows,
                                            const int vectors) {
  float sums[STRIP_ROWS * MAX_VECTORS * LANES];
  for (int64_t row = 0; row < p->m; row += STRIP_ROWS) {
    mvg_product part = *p;
    part.m = mvg_host_smaller(STRIP_ROWS, p->m - row);
    part.y_row = columns;
    memset(sums, 0, (size_t)(part.m * columns) * sizeof *sums);
    multiply_strip(&part, at(a, p->a, row * p->a_row), b, sums, columns, rows, vectors);
    for (int64_t i = 0; i < part.m; ++i)
      mvg_host_narrow(p->y, sums + i * columns, columns, y + (row + i) * p->y_row);
  }
}

MVG_HOST_INLINE void multiply_strips(const mvg_product *p, const void *a, const void *b, void *y,
                                     const int rows, const int vectors) {
  const int width = vectors * LANES;
  for (int64_t column = 0; column < p->n; column += width) {
    int64_t columns = mvg_host_smaller(width, p->n - column);
    const void *from = at(b, p->b, column * p->b_column);
    if (mvg_dtype_is_half(p->y)) {
      multiply_rounded_strip(p, a, from, (uint16_t *)y + column, columns, rows, vectors);
    } else {
      multiply_strip(p, a, from, (float *)y + column, columns, rows, vectors);
    }
  }
}

// Tiles for 16, 16 and 32 registers of 4, 8 and 16 lanes.
static void multiply_plain(const mvg_product *p, const void *a, const void *b, void *y) {
  multiply_strips(p, a, b, y, 3, 1);
}

#if defined(__x86_64__) && defined(__GNUC__)
__attribute__((target("avx2,fma"))) static void multiply_avx2(const mvg_product *p, const void *a,
                                                              const void *b, void *y) {
  multiply_strips(p, a, b, y, 6, 1);
}

__attribute__((target("avx512f"))) static void multiply_avx512(const mvg_product *p, const void *a,
                                                               const void *b, void *y) {
  if (p->n <= LANES) {
    multiply_strips(p, a, b, y, 8, 1);
  } else {
    multiply_strips(p, a, b, y, 8, 2);
  }
}

static void multiply(const mvg_product *p, const void *a, const void *b, void *y) {
  if (__builtin_cpu_supports("avx512f")) {
    multiply_avx512(p, a, b, y);
  } else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    multiply_avx2(p, a, b, y);
  } else {
    multiply_plain(p, a, b, y);
  }
}
#else
#define multiply multiply_plain
#endif

void mvg_host_multiply_add(const mvg_product *p, const void *a, const void *b, void *y) {
  if (p->m * p->n * p->k <= TINY && !has_halves(p)) {
    multiply_tiny(p, a, b, y);
  } else {
    multiply(p, a, b, y);
  }
}

// The product is cut into blocks of rows or columns of each matrix.
typedef struct {
  const mvg_matmul *shape;
  const void *a, *b;
  void *y;
  int64_t blocks;        // of one matrix
  int64_t rows, columns; // of one block
  int64_t matrices;      // per task, for batches of small ones
} job;

static void multiply_block(const job *j, int64_t matrix, int64_t block) {
  const mvg_matmul *s = j->shape;
  mvg_product p = get_product(s);
  int64_t row = j->rows < s->m ? block * j->rows : 0,
          column = j->rows < s->m ? 0 : block * j->columns;
  const void *a = at(j->a, s->a, (s->broadcast_a ? 0 : matrix * s->m * s->k) + row * p.a_row);
  const void *b = at(j->b, s->b, (s->broadcast_b ? 0 : matrix * s->k * s->n) + column * p.b_column);
  int64_t first = matrix * s->m * s->n + row * s->n + column;
  void *y = (char *)j->y + first * (int64_t)mvg_dtype_get_size(s->y);
  p.m = mvg_host_smaller(j->rows, s->m - row);
  p.n = mvg_host_smaller(j->columns, s->n - column);
  if (!mvg_dtype_is_half(p.y)) {
    for (int64_t i = 0; i < p.m; ++i)
      memset((float *)y + i * p.y_row, 0, (size_t)p.n * sizeof(float));
  }
  mvg_host_multiply_add(&p, a, b, y);
}

static void run_task(void *context, int64_t index) {
  const job *j = context;
  int64_t first = index / j->blocks * j->matrices;
  int64_t last = mvg_host_smaller(first + j->matrices, j->shape->batch);
  for (int64_t i = first; i < last; ++i)
    multiply_block(j, i, index % j->blocks);
}

void mvg_host_matmul(const mvg_matmul *shape, const void *a, const void *b, void *y) {
  mvg_matmul s = *shape;
  if (s.batch == 0 || s.m == 0 || s.n == 0) return;
  if (s.batch > 1 && s.broadcast_b && !s.broadcast_a && !s.transpose_a) {
    s.m *= s.batch; // one tall matrix instead of a batch
    s.batch = 1;
  }
  job j = {
      .shape = &s, .a = a, .b = b, .y = y, .blocks = 1, .rows = s.m, .columns = s.n, .matrices = 1};
  int64_t operations = s.m * s.n * s.k;
  if (operations >= 2 * TASK_OPERATIONS && s.batch < MAX_BLOCKS) {
    int64_t wanted = mvg_host_smaller(MAX_BLOCKS, operations / TASK_OPERATIONS);
    int64_t *side = s.m >= s.n ? &j.rows : &j.columns, extent = *side;
    *side = mvg_host_divide_up(mvg_host_divide_up(extent, wanted), BLOCK_STEP) * BLOCK_STEP;
    j.blocks = mvg_host_divide_up(extent, *side);
    if (j.blocks == 1) *side = extent;
  } else if (operations > 0 && operations < TASK_OPERATIONS) {
    j.matrices = mvg_host_divide_up(TASK_OPERATIONS, operations);
  }
  mvg_threads_run(mvg_host_divide_up(s.batch, j.matrices) * j.blocks, run_task, &j);
}

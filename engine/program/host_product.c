// A slice of b, packed once, stays in the second-level cache while the blocks of a pass by. The
// rows of a that one tile takes are in the first-level cache; what comes next is fetched meanwhile.
#include "program/host_product.h"

#include <string.h>

#include "program/host_dnnl.h"
#include "program/host_half.h"
#include "program/host_math.h"

#define DEPTH 192    // of a slice along k
#define WIDTH 384    // columns of a packed slice of b
#define HEIGHT 96    // rows of a block of a
#define TINY 1024    // multiplications below which packing costs more than it gains
#define SUM_ROWS 192 // of sums that are rounded when they are done

#define MAX_ROWS 8 // of a tile
#define MAX_VECTORS 2
#define CACHE_LINE (64 / (int64_t)sizeof(float))

// Element `index` of an array of `dtype`.
static const void *at(const void *array, mvg_dtype dtype, int64_t index) {
  return (const char *)array + index * (int64_t)mvg_dtype_get_size(dtype);
}

static bool has_halves(const mvg_product *p) {
  return mvg_dtype_is_half(p->a) || mvg_dtype_is_half(p->b) || mvg_dtype_is_half(p->y);
}

static void multiply_tiny(const mvg_product *p, const float *a, const float *b, float *y) {
  for (int64_t i = 0; i < p->m; ++i) {
    float *row = y + i * p->y_row;
    if (p->overwrites) memset(row, 0, (size_t)p->n * sizeof *row);
    for (int64_t l = 0; l < p->k; ++l) {
      float x = a[i * p->a_row + l * p->a_column];
      const float *from = b + l * p->b_row;
      for (int64_t j = 0; j < p->n; ++j)
        row[j] += x * from[j * p->b_column];
    }
  }
}

// ---- what lies ahead ----

// Memory that is wanted soon: `rows` of `width` floats. Each look fetches `share` lines of it.
typedef struct {
  const float *from;
  int64_t stride, rows, width;
  int64_t row, column, share;
} ahead;

static ahead look_at(const void *from, mvg_dtype dtype, int64_t row, int64_t column, int64_t rows,
                     int64_t columns, int64_t looks) {
  if (mvg_dtype_is_half(dtype)) return (ahead){0}; // half the memory, and widening takes longer
  bool is_turned = column != 1;
  ahead x = {.from = from,
             .stride = is_turned ? column : row,
             .rows = is_turned ? columns : rows,
             .width = is_turned ? rows : columns};
  x.share = mvg_host_divide_up(x.rows * mvg_host_divide_up(x.width, CACHE_LINE), looks);
  return x;
}

MVG_HOST_INLINE void fetch(ahead *x) {
  for (int64_t i = 0; i < x->share && x->row < x->rows; ++i) {
    __builtin_prefetch(x->from + x->row * x->stride + x->column, 0, 2);
    x->column += CACHE_LINE;
    if (x->column < x->width) continue;
    x->column = 0;
    ++x->row;
  }
}

// ---- packing ----

// panel[l][j] = b[l][j] for columns that are contiguous, four at a time; returns how many are done.
MVG_HOST_INLINE int64_t pack_columns(const float *b, int64_t column, int64_t depth, int64_t columns,
                                     const int width, float *panel) {
  int64_t whole = depth / 4 * 4;
  for (int64_t j = 0; j + 4 <= columns; j += 4) {
    const float *from = b + j * column;
    float *to = panel + j;
    for (int64_t l = 0; l < whole; l += 4)
      mvg_host_transpose_four(from + l, column, to + l * width, width);
    for (int64_t i = 0; i < 4; ++i) {
      for (int64_t l = whole; l < depth; ++l)
        to[l * width + i] = from[i * column + l];
    }
  }
  return columns / 4 * 4;
}

MVG_HOST_INLINE void copy_floats(const float *from, int64_t stride, int64_t count, float *to) {
  int64_t i = 0;
  for (; stride == 1 && i + CACHE_LINE <= count; i += CACHE_LINE)
    memcpy(to + i, from + i, CACHE_LINE * sizeof *to); // a size known here is copied by vectors
  for (; i < count; ++i)
    to[i] = from[i * stride];
}

// to[i][j] = from[i][j], as floats.
MVG_HOST_INLINE void copy(mvg_dtype dtype, const void *from, int64_t row, int64_t column,
                          int64_t rows, int64_t columns, float *to, const int64_t to_row) {
  if (mvg_dtype_is_half(dtype)) {
    for (int64_t i = 0; i < rows; ++i)
      mvg_host_widen(dtype, (const uint16_t *)from + i * row, column, columns, to + i * to_row);
  } else {
    for (int64_t i = 0; i < rows; ++i)
      copy_floats((const float *)from + i * row, column, columns, to + i * to_row);
  }
}

// panel[l][j] = b[l][j] for j below `columns`, else 0.
MVG_HOST_INLINE void pack_strip(const mvg_product *p, const void *b, int64_t depth, int64_t columns,
                                const int width, float *panel) {
  if (columns < width) memset(panel, 0, (size_t)(depth * width) * sizeof *panel);
  bool is_turned = p->b_row == 1 && p->b_column != 1 && !mvg_dtype_is_half(p->b);
  int64_t j = is_turned ? pack_columns(b, p->b_column, depth, columns, width, panel) : 0;
  copy(p->b, at(b, p->b, j * p->b_column), p->b_row, p->b_column, depth, columns - j, panel + j,
       width);
}

// A last strip that fits into one vector has a panel of that width.
MVG_HOST_INLINE void pack(const mvg_product *p, const void *b, int64_t depth, int64_t columns,
                          const int vectors, const int lanes, float *panels) {
  for (int64_t j = 0; j < columns; j += vectors * lanes) {
    const void *from = at(b, p->b, j * p->b_column);
    int64_t rest = columns - j;
    if (rest <= lanes) {
      pack_strip(p, from, depth, rest, lanes, panels + j * depth);
    } else {
      rest = mvg_host_smaller(vectors * lanes, rest);
      pack_strip(p, from, depth, rest, vectors * lanes, panels + j * depth);
    }
  }
}

// Rows of a as they lie, or a copy: [depth][HEIGHT] of a matrix whose columns are contiguous, else
// [height][DEPTH].
typedef struct {
  const float *a;
  int64_t row, column;
} block;

static block take_block(const mvg_product *p, const void *a, int64_t height, int64_t depth,
                        float *copied) {
  if (p->a_row == 1 && p->a_column != 1) {
    copy(p->a, a, p->a_column, 1, depth, height, copied, HEIGHT);
    return (block){copied, 1, HEIGHT};
  }
  if (p->a_column == 1 && !mvg_dtype_is_half(p->a)) return (block){a, p->a_row, 1};
  copy(p->a, a, p->a_row, p->a_column, height, depth, copied, DEPTH);
  return (block){copied, DEPTH, 1};
}

// ---- tiles ----

// Where the product of a block and a slice goes.
typedef struct {
  float *y;
  int64_t row, rows, columns;
  bool is_first; // of the slices along k: y is overwritten
} target;

#define LANES 4
#include "program/host_product_tile.h"
#undef LANES
#define LANES 8
#include "program/host_product_tile.h"
#undef LANES
#define LANES 16
#include "program/host_product_tile.h"
#undef LANES

MVG_HOST_INLINE void multiply_tile(const block *x, const float *panel, int64_t depth,
                                   const target *t, float *y, int64_t columns, const int rows,
                                   const int vectors, const int lanes) {
  if (lanes == 4) multiply_tile_4(x, panel, depth, t, y, columns, rows, vectors);
  if (lanes == 8) multiply_tile_8(x, panel, depth, t, y, columns, rows, vectors);
  if (lanes == 16) multiply_tile_16(x, panel, depth, t, y, columns, rows, vectors);
}

MVG_HOST_INLINE void multiply_rows(const block *x, const float *panels, int64_t depth,
                                   const target *t, float *y, const int rows, const int vectors,
                                   const int lanes, ahead *next) {
  for (int64_t j = 0; j < t->columns; j += vectors * lanes) {
    const float *panel = panels + j * depth;
    int64_t rest = t->columns - j;
    fetch(&next[0]);
    fetch(&next[1]);
    if (rest <= lanes) {
      multiply_tile(x, panel, depth, t, y + j, rest, rows, 1, lanes);
    } else {
      rest = mvg_host_smaller(vectors * lanes, rest);
      multiply_tile(x, panel, depth, t, y + j, rest, rows, vectors, lanes);
    }
  }
}

MVG_HOST_INLINE void multiply_block(block x, const float *panels, int64_t depth, const target *t,
                                    const int rows, const int vectors, const int lanes,
                                    ahead *next) {
  const int some = 2;
  const float *a = x.a;
  int64_t i = 0;
  for (; i + rows <= t->rows; i += rows) {
    x.a = a + i * x.row;
    multiply_rows(&x, panels, depth, t, t->y + i * t->row, rows, vectors, lanes, next);
  }
  for (; i + some <= t->rows; i += some) {
    x.a = a + i * x.row;
    multiply_rows(&x, panels, depth, t, t->y + i * t->row, some, vectors, lanes, next);
  }
  for (; i < t->rows; ++i) {
    x.a = a + i * x.row;
    multiply_rows(&x, panels, depth, t, t->y + i * t->row, 1, vectors, lanes, next);
  }
}

// ---- slices ----

// The block that follows the one of row i and depth l: the next one of this slice, or the first of
// the next.
static ahead look_at_block(const mvg_product *p, const void *a, int64_t i, int64_t l,
                           int64_t looks) {
  i += HEIGHT;
  if (i >= p->m) {
    i = 0;
    l += DEPTH;
  }
  if (l >= p->k) return (ahead){0};
  return look_at(at(a, p->a, i * p->a_row + l * p->a_column), p->a, p->a_row, p->a_column,
                 mvg_host_smaller(HEIGHT, p->m - i), mvg_host_smaller(DEPTH, p->k - l), looks);
}

static ahead look_at_slice(const mvg_product *p, const void *b, int64_t l, int64_t columns,
                           int64_t looks) {
  l += DEPTH;
  if (l >= p->k) return (ahead){0};
  return look_at(at(b, p->b, l * p->b_row), p->b, p->b_row, p->b_column,
                 mvg_host_smaller(DEPTH, p->k - l), columns, looks);
}

// y[m][columns] (+)= a[m][k] b[k][columns] for columns that fit into a slice.
MVG_HOST_INLINE void multiply_columns(const mvg_product *p, const void *a, const void *b, float *y,
                                      int64_t columns, const int rows, const int vectors,
                                      const int lanes) {
  float panels[DEPTH * WIDTH], copied[DEPTH * HEIGHT];
  int64_t strips = mvg_host_divide_up(columns, vectors * lanes);
  for (int64_t l = 0; l < p->k; l += DEPTH) {
    int64_t depth = mvg_host_smaller(DEPTH, p->k - l);
    pack(p, at(b, p->b, l * p->b_row), depth, columns, vectors, lanes, panels);
    ahead next[2] = {{0}, look_at_slice(p, b, l, columns, strips * mvg_host_divide_up(p->m, rows))};
    for (int64_t i = 0; i < p->m; i += HEIGHT) {
      target t = {.y = y + i * p->y_row,
                  .row = p->y_row,
                  .rows = mvg_host_smaller(HEIGHT, p->m - i),
                  .columns = columns,
                  .is_first = l == 0 && p->overwrites};
      const void *from = at(a, p->a, i * p->a_row + l * p->a_column);
      block x = take_block(p, from, t.rows, depth, copied);
      next[0] = look_at_block(p, a, i, l, strips * mvg_host_divide_up(t.rows, rows));
      if (x.column == 1) { // strides that are known here make for short addresses
        multiply_block((block){x.a, x.row, 1}, panels, depth, &t, rows, vectors, lanes, next);
      } else {
        multiply_block((block){x.a, 1, HEIGHT}, panels, depth, &t, rows, vectors, lanes, next);
      }
    }
  }
}

// Halves of y are summed up in a part of it, and rounded from there.
MVG_HOST_INLINE void multiply_rounded(const mvg_product *p, const void *a, const void *b,
                                      uint16_t *y, int64_t columns, const int rows,
                                      const int vectors, const int lanes) {
  float sums[SUM_ROWS * WIDTH];
  for (int64_t i = 0; i < p->m; i += SUM_ROWS) {
    mvg_product part = *p;
    part.m = mvg_host_smaller(SUM_ROWS, p->m - i);
    part.y_row = columns;
    part.overwrites = true;
    multiply_columns(&part, at(a, p->a, i * p->a_row), b, sums, columns, rows, vectors, lanes);
    for (int64_t r = 0; r < part.m; ++r)
      mvg_host_narrow(p->y, sums + r * columns, columns, y + (i + r) * p->y_row);
  }
}

MVG_HOST_INLINE void multiply_all(const mvg_product *p, const void *a, const void *b, void *y,
                                  const int rows, const int vectors, const int lanes) {
  for (int64_t j = 0; j < p->n; j += WIDTH) {
    int64_t columns = mvg_host_smaller(WIDTH, p->n - j);
    const void *from = at(b, p->b, j * p->b_column);
    if (mvg_dtype_is_half(p->y)) {
      multiply_rounded(p, a, from, (uint16_t *)y + j, columns, rows, vectors, lanes);
    } else {
      multiply_columns(p, a, from, (float *)y + j, columns, rows, vectors, lanes);
    }
  }
}

// Tiles for 16, 16 and 32 registers.
static void multiply_plain(const mvg_product *p, const void *a, const void *b, void *y) {
  multiply_all(p, a, b, y, 6, 2, 4);
}

#if defined(__x86_64__) && defined(__GNUC__)
__attribute__((target("avx2,fma"))) static void multiply_avx2(const mvg_product *p, const void *a,
                                                              const void *b, void *y) {
  multiply_all(p, a, b, y, 6, 2, 8);
}

__attribute__((target("avx512f"))) static void multiply_avx512(const mvg_product *p, const void *a,
                                                               const void *b, void *y) {
  multiply_all(p, a, b, y, 8, 2, 16);
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

static void clear(const mvg_product *p, void *y) {
  size_t element = mvg_dtype_get_size(p->y);
  for (int64_t i = 0; i < p->m; ++i)
    memset((char *)y + (size_t)(i * p->y_row) * element, 0, (size_t)p->n * element);
}

void mvg_host_multiply_add(const mvg_product *p, const void *a, const void *b, void *y) {
  bool overwrites = p->overwrites || mvg_dtype_is_half(p->y);
  if (p->k == 0 && overwrites) {
    clear(p, y);
  } else if (p->m * p->n * p->k <= TINY && !has_halves(p)) {
    multiply_tiny(p, a, b, y);
  } else if (!mvg_dnnl_multiply(p, a, b, y)) {
    multiply(p, a, b, y);
  }
}

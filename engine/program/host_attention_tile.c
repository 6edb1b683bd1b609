// Tiles of scores stay in the first-level cache; loops over lanes are written for the vectoriser.
#include "program/host_attention_tile.h"

#include <string.h>

#include "program/host_math.h"
#include "program/host_product.h"

#define LANES 16
#define PIECE 128 // channels of keys that are turned at a time

// ---- rows of a tile ----

// s = scale s + bias + mask for row i; keys after a query that sees the past alone count as -inf.
MVG_HOST_INLINE void finish_scores(const mvg_attention *a, const mvg_attention_inputs *in,
                                   const mvg_attention_tile *t, int64_t row, float *s) {
  const mvg_attention_table *tables[2] = {&a->bias, &a->mask};
  const float *numbers[2] = {in->bias, in->mask};
  int64_t i = t->i0 + row, columns = t->columns;
  float constant = 0;
  for (int k = 0; k < 2; ++k) {
    const mvg_attention_table *b = tables[k];
    numbers[k] += t->g % b->count * b->batch + t->h * b->head + i * b->row + t->j0 * b->column;
    if (!b->column) constant += *numbers[k];
  }
  float scale = a->scale;
  for (int64_t j = 0; j < columns; ++j)
    s[j] = s[j] * scale + constant;
  for (int k = 0; k < 2; ++k) {
    const float *from = numbers[k];
    if (!tables[k]->column) continue;
    for (int64_t j = 0; j < columns; ++j)
      s[j] += from[j];
  }
  for (int64_t j = a->is_causal && i - t->j0 < columns ? i - t->j0 + 1 : columns; j < columns; ++j)
    s[j] = -INFINITY;
}

typedef float wide __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));
typedef int32_t wide_bits __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));

// *a = the larger of both; a NaN of b is passed over.
MVG_HOST_INLINE void take_larger(wide *a, const wide *b) {
  wide_bits is_larger = *b > *a;
  *a = (wide)(((wide_bits)*b & is_larger) | ((wide_bits)*a & ~is_larger));
}

MVG_HOST_INLINE void add_to(wide *a, const wide *b) {
  *a += *b;
}

// Folds all lanes into each by `combine`.
#define FOLD_LANES(x, combine)                                                                     \
  do {                                                                                             \
    wide y_ = __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7); \
    combine(&x, &y_);                                                                              \
    y_ = __builtin_shufflevector(x, x, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);      \
    combine(&x, &y_);                                                                              \
    y_ = __builtin_shufflevector(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);      \
    combine(&x, &y_);                                                                              \
    y_ = __builtin_shufflevector(x, x, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);      \
    combine(&x, &y_);                                                                              \
  } while (0)

// 0 where the exponential is next to nothing: processors are slow at numbers below the normal ones.
MVG_HOST_INLINE float exponential(float x) {
  float e = mvg_host_exp(x);
  return x < -87.0f ? 0.0f : e;
}

// Scores of a row to exponentials below the row's peak so far; *fade is what earlier ones shrink
// by. A NaN is no peak, but comes through the sum.
MVG_HOST_INLINE void exponentiate(float *s, int64_t columns, float *peak, float *total,
                                  float *fade) {
  int64_t whole = (columns + LANES - 1) / LANES * LANES;
  for (int64_t j = columns; j < whole; ++j)
    s[j] = -INFINITY;
  wide most = (wide){0} + *peak, sum = {0}, x;
  for (int64_t j = 0; j < whole; j += LANES) {
    memcpy(&x, s + j, sizeof x);
    take_larger(&most, &x);
  }
  FOLD_LANES(most, take_larger);
  float found = most[0];
  for (int64_t j = 0; j < whole; j += LANES) {
    for (int k = 0; k < LANES; ++k)
      s[j + k] = exponential(s[j + k] - found);
    memcpy(&x, s + j, sizeof x);
    sum += x;
  }
  FOLD_LANES(sum, add_to);
  *fade = exponential(*peak - found);
  *total = *total * *fade + sum[0];
  *peak = found;
}

MVG_HOST_INLINE void mvg_attention_forward_rows_body(mvg_attention_rows *w) {
  for (int64_t i = 0; i < w->t->rows; ++i) {
    float *s = w->scores + i * MVG_ATTENTION_TILE;
    finish_scores(w->a, w->in, w->t, i, s);
    exponentiate(s, w->t->columns, &w->peak[i], &w->total[i], &w->fade[i]);
  }
}

// Scores to probabilities, gradients of the probabilities (`slopes`) to those of query key^T.
MVG_HOST_INLINE void mvg_attention_backward_rows_body(mvg_attention_rows *w) {
  const mvg_attention_table *b = &w->a->bias;
  int64_t columns = w->t->columns, whole = (columns + LANES - 1) / LANES * LANES;
  float scale = w->a->scale;
  for (int64_t i = 0; i < w->t->rows; ++i) {
    float *p = w->scores + i * MVG_ATTENTION_TILE, *ds = w->slopes + i * MVG_ATTENTION_TILE;
    float lse = w->lse[i * w->row_step], delta = w->delta[i * w->row_step];
    finish_scores(w->a, w->in, w->t, i, p);
    for (int64_t j = 0; j < whole; j += LANES) {
      for (int k = 0; k < LANES; ++k)
        p[j + k] = exponential(p[j + k] - lse);
      wide weight, slope;
      memcpy(&weight, p + j, sizeof weight);
      memcpy(&slope, ds + j, sizeof slope);
      slope = weight * (slope - delta);
      memcpy(ds + j, &slope, sizeof slope);
    }
    float *to = w->dbias ? w->dbias + i * b->row : NULL;
    for (int64_t j = 0; to && b->column && j < columns; ++j)
      to[j] += ds[j];
    for (int64_t j = 0; to && !b->column && j < columns; ++j)
      *to += ds[j];
    for (int64_t j = 0; j < columns; ++j)
      ds[j] *= scale;
  }
}

#if defined(__x86_64__) && defined(__GNUC__)
#define VARIANTS(name)                                                                             \
  static void name##_plain(mvg_attention_rows *w) {                                                \
    name##_body(w);                                                                                \
  }                                                                                                \
  __attribute__((target("avx2,fma"))) static void name##_avx2(mvg_attention_rows *w) {             \
    name##_body(w);                                                                                \
  }                                                                                                \
  __attribute__((target("avx512f,avx512vl,avx512dq"))) static void name##_avx512(                  \
      mvg_attention_rows *w) {                                                                     \
    name##_body(w);                                                                                \
  }                                                                                                \
  void name(mvg_attention_rows *w) {                                                               \
    bool is_wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&      \
                   __builtin_cpu_supports("avx512dq");                                             \
    bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");               \
    (is_wide ? name##_avx512 : has_avx2 ? name##_avx2 : name##_plain)(w);                          \
  }
#else
#define VARIANTS(name)                                                                             \
  void name(mvg_attention_rows *w) {                                                               \
    name##_body(w);                                                                                \
  }
#endif

VARIANTS(mvg_attention_forward_rows)
VARIANTS(mvg_attention_backward_rows)

// ---- products of a tile ----

// to[c][j] = y[j][c] for the tile's keys and `depth` channels; 0 for keys up to whole vectors.
static void transpose(const mvg_attention_tile *t, int64_t depth, const float *y, int64_t y_row,
                      int64_t whole, float *to) {
  int64_t j = 0;
  for (; j + 4 <= t->columns; j += 4) {
    int64_t c = 0;
    for (; c + 4 <= depth; c += 4)
      mvg_host_transpose_four(y + j * y_row + c, y_row, to + c * MVG_ATTENTION_TILE + j,
                              MVG_ATTENTION_TILE);
    for (; c < depth; ++c) {
      for (int k = 0; k < 4; ++k)
        to[c * MVG_ATTENTION_TILE + j + k] = y[(j + k) * y_row + c];
    }
  }
  for (; j < whole; ++j) {
    for (int64_t c = 0; c < depth; ++c)
      to[c * MVG_ATTENTION_TILE + j] = j < t->columns ? y[j * y_row + c] : 0;
  }
}

// scores = x y^T over `depth` channels, x of the tile's queries, y of its keys; whole vectors are
// written.
void mvg_attention_multiply_pairs(const mvg_attention_tile *t, int64_t depth, const float *x,
                                  int64_t x_row, const float *y, int64_t y_row, float *scores) {
  float pieces[PIECE * MVG_ATTENTION_TILE];
  int64_t step = t->columns > LANES ? 2 * LANES : LANES;
  mvg_product p = {.m = t->rows,
                   .n = (t->columns + step - 1) / step * step,
                   .a_row = x_row,
                   .a_column = 1,
                   .b_row = MVG_ATTENTION_TILE,
                   .b_column = 1,
                   .y_row = MVG_ATTENTION_TILE};
  for (int64_t i = 0; i < t->rows; ++i)
    memset(scores + i * MVG_ATTENTION_TILE, 0, (size_t)p.n * sizeof *scores);
  for (int64_t c = 0; c < depth; c += PIECE) {
    p.k = mvg_host_smaller(PIECE, depth - c);
    transpose(t, p.k, y + c, y_row, p.n, pieces);
    mvg_host_multiply_add(&p, x + c, pieces, scores);
  }
}

// y += w x, the rows of y are the tile's queries; with `is_transposed` y += w^T x, its keys.
void mvg_attention_multiply_weights(const mvg_attention_tile *t, bool is_transposed, const float *w,
                                    int64_t depth, const float *x, int64_t x_row, float *y,
                                    int64_t y_row) {
  mvg_product p = {.m = is_transposed ? t->columns : t->rows,
                   .n = depth,
                   .k = is_transposed ? t->rows : t->columns,
                   .a_row = is_transposed ? 1 : MVG_ATTENTION_TILE,
                   .a_column = is_transposed ? MVG_ATTENTION_TILE : 1,
                   .b_row = x_row,
                   .b_column = 1,
                   .y_row = y_row};
  mvg_host_multiply_add(&p, w, x, y);
}

// Tiles of at most 64 queries and 64 keys, whose scores stay in the first-level cache. The work is
// cut by shape alone, and every sum belongs to one task.
#include "program/host_attention.h"

#include <string.h>

#include "base/threads.h"
#include "program/host_math.h"
#include "program/host_matmul.h"

#define TILE 64
#define LANES 16
#define PIECE 128 // channels of keys that are turned at a time
#define TASK_OPERATIONS 200000
#define ENOUGH_TASKS 16 // with fewer, long sequences are cut too
#define LOWEST -3.4028234e38f
#define MASKED 3e38f // log-sum-exp of a row without any key: its probabilities come out 0

typedef struct {
  int64_t g, h, i0, j0, rows, columns; // which part of the scores
} tile;

static int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

static int64_t divide_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

static int64_t find_place(const mvg_attention_layout *l, int64_t g, int64_t h, int64_t i) {
  return g * l->batch + h * l->head + i * l->row + l->at;
}

// ---- rows of a tile ----

// s = scale s + bias + mask for row i; keys after a query that sees the past alone count as -inf.
MVG_HOST_INLINE void finish_scores(const mvg_attention *a, const mvg_attention_inputs *in,
                                   const tile *t, int64_t row, float *s) {
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

typedef struct {
  const mvg_attention *a;
  const mvg_attention_inputs *in;
  const tile *t;
  float *scores, *slopes; // [TILE, TILE]
  float peak[TILE], total[TILE], fade[TILE];
  const float *lse, *delta; // of the tile's first row
  int64_t row_step;         // of lse and delta
  float *dbias;             // element (i0, j0) of the part's gradient, or NULL
} rows_job;

MVG_HOST_INLINE void forward_rows_body(rows_job *w) {
  for (int64_t i = 0; i < w->t->rows; ++i) {
    float *s = w->scores + i * TILE;
    finish_scores(w->a, w->in, w->t, i, s);
    exponentiate(s, w->t->columns, &w->peak[i], &w->total[i], &w->fade[i]);
  }
}

// Scores to probabilities, gradients of the probabilities (`slopes`) to those of query key^T.
MVG_HOST_INLINE void backward_rows_body(rows_job *w) {
  const mvg_attention_table *b = &w->a->bias;
  int64_t columns = w->t->columns, whole = (columns + LANES - 1) / LANES * LANES;
  float scale = w->a->scale;
  for (int64_t i = 0; i < w->t->rows; ++i) {
    float *p = w->scores + i * TILE, *ds = w->slopes + i * TILE;
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
  static void name##_plain(rows_job *w) {                                                          \
    name##_body(w);                                                                                \
  }                                                                                                \
  __attribute__((target("avx2,fma"))) static void name##_avx2(rows_job *w) {                       \
    name##_body(w);                                                                                \
  }                                                                                                \
  __attribute__((target("avx512f,avx512vl,avx512dq"))) static void name##_avx512(rows_job *w) {    \
    name##_body(w);                                                                                \
  }                                                                                                \
  static void name(rows_job *w) {                                                                  \
    bool is_wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&      \
                   __builtin_cpu_supports("avx512dq");                                             \
    bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");               \
    (is_wide ? name##_avx512 : has_avx2 ? name##_avx2 : name##_plain)(w);                          \
  }
#else
#define VARIANTS(name)                                                                             \
  static void name(rows_job *w) {                                                                  \
    name##_body(w);                                                                                \
  }
#endif

VARIANTS(forward_rows)
VARIANTS(backward_rows)

// ---- products of a tile ----

typedef float four __attribute__((vector_size(16), aligned(4)));

// to[c][j] = y[j][c] for 4 channels of 4 keys.
MVG_HOST_INLINE void transpose_four(const float *y, int64_t y_row, float *to) {
  four x[4];
  for (int i = 0; i < 4; ++i)
    memcpy(&x[i], y + i * y_row, sizeof x[i]);
  four ab_low = __builtin_shufflevector(x[0], x[1], 0, 4, 1, 5);
  four ab_high = __builtin_shufflevector(x[0], x[1], 2, 6, 3, 7);
  four cd_low = __builtin_shufflevector(x[2], x[3], 0, 4, 1, 5);
  four cd_high = __builtin_shufflevector(x[2], x[3], 2, 6, 3, 7);
  four rows[4] = {__builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5),
                  __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7),
                  __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5),
                  __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7)};
  for (int i = 0; i < 4; ++i)
    memcpy(to + i * TILE, &rows[i], sizeof rows[i]);
}

// to[c][j] = y[j][c] for the tile's keys and `depth` channels; 0 for keys up to whole vectors.
static void transpose(const tile *t, int64_t depth, const float *y, int64_t y_row, int64_t whole,
                      float *to) {
  int64_t j = 0;
  for (; j + 4 <= t->columns; j += 4) {
    int64_t c = 0;
    for (; c + 4 <= depth; c += 4)
      transpose_four(y + j * y_row + c, y_row, to + c * TILE + j);
    for (; c < depth; ++c) {
      for (int k = 0; k < 4; ++k)
        to[c * TILE + j + k] = y[(j + k) * y_row + c];
    }
  }
  for (; j < whole; ++j) {
    for (int64_t c = 0; c < depth; ++c)
      to[c * TILE + j] = j < t->columns ? y[j * y_row + c] : 0;
  }
}

// scores = x y^T over `depth` channels, x of the tile's queries, y of its keys; whole vectors are
// written.
static void multiply_pairs(const tile *t, int64_t depth, const float *x, int64_t x_row,
                           const float *y, int64_t y_row, float *scores) {
  float pieces[PIECE * TILE];
  int64_t step = t->columns > LANES ? 2 * LANES : LANES;
  mvg_product p = {.m = t->rows,
                   .n = divide_up(t->columns, step) * step,
                   .a_row = x_row,
                   .a_column = 1,
                   .b_row = TILE,
                   .b_column = 1,
                   .y_row = TILE};
  for (int64_t i = 0; i < t->rows; ++i)
    memset(scores + i * TILE, 0, (size_t)p.n * sizeof *scores);
  for (int64_t c = 0; c < depth; c += PIECE) {
    p.k = smaller(PIECE, depth - c);
    transpose(t, p.k, y + c, y_row, p.n, pieces);
    mvg_host_multiply_add(&p, x + c, pieces, scores);
  }
}

// y += w x, the rows of y are the tile's queries; with `is_transposed` y += w^T x, its keys.
static void multiply_weights(const tile *t, bool is_transposed, const float *w, int64_t depth,
                             const float *x, int64_t x_row, float *y, int64_t y_row) {
  mvg_product p = {.m = is_transposed ? t->columns : t->rows,
                   .n = depth,
                   .k = is_transposed ? t->rows : t->columns,
                   .a_row = is_transposed ? 1 : TILE,
                   .a_column = is_transposed ? TILE : 1,
                   .b_row = x_row,
                   .b_column = 1,
                   .y_row = y_row};
  mvg_host_multiply_add(&p, w, x, y);
}

static void clear_rows(float *x, const mvg_attention_layout *l, const tile *t, int64_t first,
                       int64_t count, int64_t width) {
  for (int64_t i = first; i < first + count; ++i)
    memset(x + find_place(l, t->g, t->h, i), 0, (size_t)width * sizeof *x);
}

// Keys that queries up to the tile's last one may see.
static int64_t count_seen(const mvg_attention *a, int64_t last_query) {
  return a->is_causal ? smaller(a->keys, last_query + 1) : a->keys;
}

// ---- forward ----

typedef struct {
  const mvg_attention *a;
  const mvg_attention_inputs *in;
  float *y, *lse;
  int64_t blocks;   // of one head's queries
  int64_t per_task; // blocks
} forward_job;

static void scale_rows(float *y, int64_t row, const tile *t, int64_t width, const float *factors) {
  for (int64_t i = 0; i < t->rows; ++i) {
    for (int64_t c = 0; c < width; ++c)
      y[i * row + c] *= factors[i];
  }
}

static void run_forward_block(const forward_job *j, int64_t index) {
  const mvg_attention *a = j->a;
  tile t = {.g = index / j->blocks / a->heads,
            .h = index / j->blocks % a->heads,
            .i0 = index % j->blocks * TILE};
  t.rows = smaller(TILE, a->queries - t.i0);
  float scores[TILE * TILE];
  rows_job w = {.a = a, .in = j->in, .t = &t, .scores = scores};
  for (int64_t i = 0; i < t.rows; ++i)
    w.peak[i] = LOWEST;
  int64_t y_at = find_place(&a->y, t.g, t.h, t.i0);
  float *y = j->y + y_at;
  clear_rows(j->y, &a->y, &t, t.i0, t.rows, a->value_width);
  int64_t seen = count_seen(a, t.i0 + t.rows - 1);
  for (; t.j0 < seen; t.j0 += TILE) {
    t.columns = smaller(TILE, seen - t.j0);
    multiply_pairs(&t, a->width, j->in->query + find_place(&a->query, t.g, t.h, t.i0), a->query.row,
                   j->in->key + find_place(&a->key, t.g, t.h, t.j0), a->key.row, scores);
    forward_rows(&w);
    if (t.j0) scale_rows(y, a->y.row, &t, a->value_width, w.fade);
    multiply_weights(&t, false, scores, a->value_width,
                     j->in->value + find_place(&a->value, t.g, t.h, t.j0), a->value.row, y,
                     a->y.row);
  }
  float factors[TILE], *lse = j->lse + y_at / a->value_width;
  int64_t row_step = a->y.row / a->value_width;
  for (int64_t i = 0; i < t.rows; ++i) {
    bool is_empty = w.total[i] == 0;
    factors[i] = is_empty ? 0 : 1 / w.total[i];
    lse[i * row_step] = is_empty ? MASKED : w.peak[i] + mvg_host_log(w.total[i]);
  }
  scale_rows(y, a->y.row, &t, a->value_width, factors);
}

static void run_forward_task(void *context, int64_t index) {
  const forward_job *j = context;
  int64_t count = j->a->batches * j->a->heads * j->blocks;
  int64_t last = smaller((index + 1) * j->per_task, count);
  for (int64_t i = index * j->per_task; i < last; ++i)
    run_forward_block(j, i);
}

void mvg_host_attention(const mvg_attention *shape, const mvg_attention_inputs *in, float *y,
                        float *lse) {
  forward_job j = {
      .a = shape, .in = in, .y = y, .lse = lse, .blocks = divide_up(shape->queries, TILE)};
  int64_t operations = smaller(TILE, shape->queries) * (shape->keys + 1) *
                       (shape->width + shape->value_width);
  if (operations == 0) return;
  j.per_task = divide_up(TASK_OPERATIONS, operations);
  mvg_threads_run(divide_up(shape->batches * shape->heads * j.blocks, j.per_task), run_forward_task,
                  &j);
}

// ---- backward ----

typedef struct {
  const mvg_attention *a;
  const mvg_attention_inputs *in;
  const mvg_attention_gradients *d;
  int64_t parts, batches, heads; // units of work: shares of the batches, of the heads
  int64_t part_size;             // elements of a part of the bias's gradient
  int64_t query_blocks, key_blocks, blocks;
  bool has_queries, has_keys; // which gradients this pass makes; both if not cut into blocks
  int64_t per_task;           // units or blocks
} backward_job;

static void run_backward_tile(const backward_job *j, const tile *t, float *dbias) {
  const mvg_attention *a = j->a;
  const mvg_attention_gradients *d = j->d;
  int64_t q = find_place(&a->query, t->g, t->h, t->i0), k = find_place(&a->key, t->g, t->h, t->j0);
  int64_t v = find_place(&a->value, t->g, t->h, t->j0), y = find_place(&a->y, t->g, t->h, t->i0);
  float scores[TILE * TILE], slopes[TILE * TILE];
  rows_job w = {.a = a, .in = j->in, .t = t, .scores = scores, .slopes = slopes};
  w.lse = d->lse + y / a->value_width;
  w.delta = d->delta + y / a->value_width;
  w.row_step = a->y.row / a->value_width;
  if (dbias) w.dbias = dbias + t->i0 * a->bias.row + t->j0 * a->bias.column;
  multiply_pairs(t, a->width, j->in->query + q, a->query.row, j->in->key + k, a->key.row, scores);
  multiply_pairs(t, a->value_width, d->dy + y, a->y.row, j->in->value + v, a->value.row, slopes);
  backward_rows(&w);
  if (j->has_queries) {
    multiply_weights(t, false, slopes, a->width, j->in->key + k, a->key.row, d->dquery + q,
                     a->query.row);
  }
  if (!j->has_keys) return;
  multiply_weights(t, true, slopes, a->width, j->in->query + q, a->query.row, d->dkey + k,
                   a->key.row);
  multiply_weights(t, true, scores, a->value_width, d->dy + y, a->y.row, d->dvalue + v,
                   a->value.row);
}

// One head of one batch: all tiles, or those of one block of queries or of keys.
static void run_backward_head(const backward_job *j, int64_t g, int64_t h, int64_t block,
                              float *dbias) {
  const mvg_attention *a = j->a;
  bool is_cut = j->blocks > 1;
  int64_t i0 = is_cut && j->has_queries ? block * TILE : 0;
  int64_t i1 = is_cut && j->has_queries ? smaller(i0 + TILE, a->queries) : a->queries;
  int64_t j0 = is_cut && j->has_keys ? block * TILE : 0;
  int64_t j1 = is_cut && j->has_keys ? smaller(j0 + TILE, a->keys) : a->keys;
  tile t = {.g = g, .h = h};
  if (j->has_queries) clear_rows(j->d->dquery, &a->query, &t, i0, i1 - i0, a->width);
  if (j->has_keys) {
    clear_rows(j->d->dkey, &a->key, &t, j0, j1 - j0, a->width);
    clear_rows(j->d->dvalue, &a->value, &t, j0, j1 - j0, a->value_width);
  }
  for (t.i0 = i0; t.i0 < i1; t.i0 += TILE) {
    t.rows = smaller(TILE, i1 - t.i0);
    int64_t last = smaller(j1, count_seen(a, t.i0 + t.rows - 1));
    for (t.j0 = j0; t.j0 < last; t.j0 += TILE) {
      t.columns = smaller(TILE, last - t.j0);
      run_backward_tile(j, &t, dbias);
    }
  }
}

// A unit is all that adds to one head of one batch of one part of the bias's gradient.
static void run_backward_unit(const backward_job *j, int64_t index) {
  const mvg_attention *a = j->a;
  int64_t block = index % j->blocks, unit = index / j->blocks;
  int64_t head = unit % j->heads, batch = unit / j->heads % j->batches;
  int64_t part = unit / j->heads / j->batches;
  float *dbias = NULL;
  if (a->parts && j->has_queries) {
    dbias = j->d->dbias + part * j->part_size + batch * a->bias.batch + head * a->bias.head;
  }
  int64_t outer = a->batches / j->batches, share = divide_up(outer, j->parts);
  int64_t last = smaller((part + 1) * share, outer);
  for (int64_t o = part * share; o < last; ++o) {
    for (int64_t h = head; h < a->heads; h += j->heads)
      run_backward_head(j, o * j->batches + batch, h, block, dbias);
  }
}

static void run_backward_task(void *context, int64_t index) {
  const backward_job *j = context;
  int64_t count = j->parts * j->batches * j->heads * j->blocks;
  int64_t last = smaller((index + 1) * j->per_task, count);
  for (int64_t i = index * j->per_task; i < last; ++i)
    run_backward_unit(j, i);
}

static void run_backward(backward_job *j, int64_t blocks) {
  const mvg_attention *a = j->a;
  int64_t units = j->parts * j->batches * j->heads;
  int64_t heads = a->batches * a->heads;
  int64_t operations = heads * a->queries * (a->keys + 1) * (a->width + a->value_width) * 3;
  j->blocks = blocks;
  j->per_task = divide_up(TASK_OPERATIONS, operations / (units * blocks) + 1);
  mvg_threads_run(divide_up(units * blocks, j->per_task), run_backward_task, j);
}

void mvg_host_attention_grad(const mvg_attention *shape, const mvg_attention_inputs *in,
                             const mvg_attention_gradients *d) {
  const mvg_attention *a = shape;
  const mvg_attention_table *b = &a->bias;
  backward_job j = {.a = a, .in = in, .d = d, .parts = 1, .batches = a->batches, .heads = a->heads};
  j.part_size = b->count * b->batch;
  if (a->parts) {
    j.parts = a->parts;
    j.batches = b->count;
    j.heads = b->head ? a->heads : 1;
    memset(d->dbias, 0, (size_t)(a->parts * j.part_size) * sizeof *d->dbias);
  }
  if (j.batches == 0 || a->heads == 0) return;
  j.query_blocks = divide_up(a->queries, TILE);
  j.key_blocks = divide_up(a->keys, TILE);
  bool can_cut = j.query_blocks > 1 && j.key_blocks > 1 && (!a->parts || b->row);
  bool is_cut = can_cut && j.parts * j.batches * j.heads < ENOUGH_TASKS;
  j.has_queries = true;
  j.has_keys = !is_cut;
  run_backward(&j, is_cut ? j.query_blocks : 1);
  if (!is_cut) return;
  j.has_queries = false;
  j.has_keys = true;
  run_backward(&j, j.key_blocks);
}

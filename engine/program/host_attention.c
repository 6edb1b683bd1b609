// Tiles of at most 64 queries and 64 keys. The work is cut by shape alone, and every sum belongs to
// one task.
#include "program/host_attention.h"

#include <string.h>

#include "base/threads.h"
#include "program/host_attention_tile.h"
#include "program/host_math.h"

#define TILE MVG_ATTENTION_TILE
#define TASK_OPERATIONS 200000
#define ENOUGH_TASKS 16 // with fewer, long sequences are cut too
#define LOWEST -3.4028234e38f
#define MASKED 3e38f // log-sum-exp of a row without any key: its probabilities come out 0

static int64_t find_place(const mvg_attention_layout *l, int64_t g, int64_t h, int64_t i) {
  return g * l->batch + h * l->head + i * l->row + l->at;
}

static void clear_rows(float *x, const mvg_attention_layout *l, const mvg_attention_tile *t,
                       int64_t first, int64_t count, int64_t width) {
  for (int64_t i = first; i < first + count; ++i)
    memset(x + find_place(l, t->g, t->h, i), 0, (size_t)width * sizeof *x);
}

// Keys that queries up to the tile's last one may see.
static int64_t count_seen(const mvg_attention *a, int64_t last_query) {
  return a->is_causal ? mvg_host_smaller(a->keys, last_query + 1) : a->keys;
}

// ---- forward ----

typedef struct {
  const mvg_attention *a;
  const mvg_attention_inputs *in;
  float *y, *lse;
  int64_t blocks;   // of one head's queries
  int64_t per_task; // blocks
} forward_job;

static void scale_rows(float *y, int64_t row, const mvg_attention_tile *t, int64_t width,
                       const float *factors) {
  for (int64_t i = 0; i < t->rows; ++i) {
    for (int64_t c = 0; c < width; ++c)
      y[i * row + c] *= factors[i];
  }
}

static void run_forward_block(const forward_job *j, int64_t index) {
  const mvg_attention *a = j->a;
  mvg_attention_tile t = {.g = index / j->blocks / a->heads,
                          .h = index / j->blocks % a->heads,
                          .i0 = index % j->blocks * TILE};
  t.rows = mvg_host_smaller(TILE, a->queries - t.i0);
  float scores[TILE * TILE];
  mvg_attention_rows w = {.a = a, .in = j->in, .t = &t, .scores = scores};
  for (int64_t i = 0; i < t.rows; ++i)
    w.peak[i] = LOWEST;
  int64_t y_at = find_place(&a->y, t.g, t.h, t.i0);
  float *y = j->y + y_at;
  clear_rows(j->y, &a->y, &t, t.i0, t.rows, a->value_width);
  int64_t seen = count_seen(a, t.i0 + t.rows - 1);
  for (; t.j0 < seen; t.j0 += TILE) {
    t.columns = mvg_host_smaller(TILE, seen - t.j0);
    mvg_attention_multiply_pairs(&t, a->width, j->in->query + find_place(&a->query, t.g, t.h, t.i0),
                                 a->query.row, j->in->key + find_place(&a->key, t.g, t.h, t.j0),
                                 a->key.row, scores);
    mvg_attention_forward_rows(&w);
    if (t.j0) scale_rows(y, a->y.row, &t, a->value_width, w.fade);
    mvg_attention_multiply_weights(&t, false, scores, a->value_width,
                                   j->in->value + find_place(&a->value, t.g, t.h, t.j0),
                                   a->value.row, y, a->y.row);
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
  int64_t last = mvg_host_smaller((index + 1) * j->per_task, count);
  for (int64_t i = index * j->per_task; i < last; ++i)
    run_forward_block(j, i);
}

void mvg_host_attention(const mvg_attention *shape, const mvg_attention_inputs *in, float *y,
                        float *lse) {
  forward_job j = {
      .a = shape, .in = in, .y = y, .lse = lse, .blocks = mvg_host_divide_up(shape->queries, TILE)};
  int64_t operations = mvg_host_smaller(TILE, shape->queries) * (shape->keys + 1) *
                       (shape->width + shape->value_width);
  if (operations == 0) return;
  j.per_task = mvg_host_divide_up(TASK_OPERATIONS, operations);
  mvg_threads_run(mvg_host_divide_up(shape->batches * shape->heads * j.blocks, j.per_task),
                  run_forward_task, &j);
}

void mvg_host_attention_alone(const mvg_attention *shape, const mvg_attention_inputs *in, float *y,
                              float *lse) {
  forward_job j = {
      .a = shape, .in = in, .y = y, .lse = lse, .blocks = mvg_host_divide_up(shape->queries, TILE)};
  for (int64_t i = 0; i < j.blocks; ++i)
    run_forward_block(&j, i);
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

static void run_backward_tile(const backward_job *j, const mvg_attention_tile *t, float *dbias) {
  const mvg_attention *a = j->a;
  const mvg_attention_gradients *d = j->d;
  int64_t q = find_place(&a->query, t->g, t->h, t->i0), k = find_place(&a->key, t->g, t->h, t->j0);
  int64_t v = find_place(&a->value, t->g, t->h, t->j0), y = find_place(&a->y, t->g, t->h, t->i0);
  float scores[TILE * TILE], slopes[TILE * TILE];
  mvg_attention_rows w = {.a = a, .in = j->in, .t = t, .scores = scores, .slopes = slopes};
  w.lse = d->lse + y / a->value_width;
  w.delta = d->delta + y / a->value_width;
  w.row_step = a->y.row / a->value_width;
  if (dbias) w.dbias = dbias + t->i0 * a->bias.row + t->j0 * a->bias.column;
  mvg_attention_multiply_pairs(t, a->width, j->in->query + q, a->query.row, j->in->key + k,
                               a->key.row, scores);
  mvg_attention_multiply_pairs(t, a->value_width, d->dy + y, a->y.row, j->in->value + v,
                               a->value.row, slopes);
  mvg_attention_backward_rows(&w);
  if (j->has_queries) {
    mvg_attention_multiply_weights(t, false, slopes, a->width, j->in->key + k, a->key.row,
                                   d->dquery + q, a->query.row);
  }
  if (!j->has_keys) return;
  mvg_attention_multiply_weights(t, true, slopes, a->width, j->in->query + q, a->query.row,
                                 d->dkey + k, a->key.row);
  mvg_attention_multiply_weights(t, true, scores, a->value_width, d->dy + y, a->y.row,
                                 d->dvalue + v, a->value.row);
}

// One head of one batch: all tiles, or those of one block of queries or of keys.
static void run_backward_head(const backward_job *j, int64_t g, int64_t h, int64_t block,
                              float *dbias) {
  const mvg_attention *a = j->a;
  bool is_cut = j->blocks > 1;
  int64_t i0 = is_cut && j->has_queries ? block * TILE : 0;
  int64_t i1 = is_cut && j->has_queries ? mvg_host_smaller(i0 + TILE, a->queries) : a->queries;
  int64_t j0 = is_cut && j->has_keys ? block * TILE : 0;
  int64_t j1 = is_cut && j->has_keys ? mvg_host_smaller(j0 + TILE, a->keys) : a->keys;
  mvg_attention_tile t = {.g = g, .h = h};
  if (j->has_queries) clear_rows(j->d->dquery, &a->query, &t, i0, i1 - i0, a->width);
  if (j->has_keys) {
    clear_rows(j->d->dkey, &a->key, &t, j0, j1 - j0, a->width);
    clear_rows(j->d->dvalue, &a->value, &t, j0, j1 - j0, a->value_width);
  }
  for (t.i0 = i0; t.i0 < i1; t.i0 += TILE) {
    t.rows = mvg_host_smaller(TILE, i1 - t.i0);
    int64_t last = mvg_host_smaller(j1, count_seen(a, t.i0 + t.rows - 1));
    for (t.j0 = j0; t.j0 < last; t.j0 += TILE) {
      t.columns = mvg_host_smaller(TILE, last - t.j0);
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
  int64_t outer = a->batches / j->batches, share = mvg_host_divide_up(outer, j->parts);
  int64_t last = mvg_host_smaller((part + 1) * share, outer);
  for (int64_t o = part * share; o < last; ++o) {
    for (int64_t h = head; h < a->heads; h += j->heads)
      run_backward_head(j, o * j->batches + batch, h, block, dbias);
  }
}

static void run_backward_task(void *context, int64_t index) {
  const backward_job *j = context;
  int64_t count = j->parts * j->batches * j->heads * j->blocks;
  int64_t last = mvg_host_smaller((index + 1) * j->per_task, count);
  for (int64_t i = index * j->per_task; i < last; ++i)
    run_backward_unit(j, i);
}

static void run_backward(backward_job *j, int64_t blocks) {
  const mvg_attention *a = j->a;
  int64_t units = j->parts * j->batches * j->heads;
  int64_t heads = a->batches * a->heads;
  int64_t operations = heads * a->queries * (a->keys + 1) * (a->width + a->value_width) * 3;
  j->blocks = blocks;
  j->per_task = mvg_host_divide_up(TASK_OPERATIONS, operations / (units * blocks) + 1);
  mvg_threads_run(mvg_host_divide_up(units * blocks, j->per_task), run_backward_task, j);
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
  j.query_blocks = mvg_host_divide_up(a->queries, TILE);
  j.key_blocks = mvg_host_divide_up(a->keys, TILE);
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

void mvg_host_attention_grad_alone(const mvg_attention *shape, const mvg_attention_inputs *in,
                                   const mvg_attention_gradients *d) {
  backward_job j = {.a = shape,
                    .in = in,
                    .d = d,
                    .parts = 1,
                    .batches = 1,
                    .heads = 1,
                    .blocks = 1,
                    .has_queries = true,
                    .has_keys = true};
  j.part_size = shape->bias.batch;
  if (shape->parts) memset(d->dbias, 0, (size_t)j.part_size * sizeof *d->dbias);
  run_backward_unit(&j, 0);
}

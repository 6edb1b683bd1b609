// A window's head is gathered into the first-level cache and is an attention of its own there:
// present tokens are its queries, all tokens its keys. The work is cut by shape alone.
#include "program/host_window_attention.h"

#include <string.h>

#include "base/threads.h"
#include "program/host_math.h"

#define TOKENS MVG_WINDOW_MAX_TOKENS
#define WIDTH MVG_WINDOW_MAX_WIDTH
#define MAX_SHARES 16 // of the windows, where the bias's gradient asks for none

typedef struct {
  const mvg_window_attention *a;
  const mvg_window_inputs *in;
  float *y, *lse;
  const mvg_window_gradients *d;
  int64_t windows, columns, shares, batches, heads; // columns: windows side by side
} window_job;

// One head of one window. Token i is at element `tokens[i]` of [images, height, width], or -1.
typedef struct {
  int64_t tokens[TOKENS], queries[TOKENS]; // queries: numbers of the present tokens
  int64_t count, query_count;
  float query[TOKENS * WIDTH], key[TOKENS * WIDTH], value[TOKENS * WIDTH];
  float table[TOKENS * TOKENS]; // bias and mask of the queries
  mvg_attention shape;
} window;

typedef struct {
  float dy[TOKENS * WIDTH], dquery[TOKENS * WIDTH], dkey[TOKENS * WIDTH], dvalue[TOKENS * WIDTH];
  float dtable[TOKENS * TOKENS], lse[TOKENS], delta[TOKENS];
} window_gradients;

static int64_t count_along(int64_t size, int64_t side) {
  return mvg_host_divide_up(size, side);
}

int64_t mvg_window_count(const mvg_window_attention *a) {
  return a->images * count_along(a->height, a->window[0]) * count_along(a->width, a->window[1]);
}

bool mvg_window_is_padded(const mvg_window_attention *a) {
  return a->height % a->window[0] != 0 || a->width % a->window[1] != 0;
}

static window_job make_job(const mvg_window_attention *a, const mvg_window_inputs *in) {
  return (window_job){.a = a,
                      .in = in,
                      .windows = mvg_window_count(a),
                      .columns = count_along(a->width, a->window[1])};
}

static void find_tokens(const window_job *j, int64_t g, window *w) {
  const mvg_window_attention *a = j->a;
  int64_t rows = count_along(a->height, a->window[0]), each = rows * j->columns;
  int64_t top = g % each / j->columns * a->window[0] + a->shift[0];
  int64_t left = g % j->columns * a->window[1] + a->shift[1];
  w->count = a->window[0] * a->window[1];
  w->query_count = 0;
  for (int64_t i = 0; i < w->count; ++i) {
    int64_t y = (top + i / a->window[1]) % (rows * a->window[0]);
    int64_t x = (left + i % a->window[1]) % (j->columns * a->window[1]);
    bool is_present = y < a->height && x < a->width;
    w->tokens[i] = is_present ? (g / each * a->height + y) * a->width + x : -1;
    if (is_present) w->queries[w->query_count++] = i;
  }
}

static void fill_table(const window_job *j, int64_t g, int64_t h, window *w) {
  const mvg_attention_table *tables[2] = {&j->a->bias, &j->a->mask};
  const float *numbers[2] = {j->in->bias, j->in->mask};
  for (int64_t q = 0; q < w->query_count; ++q) {
    float *to = w->table + q * w->count;
    for (int k = 0; k < 2; ++k) {
      const mvg_attention_table *t = tables[k];
      const float *from =
          numbers[k] + g % t->count * t->batch + h * t->head + w->queries[q] * t->row;
      for (int64_t i = 0; i < w->count; ++i)
        to[i] = from[i * t->column] + (k ? to[i] : 0);
    }
  }
}

static void gather(const window_job *j, int64_t g, int64_t h, window *w) {
  int64_t d = j->a->channels, row = j->a->heads * d;
  size_t bytes = (size_t)d * sizeof(float);
  for (int64_t i = 0, q = 0; i < w->count; ++i) {
    bool is_present = w->tokens[i] >= 0;
    const float *from = (is_present ? j->in->qkv + w->tokens[i] * 3 * row : j->in->pad) + h * d;
    if (is_present) memcpy(w->query + q++ * d, from, bytes);
    memcpy(w->key + i * d, from + row, bytes);
    memcpy(w->value + i * d, from + 2 * row, bytes);
  }
  fill_table(j, g, h, w);
}

// The window's head by itself.
static void describe(const window_job *j, window *w, bool has_bias_grad) {
  int64_t d = j->a->channels;
  mvg_attention_layout rows = {.row = d};
  w->shape = (mvg_attention){
      .batches = 1,
      .heads = 1,
      .queries = w->query_count,
      .keys = w->count,
      .width = d,
      .value_width = d,
      .scale = j->a->scale,
      .query = rows,
      .key = rows,
      .value = rows,
      .y = rows,
      .bias = {.count = 1, .batch = w->query_count * w->count, .row = w->count, .column = 1},
      .mask = {.count = 1},
      .parts = has_bias_grad};
}

static mvg_attention_inputs get_inputs(const window *w) {
  static const float no_mask = 0;
  return (mvg_attention_inputs){w->query, w->key, w->value, w->table, &no_mask};
}

// ---- forward ----

static void run_window(void *context, int64_t g) {
  const window_job *j = context;
  int64_t d = j->a->channels, heads = j->a->heads;
  window w;
  float y[TOKENS * WIDTH], lse[TOKENS];
  find_tokens(j, g, &w);
  describe(j, &w, false);
  for (int64_t h = 0; h < heads; ++h) {
    gather(j, g, h, &w);
    mvg_attention_inputs in = get_inputs(&w);
    mvg_host_attention_alone(&w.shape, &in, y, lse);
    for (int64_t q = 0; q < w.query_count; ++q) {
      int64_t to = w.tokens[w.queries[q]] * heads + h;
      memcpy(j->y + to * d, y + q * d, (size_t)d * sizeof *y);
      j->lse[to] = lse[q];
    }
  }
}

void mvg_host_window_attention(const mvg_window_attention *a, const mvg_window_inputs *in, float *y,
                               float *lse) {
  window_job j = make_job(a, in);
  j.y = y;
  j.lse = lse;
  mvg_threads_run(j.windows, run_window, &j);
}

// ---- backward ----

static void gather_gradients(const window_job *j, int64_t h, const window *w, window_gradients *s) {
  int64_t d = j->a->channels;
  for (int64_t q = 0; q < w->query_count; ++q) {
    int64_t from = w->tokens[w->queries[q]] * j->a->heads + h;
    memcpy(s->dy + q * d, j->d->dy + from * d, (size_t)d * sizeof *s->dy);
    s->lse[q] = j->d->lse[from];
    s->delta[q] = j->d->delta[from];
  }
}

static void scatter_gradients(const window_job *j, int64_t g, int64_t h, const window *w,
                              const window_gradients *s) {
  int64_t d = j->a->channels, row = j->a->heads * d;
  size_t bytes = (size_t)d * sizeof(float);
  float *dpad = mvg_window_is_padded(j->a) ? j->d->dpad + g * 3 * row + h * d : NULL;
  for (int part = 0; dpad && part < 3; ++part)
    memset(dpad + part * row, 0, bytes);
  for (int64_t i = 0, q = 0; i < w->count; ++i) {
    const float *dkey = s->dkey + i * d, *dvalue = s->dvalue + i * d;
    if (w->tokens[i] >= 0) {
      float *to = j->d->dqkv + w->tokens[i] * 3 * row + h * d;
      memcpy(to, s->dquery + q++ * d, bytes);
      memcpy(to + row, dkey, bytes);
      memcpy(to + 2 * row, dvalue, bytes);
      continue;
    }
    for (int64_t c = 0; c < d; ++c) {
      dpad[row + c] += dkey[c];
      dpad[2 * row + c] += dvalue[c];
    }
  }
}

static void add_bias_gradient(const window_job *j, const window *w, const window_gradients *s,
                              float *dbias) {
  const mvg_attention_table *t = &j->a->bias;
  for (int64_t q = 0; q < w->query_count; ++q) {
    float *to = dbias + w->queries[q] * t->row;
    const float *from = s->dtable + q * w->count;
    if (t->column) {
      for (int64_t i = 0; i < w->count; ++i)
        to[i] += from[i];
    } else {
      for (int64_t i = 0; i < w->count; ++i)
        *to += from[i];
    }
  }
}

// A unit is all that adds to one head of one batch of one part of the bias's gradient.
static void run_unit(void *context, int64_t index) {
  const window_job *j = context;
  const mvg_window_attention *a = j->a;
  int64_t head = index % j->heads, batch = index / j->heads % j->batches;
  int64_t part = index / j->heads / j->batches;
  int64_t outer = j->windows / j->batches, share = mvg_host_divide_up(outer, j->shares);
  int64_t last = mvg_host_smaller((part + 1) * share, outer);
  int64_t size = a->bias.count * a->bias.batch;
  float *dbias = NULL;
  if (a->parts) dbias = j->d->dbias + part * size + batch * a->bias.batch + head * a->bias.head;
  window w;
  window_gradients s;
  mvg_attention_gradients gradients = {s.dy, s.lse, s.delta, s.dquery, s.dkey, s.dvalue, s.dtable};
  for (int64_t o = part * share; o < last; ++o) {
    int64_t g = o * j->batches + batch;
    find_tokens(j, g, &w);
    describe(j, &w, dbias != NULL);
    for (int64_t h = head; h < a->heads; h += j->heads) {
      gather(j, g, h, &w);
      gather_gradients(j, h, &w, &s);
      mvg_attention_inputs in = get_inputs(&w);
      mvg_host_attention_grad_alone(&w.shape, &in, &gradients);
      scatter_gradients(j, g, h, &w, &s);
      if (dbias) add_bias_gradient(j, &w, &s, dbias);
    }
  }
}

void mvg_host_window_attention_grad(const mvg_window_attention *a, const mvg_window_inputs *in,
                                    const mvg_window_gradients *d) {
  window_job j = make_job(a, in);
  j.d = d;
  j.shares = a->parts ? a->parts : MAX_SHARES;
  j.batches = a->parts ? a->bias.count : 1;
  j.heads = a->parts && !a->bias.head ? 1 : a->heads;
  if (a->parts) {
    size_t count = (size_t)(a->parts * a->bias.count * a->bias.batch);
    memset(d->dbias, 0, count * sizeof *d->dbias);
  }
  if (j.windows) mvg_threads_run(j.shares * j.batches * j.heads, run_unit, &j);
}

// The weight's gradient: for each tap and channel, and each output, a sum over pixels. A task has
// some taps and channels, a strip of outputs and a part of the pixels, and its sums stay in the
// second-level cache.
#include <string.h>

#include "base/threads.h"
#include "program/host_conv.h"
#include "program/host_conv_tile.h"
#include "program/host_conv_walk.h"
#include "program/host_math.h"

#define PIXELS 256   // that are pointed to and packed at a time
#define SEGMENTS 64  // of a task
#define NUMBERS 1024 // sums of a task for each output

typedef struct {
  const mvg_conv *conv;
  const float *x, *dy;
  float *dweight;
  mvg_conv_walk walk;
  int64_t strips, slices, width;
} job;

// Segments that are copied at the edges are few, but as many as the pixels have room for.
static int64_t get_depth(const mvg_conv_walk *w) {
  return w->span > 1 ? MVG_CONV_DEPTH : NUMBERS;
}

// sums[row][width] += sum over pixels of from[pixel][row] panel[pixel][width], in their order
MVG_HOST_INLINE void add_tile(const float *const *from, int64_t number, const float *panel,
                              int64_t pixels, float *sums, const int rows, const int vectors) {
  vector sum[MAX_ROWS][MAX_VECTORS];
#pragma GCC unroll 8
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v)
      memcpy(&sum[i][v], sums + (i * vectors + v) * LANES, sizeof(vector));
  }
  for (int64_t l = 0; l < pixels; ++l) {
    const float *a = from[l] + number;
    vector b[MAX_VECTORS];
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v)
      memcpy(&b[v], panel + (l * vectors + v) * LANES, sizeof b[v]);
#pragma GCC unroll 8
    for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v)
        sum[i][v] += a[i] * b[v];
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v)
      memcpy(sums + (i * vectors + v) * LANES, &sum[i][v], sizeof(vector));
  }
}

MVG_HOST_INLINE void add_segment(const float *const *from, const float *panel, int64_t pixels,
                                 int64_t length, float *sums, const int rows, const int vectors) {
  const int width = vectors * LANES;
  int64_t number = 0;
  for (; number + rows <= length; number += rows)
    add_tile(from, number, panel, pixels, sums + number * width, rows, vectors);
  for (; number + 3 <= length; number += 3)
    add_tile(from, number, panel, pixels, sums + number * width, 3, vectors);
  for (; number < length; ++number)
    add_tile(from, number, panel, pixels, sums + number * width, 1, vectors);
}

// One task: `outputs` outputs from `output` on, the pixels from `first` to `last`.
typedef struct {
  const job *job;
  mvg_conv_slice slice;
  int64_t group, output, outputs, first, last, part;
} block;

static void write_sums(const block *b, const float *sums) {
  const mvg_conv *c = b->job->conv;
  const mvg_conv_slice *s = &b->slice;
  int64_t taps = c->taps[0] * c->taps[1] * c->taps[2], channels = c->channels / c->groups;
  float *dweight =
      b->job->dweight + ((b->part * c->outputs + b->output) * channels + s->channel) * taps;
  for (int64_t k = 0; k < s->taps; ++k) {
    float *to = dweight + mvg_conv_find_tap(&b->job->walk, s->tap + k);
    for (int64_t o = 0; o < b->outputs; ++o) {
      for (int64_t i = 0; i < s->channels; ++i)
        to[(o * channels + i) * taps] = sums[(k * s->channels + i) * b->job->width + o];
    }
  }
}

MVG_HOST_INLINE void sum_block(const block *b, const int rows, const int vectors) {
  const job *j = b->job;
  const mvg_conv_slice *s = &b->slice;
  const int width = vectors * LANES;
  const float *table[SEGMENTS * PIXELS];
  float sums[NUMBERS * MAX_VECTORS * LANES], panel[PIXELS * MAX_VECTORS * LANES];
  float edges[PIXELS * MVG_CONV_DEPTH];
  memset(sums, 0, (size_t)(s->taps * s->channels * width) * sizeof *sums);
  memset(panel, 0, sizeof panel);
  for (int64_t first = b->first; first < b->last; first += PIXELS) {
    int64_t pixels = mvg_host_smaller(PIXELS, b->last - first);
    mvg_conv_point(&j->walk, s, j->x + b->group * j->walk.channels, first, pixels, PIXELS, table,
                   edges);
    for (int64_t l = 0; l < pixels; ++l) {
      const float *dy = j->dy + (first + l) * j->conv->outputs + b->output;
      memcpy(panel + l * width, dy, (size_t)b->outputs * sizeof *panel);
    }
    for (int64_t segment = 0; segment < s->segments; ++segment) {
      add_segment(table + segment * PIXELS, panel, pixels, s->length,
                  sums + segment * s->length * width, rows, vectors);
    }
  }
  write_sums(b, sums);
}

DEFINE_RUN_BLOCK(sum_block, b->job->width == LANES)

static void run_task(void *context, int64_t index) {
  const job *j = context;
  const mvg_conv *c = j->conv;
  int64_t outputs = c->outputs / c->groups, share = mvg_host_divide_up(j->walk.rows, c->parts);
  block b = {.job = j, .group = index % c->groups};
  index /= c->groups;
  int64_t strip = index % j->strips * j->width;
  b.output = b.group * outputs + strip;
  b.outputs = mvg_host_smaller(j->width, outputs - strip);
  index /= j->strips;
  b.slice = mvg_conv_get_slice(&j->walk, get_depth(&j->walk), SEGMENTS, index % j->slices);
  b.part = index / j->slices;
  b.first = b.part * share;
  b.last = mvg_host_smaller(b.first + share, j->walk.rows);
  run_block(&b);
}

void mvg_host_conv_weight(const mvg_conv *c, const float *x, const float *dy, float *dweight) {
  job j = {.conv = c, .x = x, .dy = dy, .dweight = dweight, .walk = mvg_conv_walk_forward(c)};
  int64_t outputs = c->outputs / c->groups;
  j.width = has_avx512() && outputs > LANES ? 2 * LANES : LANES;
  j.strips = mvg_host_divide_up(outputs, j.width);
  j.slices = mvg_conv_count_slices(&j.walk, get_depth(&j.walk), SEGMENTS);
  mvg_threads_run(c->parts * j.slices * j.strips * c->groups, run_task, &j);
}

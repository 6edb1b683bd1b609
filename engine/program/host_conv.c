// A convolution and its transpose are products of gathered rows with the weight. They are cut into
// blocks of rows and columns by shape alone, and no sum is split. A block goes slice by slice of
// its rows' numbers; a strip's slice of the weight is packed once and stays in the first-level
// cache.
#include "program/host_conv.h"

#include <string.h>

#include "base/threads.h"
#include "program/host_conv_tile.h"
#include "program/host_conv_walk.h"
#include "program/host_dnnl.h"
#include "program/host_math.h"

#define DEPTH MVG_CONV_DEPTH
#define REACH 12            // segments of rows that are pointed to at a time
#define POINTERS 16384      // of a block's rows to their segments
#define MAX_BLOCK_ROWS 1024 // as many as pay for packing
#define MAX_EDGE_ROWS 256   // of blocks that copy segments
#define ENOUGH_TASKS 16     // with fewer, columns are cut too
#define TASK_OPERATIONS 1000000

typedef struct {
  const mvg_conv *conv;
  const float *source, *weight;
  float *y;
  bool is_transposed;
  int64_t columns, stride;           // of a group; numbers from pixel to pixel of y
  int64_t number_step, column_step;  // strides of the weight
  int64_t block_rows, block_columns; // of a task
  int64_t row_blocks, column_blocks, phases;
} job;

static mvg_conv_walk get_walk(const job *j, int64_t phase) {
  return j->is_transposed ? mvg_conv_walk_transposed(j->conv, phase)
                          : mvg_conv_walk_forward(j->conv);
}

// One task: rows [first, last) of a phase, columns [from, to) of a group.
typedef struct {
  const job *job;
  mvg_conv_walk walk;
  int64_t first, last, from, to, group;
} block;

// panel[number][column] of a slice's numbers and `columns` columns, else 0.
MVG_HOST_INLINE void pack(const block *b, const mvg_conv_slice *s, int64_t column, int64_t columns,
                          const int width, float *panel) {
  const job *j = b->job;
  int64_t group = b->group * j->conv->outputs / j->conv->groups *
                  (j->conv->channels / j->conv->groups * j->conv->taps[0] * j->conv->taps[1] *
                   j->conv->taps[2]);
  if (columns < width) memset(panel, 0, (size_t)(s->taps * s->channels * width) * sizeof *panel);
  for (int64_t k = 0; k < s->taps; ++k) {
    const float *from = j->weight + group + s->channel * j->number_step + column * j->column_step +
                        mvg_conv_find_tap(&b->walk, s->tap + k);
    float *to = panel + k * s->channels * width;
    if (j->number_step > j->column_step) {
      for (int64_t l = 0; l < s->channels; ++l) {
        for (int64_t i = 0; i < columns; ++i)
          to[l * width + i] = from[l * j->number_step + i * j->column_step];
      }
    } else {
      for (int64_t i = 0; i < columns; ++i) {
        for (int64_t l = 0; l < s->channels; ++l)
          to[l * width + i] = from[l * j->number_step + i * j->column_step];
      }
    }
  }
}

// One tile: rows' segments as mvg_conv_point has them, where their products go, and how many rows.
typedef struct {
  const float *const *from;
  float *const *to;
  int64_t rows, columns, column; // `column` of `to` is the first
  bool is_first;                 // nothing is there yet
} tile;

// Sums in order over the segments: an element's bits do not depend on the tile it falls into.
MVG_HOST_INLINE void multiply_tile(const tile *t, const mvg_conv_slice *s, const float *panel,
                                   const int rows, const int vectors) {
  vector sum[MAX_ROWS][MAX_VECTORS];
  float edge[MAX_VECTORS * LANES];
  const int width = vectors * LANES;
  bool is_whole = t->columns == width && t->rows == rows;
  memset(sum, 0, sizeof sum);
  if (!t->is_first && is_whole) {
#pragma GCC unroll 8
    for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v)
        memcpy(&sum[i][v], t->to[i] + t->column + v * LANES, sizeof(vector));
    }
  } else if (!t->is_first) {
#pragma GCC unroll 8
    for (int i = 0; i < rows; ++i) {
      memset(edge, 0, sizeof edge);
      if (i < t->rows) memcpy(edge, t->to[i] + t->column, (size_t)t->columns * sizeof *edge);
      memcpy(sum[i], edge, (size_t)width * sizeof *edge);
    }
  }
  for (int64_t segment = 0; segment < s->segments; ++segment, panel += s->length * width) {
    const float *const *from = t->from + segment * rows;
    if (!from[0]) continue;
    const float *a[MAX_ROWS];
#pragma GCC unroll 8
    for (int i = 0; i < rows; ++i)
      a[i] = from[i];
    for (int64_t l = 0; l < s->length; ++l) {
      vector b[MAX_VECTORS];
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v)
        memcpy(&b[v], panel + (l * vectors + v) * LANES, sizeof b[v]);
#pragma GCC unroll 8
      for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; ++v)
          sum[i][v] += a[i][l] * b[v];
      }
    }
  }
  if (is_whole) {
#pragma GCC unroll 8
    for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v)
        memcpy(t->to[i] + t->column + v * LANES, &sum[i][v], sizeof(vector));
    }
  } else {
#pragma GCC unroll 8
    for (int i = 0; i < rows; ++i) {
      memcpy(edge, sum[i], (size_t)width * sizeof *edge);
      if (i < t->rows) memcpy(t->to[i] + t->column, edge, (size_t)t->columns * sizeof *edge);
    }
  }
}

// Segments that all rows of a tile read as zeros are left out: their first pointer becomes NULL.
static void leave_out_zeros(const float **table, int64_t count, int64_t lanes) {
  for (const float **first = table; first < table + count * lanes; first += lanes) {
    int64_t i = 0;
    while (i < lanes && first[i] == mvg_conv_zeros)
      ++i;
    if (i == lanes) first[0] = NULL;
  }
}

// A strip of columns: what all rows take of a reach, slice by slice.
MVG_HOST_INLINE void multiply_strip(const block *b, const mvg_conv_slice *reach, int64_t column,
                                    const float *const *table, float *const *to, bool is_first,
                                    const int rows, const int vectors) {
  float panel[DEPTH * MAX_VECTORS * LANES];
  const int width = vectors * LANES;
  int64_t segments = DEPTH / reach->length;
  tile t = {.column = b->group * b->job->columns + column,
            .columns = mvg_host_smaller(width, b->to - column)};
  for (int64_t first = 0; first < reach->segments; first += segments) {
    mvg_conv_slice s = *reach;
    s.segments = mvg_host_smaller(segments, reach->segments - first);
    s.tap += first * b->walk.span;
    s.taps = s.segments * b->walk.span;
    t.is_first = is_first && first == 0;
    pack(b, &s, column, t.columns, width, panel);
    for (int64_t row = 0; row < b->last - b->first; row += rows) {
      t.from = table + row * reach->segments + first * rows;
      t.to = to + row;
      t.rows = mvg_host_smaller(rows, b->last - b->first - row);
      multiply_tile(&t, &s, panel, rows, vectors);
    }
  }
}

// A reach: the slices that rows are pointed to at a time. Their weights lie together, and copied
// edges have room for one slice.
static int64_t get_depth(const mvg_conv_walk *w) {
  return w->span > 1 ? DEPTH : DEPTH * REACH;
}

MVG_HOST_INLINE void multiply_block(const block *b, const int rows, const int vectors) {
  const job *j = b->job;
  const float *table[POINTERS];
  float *to[MAX_BLOCK_ROWS], edges[MAX_EDGE_ROWS * DEPTH];
  int64_t count = b->last - b->first, depth = get_depth(&b->walk);
  int64_t reaches = mvg_conv_count_slices(&b->walk, depth, REACH);
  for (int64_t i = 0; i < count; ++i)
    to[i] = j->y + mvg_conv_find_pixel(&b->walk, b->first + i) * j->stride;
  for (int64_t i = 0; i < count && reaches == 0; ++i)
    memset(to[i] + b->group * j->columns + b->from, 0, (size_t)(b->to - b->from) * sizeof(float));
  const float *source = j->source + b->group * b->walk.channels;
  for (int64_t i = 0; i < reaches; ++i) {
    mvg_conv_slice s = mvg_conv_get_slice(&b->walk, depth, REACH, i);
    mvg_conv_point(&b->walk, &s, source, b->first, count, rows, table, edges);
    leave_out_zeros(table, mvg_host_divide_up(count, rows) * s.segments, rows);
    for (int64_t column = b->from; column < b->to; column += vectors * LANES)
      multiply_strip(b, &s, column, table, to, i == 0, rows, vectors);
  }
}

DEFINE_RUN_BLOCK(multiply_block, b->to - b->from <= LANES)

static void run_task(void *context, int64_t index) {
  const job *j = context;
  block b = {.job = j, .group = index % j->conv->groups};
  index /= j->conv->groups;
  b.from = index % j->column_blocks * j->block_columns;
  b.to = mvg_host_smaller(b.from + j->block_columns, j->columns);
  index /= j->column_blocks;
  b.first = index % j->row_blocks * j->block_rows;
  b.walk = get_walk(j, index / j->row_blocks);
  b.last = mvg_host_smaller(b.first + j->block_rows, b.walk.rows);
  if (b.first < b.last) run_block(&b);
}

static void cut(job *j) {
  mvg_conv_walk w = get_walk(j, 0); // the phase with the most rows
  int64_t segments = 1, depth = get_depth(&w);
  if (mvg_conv_count_slices(&w, depth, REACH)) {
    segments = mvg_conv_get_slice(&w, depth, REACH, 0).segments;
  }
  int64_t rows = mvg_host_smaller(MAX_BLOCK_ROWS, POINTERS / segments - MAX_ROWS);
  if (w.span > 1) rows = mvg_host_smaller(rows, MAX_EDGE_ROWS);
  j->row_blocks = mvg_host_divide_up(w.rows, rows);
  j->block_rows = j->row_blocks ? mvg_host_divide_up(w.rows, j->row_blocks * 8) * 8 : rows;
  int64_t tasks = j->row_blocks * j->phases * j->conv->groups;
  int64_t operations = w.rows * w.taps * w.channels * j->columns * j->phases * j->conv->groups;
  int64_t wanted = mvg_host_smaller(ENOUGH_TASKS, operations / TASK_OPERATIONS);
  int64_t blocks = mvg_host_divide_up(wanted, tasks > 0 ? tasks : 1);
  int64_t width = MAX_VECTORS * LANES;
  j->block_columns = mvg_host_divide_up(j->columns, (blocks > 0 ? blocks : 1) * width) * width;
  j->column_blocks = j->columns ? mvg_host_divide_up(j->columns, j->block_columns) : 0;
}

static void run(job *j) {
  cut(j);
  mvg_threads_run(j->phases * j->row_blocks * j->column_blocks * j->conv->groups, run_task, j);
}

void mvg_host_conv(const mvg_conv *c, const float *x, const float *weight, float *y) {
  if (mvg_dnnl_convolve(c, false, x, weight, y)) return;
  int64_t taps = c->taps[0] * c->taps[1] * c->taps[2];
  job j = {.conv = c, .source = x, .weight = weight, .y = y, .phases = 1};
  j.columns = c->outputs / c->groups;
  j.stride = c->outputs;
  j.number_step = taps;
  j.column_step = c->channels / c->groups * taps;
  run(&j);
}

void mvg_host_conv_transposed(const mvg_conv *c, const float *dy, const float *weight, float *dx) {
  if (mvg_dnnl_convolve(c, true, dy, weight, dx)) return;
  int64_t taps = c->taps[0] * c->taps[1] * c->taps[2];
  job j = {.conv = c, .source = dy, .weight = weight, .y = dx, .is_transposed = true};
  j.phases = mvg_conv_count_phases(c);
  j.columns = c->channels / c->groups;
  j.stride = c->channels;
  j.number_step = c->channels / c->groups * taps;
  j.column_step = taps;
  run(&j);
}

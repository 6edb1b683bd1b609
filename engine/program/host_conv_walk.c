#include "program/host_conv_walk.h"

#include <string.h>

#include "program/host_math.h"

#define PIECE 64 // channels of a slice: short enough for several taps, whose weights lie together
#define THIN 8   // channels below which taps are read together

const float mvg_conv_zeros[MVG_CONV_DEPTH];

static void finish(mvg_conv_walk *w, const mvg_conv *c) {
  const mvg_conv_axis *last = &w->axis[MVG_CONV_AXES - 1];
  w->rows = c->batch;
  w->taps = 1;
  for (int d = 0; d < MVG_CONV_AXES; ++d) {
    w->rows *= w->axis[d].rows;
    w->taps *= w->axis[d].taps;
  }
  bool is_merged = w->channels < THIN && w->channels == w->stride && last->shift == 1 &&
                   last->taps > 0 && last->taps * w->channels <= MVG_CONV_DEPTH;
  w->span = is_merged ? last->taps : 1;
}

mvg_conv_walk mvg_conv_walk_forward(const mvg_conv *c) {
  mvg_conv_walk w = {.channels = c->channels / c->groups, .stride = c->channels};
  for (int d = 0; d < MVG_CONV_AXES; ++d) {
    w.axis[d] = (mvg_conv_axis){
        .rows = c->out[d],
        .taps = c->taps[d],
        .size = c->size[d],
        .to_step = 1,
        .to_size = c->out[d],
        .from = -c->padding[d],
        .from_step = c->stride[d],
        .shift = c->dilation[d],
        .tap_step = 1,
        .tap_count = c->taps[d],
    };
  }
  finish(&w, c);
  return w;
}

int64_t mvg_conv_count_phases(const mvg_conv *c) {
  int64_t count = 1;
  for (int d = 0; d < MVG_CONV_AXES; ++d)
    count *= mvg_host_smaller(c->stride[d], c->size[d]);
  return count;
}

// Element p of dx takes from dy, at tap t, the element (p + padding - t * dilation) / stride where
// that divides. All p of one remainder by the stride do so at the same taps.
static mvg_conv_axis walk_axis(const mvg_conv *c, int d, int64_t p) {
  int64_t stride = c->stride[d], dilation = c->dilation[d], step = 1, tap = 0;
  while (step * dilation % stride)
    ++step;
  while (tap < step && (p + c->padding[d] - tap * dilation) % stride)
    ++tap;
  return (mvg_conv_axis){
      .rows = mvg_host_divide_up(c->size[d] - p, stride),
      .taps = tap < step && tap < c->taps[d] ? (c->taps[d] - tap + step - 1) / step : 0,
      .size = c->out[d],
      .to = p,
      .to_step = stride,
      .to_size = c->size[d],
      .from = (p + c->padding[d] - tap * dilation) / stride,
      .from_step = 1,
      .shift = -step * dilation / stride,
      .tap = tap,
      .tap_step = step,
      .tap_count = c->taps[d],
  };
}

mvg_conv_walk mvg_conv_walk_transposed(const mvg_conv *c, int64_t phase) {
  mvg_conv_walk w = {.channels = c->outputs / c->groups, .stride = c->outputs};
  for (int d = MVG_CONV_AXES - 1; d >= 0; --d) {
    int64_t phases = mvg_host_smaller(c->stride[d], c->size[d]);
    w.axis[d] = walk_axis(c, d, phase % phases);
    phase /= phases;
  }
  finish(&w, c);
  return w;
}

// Cuts channels into equal pieces, all but the last a multiple of 8.
static int64_t get_piece(const mvg_conv_walk *w) {
  int64_t pieces = mvg_host_divide_up(w->channels, PIECE);
  if (pieces <= 1) return w->channels;
  return mvg_host_divide_up(mvg_host_divide_up(w->channels, pieces), 8) * 8;
}

static int64_t count_taps(const mvg_conv_walk *w, int64_t depth, int64_t segments) {
  int64_t length = get_piece(w) * w->span, fitting = mvg_host_smaller(depth / length, segments);
  return (fitting > 0 ? fitting : 1) * w->span;
}

int64_t mvg_conv_count_slices(const mvg_conv_walk *w, int64_t depth, int64_t segments) {
  if (w->channels == 0 || w->taps == 0) return 0;
  return mvg_host_divide_up(w->channels, get_piece(w)) *
         mvg_host_divide_up(w->taps, count_taps(w, depth, segments));
}

mvg_conv_slice mvg_conv_get_slice(const mvg_conv_walk *w, int64_t depth, int64_t segments,
                                  int64_t index) {
  int64_t piece = get_piece(w), taps = count_taps(w, depth, segments);
  int64_t runs = mvg_host_divide_up(w->taps, taps);
  mvg_conv_slice s = {.tap = index % runs * taps, .channel = index / runs * piece};
  s.taps = mvg_host_smaller(taps, w->taps - s.tap);
  s.channels = mvg_host_smaller(piece, w->channels - s.channel);
  s.segments = s.taps / w->span;
  s.length = s.channels * w->span;
  return s;
}

// An index into all axes at once, taken apart.
static void take_apart(int64_t index, const int64_t counts[MVG_CONV_AXES],
                       int64_t at[MVG_CONV_AXES]) {
  for (int d = MVG_CONV_AXES - 1; d >= 0; --d) {
    at[d] = index % counts[d];
    index /= counts[d];
  }
}

static void find_taps(const mvg_conv_walk *w, int64_t k, int64_t at[MVG_CONV_AXES]) {
  take_apart(k, (const int64_t[]){w->axis[0].taps, w->axis[1].taps, w->axis[2].taps}, at);
}

int64_t mvg_conv_find_tap(const mvg_conv_walk *w, int64_t k) {
  int64_t at[MVG_CONV_AXES], found = 0;
  find_taps(w, k, at);
  for (int d = 0; d < MVG_CONV_AXES; ++d)
    found = found * w->axis[d].tap_count + w->axis[d].tap + at[d] * w->axis[d].tap_step;
  return found;
}

static int64_t find_rows(const mvg_conv_walk *w, int64_t row, int64_t at[MVG_CONV_AXES]) {
  const int64_t counts[] = {w->axis[0].rows, w->axis[1].rows, w->axis[2].rows};
  take_apart(row, counts, at);
  return row / (counts[0] * counts[1] * counts[2]);
}

int64_t mvg_conv_find_pixel(const mvg_conv_walk *w, int64_t row) {
  int64_t at[MVG_CONV_AXES], pixel = find_rows(w, row, at);
  for (int d = 0; d < MVG_CONV_AXES; ++d)
    pixel = pixel * w->axis[d].to_size + w->axis[d].to + at[d] * w->axis[d].to_step;
  return pixel;
}

// A line's segment at position p along the last axis: in place, zeros, or pieced together.
static const float *read_segment(const mvg_conv_walk *w, const mvg_conv_slice *s, const float *line,
                                 int64_t p, float **edges) {
  int64_t size = w->axis[MVG_CONV_AXES - 1].size;
  if (p >= 0 && p + w->span <= size) return line + p * w->stride;
  if (p >= size || p + w->span <= 0) return mvg_conv_zeros;
  int64_t skipped = p < 0 ? -p : 0, end = mvg_host_smaller(w->span, size - p);
  float *made = *edges;
  memset(made, 0, (size_t)s->length * sizeof *made);
  memcpy(made + skipped * w->channels, line + (p + skipped) * w->stride,
         (size_t)((end - skipped) * w->channels) * sizeof *made);
  *edges += s->length;
  return made;
}

// A line of the source that a tap reads, or NULL beyond the ends.
static const float *find_line(const mvg_conv_walk *w, const float *source, int64_t image,
                              const int64_t rows[MVG_CONV_AXES],
                              const int64_t taps[MVG_CONV_AXES]) {
  for (int d = 0; d < MVG_CONV_AXES - 1; ++d) {
    const mvg_conv_axis *a = &w->axis[d];
    int64_t p = a->from + rows[d] * a->from_step + taps[d] * a->shift;
    if (p < 0 || p >= a->size) return NULL;
    image = image * a->size + p;
  }
  return source + image * w->axis[MVG_CONV_AXES - 1].size * w->stride;
}

void mvg_conv_point(const mvg_conv_walk *w, const mvg_conv_slice *s, const float *source,
                    int64_t first, int64_t rows, int64_t lanes, const float **table, float *edges) {
  const mvg_conv_axis *last = &w->axis[MVG_CONV_AXES - 1];
  for (int64_t done = 0, run; done < rows; done += run) { // line by line
    int64_t at[MVG_CONV_AXES], image = find_rows(w, first + done, at);
    run = mvg_host_smaller(last->rows - at[2], rows - done);
    for (int64_t segment = 0; segment < s->segments; ++segment) {
      int64_t taps[MVG_CONV_AXES];
      find_taps(w, s->tap + segment * w->span, taps);
      const float *line = find_line(w, source + s->channel, image, at, taps);
      int64_t p = last->from + at[2] * last->from_step + taps[2] * last->shift;
      int64_t lane = done % lanes;
      const float **to = table + (done / lanes * s->segments + segment) * lanes;
      for (int64_t i = 0; i < run; ++i, p += last->from_step) {
        to[lane] = line ? read_segment(w, s, line, p, &edges) : mvg_conv_zeros;
        if (++lane < lanes) continue;
        lane = 0;
        to += s->segments * lanes;
      }
    }
  }
  for (int64_t i = rows; i % lanes; ++i) {
    for (int64_t segment = 0; segment < s->segments; ++segment)
      table[(i / lanes * s->segments + segment) * lanes + i % lanes] = mvg_conv_zeros;
  }
}

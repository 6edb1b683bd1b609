#include "data/raster_fill.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

// Corners are snapped to 1/256 pixel and edges evaluated in integers, so that two faces sharing an
// edge leave no gap.
enum { SUBPIXEL = 256, HALF = SUBPIXEL / 2 };
static const double farthest_pixel = (double)(1 << 22);

typedef struct {
  int64_t x, y;
  double inverse_z;
  float over_z[MVG_RASTER_ATTRIBUTES]; // attribute / z, which is linear on the picture
} point;

typedef struct {
  int64_t at, step_x, step_y; // value at the first sample, change for one sample right and down
} edge;

static bool project(const mvg_raster_target *target, const mvg_raster_corner *corner, point *out) {
  double inverse_z = 1.0 / corner->z;
  double x = target->focal * corner->x * inverse_z + target->cx;
  double y = target->focal * corner->y * inverse_z + target->cy;
  if (!(fabs(x) < farthest_pixel && fabs(y) < farthest_pixel)) return false;
  out->x = llrint(x * SUBPIXEL);
  out->y = llrint(y * SUBPIXEL);
  out->inverse_z = inverse_z;
  for (int i = 0; i < MVG_RASTER_ATTRIBUTES; i++) {
    out->over_z[i] = corner->attributes[i] * (float)inverse_z;
  }
  return true;
}

static int64_t get_area(const point *a, const point *b, const point *c) {
  return (b->x - a->x) * (c->y - a->y) - (b->y - a->y) * (c->x - a->x);
}

static edge make_edge(const point *from, const point *to, int64_t x, int64_t y) {
  int64_t dx = to->x - from->x, dy = to->y - from->y;
  return (edge){.at = dx * (y - from->y) - dy * (x - from->x),
                .step_x = -dy * SUBPIXEL,
                .step_y = dx * SUBPIXEL};
}

static int64_t get_min(int64_t a, int64_t b) {
  return a < b ? a : b;
}

static int64_t get_max(int64_t a, int64_t b) {
  return a > b ? a : b;
}

// Index of the first sample at or after a coordinate in subpixels.
static int64_t round_up(int64_t position) {
  return (position - HALF + SUBPIXEL - 1) >> 8;
}

static uint8_t to_byte(float value) {
  return value <= 0 ? 0 : value >= 255 ? 255 : (uint8_t)(value + 0.5f);
}

static int64_t wrap(int64_t index, int64_t size) {
  int64_t rest = index % size;
  return rest < 0 ? rest + size : rest;
}

static void sample_texture(const mvg_raster_target *target, float u, float v, float out[3]) {
  float x = (u - floorf(u)) * (float)target->texture_width - 0.5f;
  float y = (v - floorf(v)) * (float)target->texture_height - 0.5f;
  float left = floorf(x), top = floorf(y), fx = x - left, fy = y - top;
  int64_t x0 = wrap((int64_t)left, target->texture_width);
  int64_t x1 = wrap((int64_t)left + 1, target->texture_width);
  const uint8_t *row0 =
      target->texture + wrap((int64_t)top, target->texture_height) * target->texture_width * 3;
  const uint8_t *row1 =
      target->texture + wrap((int64_t)top + 1, target->texture_height) * target->texture_width * 3;
  for (int c = 0; c < 3; c++) {
    float upper = (float)row0[x0 * 3 + c] * (1 - fx) + (float)row0[x1 * 3 + c] * fx;
    float lower = (float)row1[x0 * 3 + c] * (1 - fx) + (float)row1[x1 * 3 + c] * fx;
    out[c] = (upper * (1 - fy) + lower * fy) / 255.0f;
  }
}

static void shade(const mvg_raster_target *target, const point p[3], const float weights[3],
                  float z, uint8_t *pixel) {
  float values[MVG_RASTER_ATTRIBUTES];
  int count = target->texture ? MVG_RASTER_ATTRIBUTES : 3;
  for (int i = 0; i < count; i++) {
    values[i] = z * (weights[0] * p[0].over_z[i] + weights[1] * p[1].over_z[i] +
                     weights[2] * p[2].over_z[i]);
  }
  float texel[3] = {1, 1, 1};
  if (target->texture) sample_texture(target, values[3], values[4], texel);
  for (int c = 0; c < 3; c++)
    pixel[c] = to_byte(values[c] * texel[c]);
}

static void fill_row(const mvg_raster_target *target, const point p[3], edge edges[3],
                     double inverse_area, int64_t row, int64_t first, int64_t last) {
  int64_t w0 = edges[0].at, w1 = edges[1].at, w2 = edges[2].at;
  for (int64_t x = first; x <= last; x++) {
    if ((w0 | w1 | w2) >= 0) {
      float weights[3] = {(float)((double)w0 * inverse_area), (float)((double)w1 * inverse_area),
                          (float)((double)w2 * inverse_area)};
      float z = 1.0f / (weights[0] * (float)p[0].inverse_z + weights[1] * (float)p[1].inverse_z +
                        weights[2] * (float)p[2].inverse_z);
      int64_t at = row * target->width + x;
      if (z < target->depth[at]) {
        target->depth[at] = z;
        shade(target, p, weights, z, target->pixels + 3 * at);
      }
    }
    w0 += edges[0].step_x;
    w1 += edges[1].step_x;
    w2 += edges[2].step_x;
  }
}

void mvg_raster_fill(const mvg_raster_target *target, const mvg_raster_corner corners[3]) {
  point p[3];
  for (int i = 0; i < 3; i++) {
    if (!project(target, &corners[i], &p[i])) return;
  }
  int64_t area = get_area(&p[0], &p[1], &p[2]);
  if (area == 0 || (area > 0 && target->is_culled)) return;
  if (area < 0) {
    point swapped = p[1];
    p[1] = p[2];
    p[2] = swapped;
    area = -area;
  }
  int64_t first = get_max(0, round_up(get_min(p[0].x, get_min(p[1].x, p[2].x))));
  int64_t top = get_max(0, round_up(get_min(p[0].y, get_min(p[1].y, p[2].y))));
  int64_t right = (get_max(p[0].x, get_max(p[1].x, p[2].x)) - HALF) >> 8;
  int64_t bottom = (get_max(p[0].y, get_max(p[1].y, p[2].y)) - HALF) >> 8;
  int64_t last = get_min(right, target->width - 1), end = get_min(bottom, target->height - 1);
  if (first > last || top > end) return;
  int64_t x = first * SUBPIXEL + HALF, y = top * SUBPIXEL + HALF;
  edge edges[3] = {make_edge(&p[1], &p[2], x, y), make_edge(&p[2], &p[0], x, y),
                   make_edge(&p[0], &p[1], x, y)};
  for (int64_t row = top; row <= end; row++) {
    fill_row(target, p, edges, 1.0 / (double)area, row, first, last);
    for (int i = 0; i < 3; i++)
      edges[i].at += edges[i].step_y;
  }
}

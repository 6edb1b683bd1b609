#include "data/crop.h"

#include <inttypes.h>
#include <math.h>

#include "io/image.h"

enum { MAX_GRID = 32 };

typedef struct {
  const uint8_t *pixels;
  int64_t width, height;
} picture;

// Rounds down; cheaper than floor() where positions are known to be small.
static int64_t round_down(double value) {
  int64_t whole = (int64_t)value;
  return whole - (value < (double)whole);
}

static void add_weighted(const picture *from, int64_t x, int64_t y, float weight, float sum[3]) {
  if (x < 0 || y < 0 || x >= from->width || y >= from->height) return;
  const uint8_t *pixel = from->pixels + 3 * (y * from->width + x);
  for (int c = 0; c < 3; c++)
    sum[c] += weight * (float)pixel[c];
}

// Bilinear between pixels whose centres lie at whole positions; outside is black.
static void add_sample(const picture *from, double x, double y, float sum[3]) {
  if (!(x > -1 && y > -1 && x < (double)from->width && y < (double)from->height)) return;
  int64_t x0 = round_down(x), y0 = round_down(y);
  float fx = (float)(x - (double)x0), fy = (float)(y - (double)y0);
  float w00 = (1 - fx) * (1 - fy), w01 = fx * (1 - fy), w10 = (1 - fx) * fy, w11 = fx * fy;
  if (x0 >= 0 && y0 >= 0 && x0 + 1 < from->width && y0 + 1 < from->height) {
    const uint8_t *p = from->pixels + 3 * (y0 * from->width + x0), *q = p + 3 * from->width;
    for (int c = 0; c < 3; c++) {
      sum[c] +=
          w00 * (float)p[c] + w01 * (float)p[c + 3] + w10 * (float)q[c] + w11 * (float)q[c + 3];
    }
    return;
  }
  add_weighted(from, x0, y0, w00, sum);
  add_weighted(from, x0 + 1, y0, w01, sum);
  add_weighted(from, x0, y0 + 1, w10, sum);
  add_weighted(from, x0 + 1, y0 + 1, w11, sum);
}

// One output pixel is the mean of a grid of samples about one source pixel apart: an area filter at
// any angle.
static void crop_pixels(const picture *from, const mvg_crop_box *box, int64_t out_size,
                        uint8_t *target) {
  double step = box->size / (double)out_size;
  int grid = step <= 1 ? 1 : step >= MAX_GRID ? MAX_GRID : (int)ceil(step);
  double fine = step / grid, dx = cos(box->angle) * fine, dy = sin(box->angle) * fine;
  float share = 1.0f / (float)(grid * grid);
  for (int64_t row = 0; row < out_size; row++) {
    for (int64_t column = 0; column < out_size; column++) {
      float sum[3] = {0};
      double u = (double)(column * grid) + 0.5 - (double)(out_size * grid) / 2;
      for (int j = 0; j < grid; j++) {
        double v = (double)(row * grid + j) + 0.5 - (double)(out_size * grid) / 2;
        double x = box->cx + u * dx - v * dy - 0.5, y = box->cy + u * dy + v * dx - 0.5;
        for (int i = 0; i < grid; i++)
          add_sample(from, x + i * dx, y + i * dy, sum);
      }
      for (int c = 0; c < 3; c++)
        *target++ = (uint8_t)(sum[c] * share + 0.5f);
    }
  }
}

mvg_status mvg_crop_affine(const mvg_ndarray *image, const mvg_crop_box *box, int64_t out_size,
                           mvg_ndarray **out_crop) {
  *out_crop = NULL;
  MVG_RETURN_IF_ERROR(mvg_image_check(image, "image"));
  if (!isfinite(box->cx + box->cy + box->size + box->angle) || box->size <= 0 || out_size < 1) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT,
                     "cannot crop %g pixels around (%g, %g) to %" PRId64
                     "; the numbers must be finite and the sizes positive",
                     box->size, box->cx, box->cy, out_size);
  }
  MVG_RETURN_IF_ERROR(mvg_image_create(out_size, out_size, out_crop));
  picture from = {
      .pixels = image->data, .width = image->shape.dims[1], .height = image->shape.dims[0]};
  crop_pixels(&from, box, out_size, (*out_crop)->data);
  return NULL;
}

mvg_status mvg_crop_normalize_batch(const mvg_ndarray *images, const double mean[3],
                                    const double std[3], mvg_ndarray **out_batch) {
  *out_batch = NULL;
  const mvg_shape *shape = &images->shape;
  if (images->dtype != MVG_DTYPE_U8 || shape->rank != 4 || shape->dims[3] != 3) {
    char text[MVG_SHAPE_TEXT_SIZE];
    return MVG_ERROR(MVG_INVALID_ARGUMENT, "images: expected u8 [b, h, w, 3], got %s %s",
                     mvg_dtype_get_name(images->dtype), mvg_shape_format(shape, text));
  }
  float values[3][256];
  for (int c = 0; c < 3; c++) {
    if (!isfinite(mean[c]) || !isfinite(std[c]) || std[c] == 0) {
      return MVG_ERROR(MVG_INVALID_ARGUMENT,
                       "channel %d: mean %g and std %g; finite numbers and a "
                       "std other than 0 are needed",
                       c, mean[c], std[c]);
    }
    for (int v = 0; v < 256; v++)
      values[c][v] = (float)((v / 255.0 - mean[c]) / std[c]);
  }
  mvg_shape planar = {.rank = 4, .dims = {shape->dims[0], 3, shape->dims[1], shape->dims[2]}};
  MVG_RETURN_IF_ERROR(mvg_ndarray_create(MVG_DTYPE_F32, &planar, out_batch));
  int64_t plane = shape->dims[1] * shape->dims[2];
  const uint8_t *pixel = images->data;
  float *red = (*out_batch)->data;
  for (int64_t b = 0; b < shape->dims[0]; b++, red += 3 * plane) {
    for (int64_t i = 0; i < plane; i++, pixel += 3) {
      red[i] = values[0][pixel[0]];
      red[plane + i] = values[1][pixel[1]];
      red[2 * plane + i] = values[2][pixel[2]];
    }
  }
  return NULL;
}

#include "data/crop.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/threads.h"
#include "io/image.h"

#define MAX_GRID 32
#define MIN_SHRINK 1.25 // below, neighbouring samples share enough source pixels
#define ROWS_PER_TASK 16

typedef struct {
  const uint8_t *pixels;
  int64_t width, height;
} picture;

// Positions in source pixels are whole multiples of 2^-32, so that a shift rounds them down.
#define ONE 4294967296.0
#define MAX_POSITION 1073741824.0 // beyond lies no picture

// Red, green, blue and a lane that nothing reads.
typedef float pixel __attribute__((vector_size(16)));
typedef uint8_t bytes16 __attribute__((vector_size(16)));
typedef uint16_t words8 __attribute__((vector_size(16)));
typedef int32_t integers4 __attribute__((vector_size(16)));

static pixel load_pixel(const uint8_t *bytes) {
  return (pixel){(float)bytes[0], (float)bytes[1], (float)bytes[2], 0};
}

// Reads a byte more than the pixel has. Zeros between the bytes make integers of them.
static pixel load_wide(const uint8_t *bytes) {
  int32_t packed;
  memcpy(&packed, bytes, sizeof packed);
  bytes16 narrow = (bytes16)(integers4){packed}, no_bytes = {0};
  words8 words = (words8)__builtin_shufflevector(narrow, no_bytes, 0, 16, 1, 17, 2, 18, 3, 19, 4,
                                                 20, 5, 21, 6, 22, 7, 23);
  words8 no_words = {0};
  return __builtin_convertvector(
      (integers4)__builtin_shufflevector(words, no_words, 0, 8, 1, 9, 2, 10, 3, 11), pixel);
}

static void add_weighted(const picture *from, int64_t x, int64_t y, float weight, pixel *sum) {
  if (x < 0 || y < 0 || x >= from->width || y >= from->height) return;
  *sum += weight * load_pixel(from->pixels + 3 * (y * from->width + x));
}

static float get_fraction(int64_t position) {
  return (float)(int32_t)((uint32_t)position >> 8) * 0x1p-24f;
}

// Bilinear between pixels whose centres lie at whole positions; outside is black.
static void add_sample(const picture *from, int64_t x, int64_t y, pixel *sum) {
  int64_t x0 = x >> 32, y0 = y >> 32;
  if (x0 < -1 || y0 < -1 || x0 >= from->width || y0 >= from->height) return;
  float fx = get_fraction(x), fy = get_fraction(y);
  float w11 = fx * fy, w01 = fx - w11, w10 = fy - w11, w00 = 1 - fx - w10;
  if (x0 >= 0 && y0 >= 0 && x0 + 2 < from->width && y0 + 1 < from->height) {
    const uint8_t *p = from->pixels + 3 * (y0 * from->width + x0), *q = p + 3 * from->width;
    *sum +=
        w00 * load_wide(p) + w01 * load_wide(p + 3) + w10 * load_wide(q) + w11 * load_wide(q + 3);
    return;
  }
  add_weighted(from, x0, y0, w00, sum);
  add_weighted(from, x0 + 1, y0, w01, sum);
  add_weighted(from, x0, y0 + 1, w10, sum);
  add_weighted(from, x0 + 1, y0 + 1, w11, sum);
}

typedef struct {
  const picture *from;
  const mvg_crop_box *box;
  int64_t out_size;
  int grid;
  double dx, dy; // from sample to sample along a row
  uint8_t *target;
} crop_job;

// One output pixel is the mean of a grid of samples about one source pixel apart: an area filter at
// any angle.
static void crop_row(const crop_job *j, int64_t row) {
  const mvg_crop_box *box = j->box;
  double half = (double)(j->out_size * j->grid) / 2;
  float share = 1.0f / (float)(j->grid * j->grid);
  int64_t dx = (int64_t)(j->dx * ONE), dy = (int64_t)(j->dy * ONE);
  uint8_t *target = j->target + row * j->out_size * 3;
  for (int64_t column = 0; column < j->out_size; column++) {
    pixel sum = {0};
    double u = (double)(column * j->grid) + 0.5 - half;
    for (int k = 0; k < j->grid; k++) {
      double v = (double)(row * j->grid + k) + 0.5 - half;
      int64_t x = (int64_t)((box->cx + u * j->dx - v * j->dy - 0.5) * ONE);
      int64_t y = (int64_t)((box->cy + u * j->dy + v * j->dx - 0.5) * ONE);
      for (int i = 0; i < j->grid; i++, x += dx, y += dy)
        add_sample(j->from, x, y, &sum);
    }
    for (int c = 0; c < 3; c++)
      *target++ = (uint8_t)(sum[c] * share + 0.5f);
  }
}

static void crop_rows(void *context, int64_t number) {
  const crop_job *j = context;
  int64_t end = (number + 1) * ROWS_PER_TASK;
  for (int64_t row = number * ROWS_PER_TASK; row < end && row < j->out_size; row++)
    crop_row(j, row);
}

void mvg_crop_square(const uint8_t *pixels, int64_t height, int64_t width, const mvg_crop_box *box,
                     int64_t out_size, uint8_t *target) {
  if (fabs(box->cx) + fabs(box->cy) + box->size > MAX_POSITION) {
    memset(target, 0, (size_t)(3 * out_size * out_size));
    return;
  }
  double step = box->size / (double)out_size;
  int grid = step <= MIN_SHRINK ? 1 : step >= MAX_GRID ? MAX_GRID : (int)ceil(step);
  double fine = step / grid;
  picture from = {.pixels = pixels, .width = width, .height = height};
  crop_job job = {.from = &from,
                  .box = box,
                  .out_size = out_size,
                  .grid = grid,
                  .dx = cos(box->angle) * fine,
                  .dy = sin(box->angle) * fine,
                  .target = target};
  mvg_threads_run((out_size + ROWS_PER_TASK - 1) / ROWS_PER_TASK, crop_rows, &job);
}

mvg_status mvg_crop_check(const mvg_crop_box *box) {
  if (isfinite(box->cx + box->cy + box->size + box->angle) && box->size > 0) return NULL;
  return MVG_ERROR(MVG_INVALID_ARGUMENT,
                   "cannot crop %g pixels around (%g, %g); the numbers must be finite and the size "
                   "positive",
                   box->size, box->cx, box->cy);
}

mvg_status mvg_crop_affine(const mvg_ndarray *image, const mvg_crop_box *box, int64_t out_size,
                           mvg_ndarray **out_crop) {
  *out_crop = NULL;
  MVG_RETURN_IF_ERROR(mvg_image_check(image, "image"));
  MVG_RETURN_IF_ERROR(mvg_crop_check(box));
  MVG_RETURN_IF_ERROR(mvg_image_create(out_size, out_size, out_crop));
  const int64_t *dims = image->shape.dims;
  mvg_crop_square(image->data, dims[0], dims[1], box, out_size, (*out_crop)->data);
  return NULL;
}

typedef struct {
  const uint8_t *pixels;
  float *target;
  int64_t plane;
  float (*values)[256]; // of each channel's bytes
} normalize_job;

static void normalize_image(void *context, int64_t number) {
  const normalize_job *j = context;
  const uint8_t *bytes = j->pixels + 3 * number * j->plane;
  float *red = j->target + 3 * number * j->plane;
  for (int64_t i = 0; i < j->plane; i++, bytes += 3) {
    red[i] = j->values[0][bytes[0]];
    red[j->plane + i] = j->values[1][bytes[1]];
    red[2 * j->plane + i] = j->values[2][bytes[2]];
  }
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
  normalize_job job = {.pixels = images->data,
                       .target = (*out_batch)->data,
                       .plane = shape->dims[1] * shape->dims[2],
                       .values = values};
  mvg_threads_run(shape->dims[0], normalize_image, &job);
  return NULL;
}

// Resizing as two passes of one filter: a tent over each output pixel, as wide as the shrinking
// asks for.
#include <inttypes.h>
#include <math.h>

#include "base/alloc.h"
#include "data/draw.h"
#include "io/image.h"

// For output i: taps[i * reach ...] weigh the source samples from first[i] on.
typedef struct {
  int64_t *first;
  float *taps;
  int64_t reach;
} filter;

static void deinit_filter(filter *tent) {
  mvg_free(tent->first);
  mvg_free(tent->taps);
}

static void fill_taps(filter *tent, int64_t from, int64_t to) {
  double ratio = (double)from / (double)to, support = ratio > 1 ? ratio : 1;
  for (int64_t i = 0; i < to; i++) {
    double centre = ((double)i + 0.5) * ratio;
    int64_t low = (int64_t)floor(centre - support);
    int64_t first = low < 0 ? 0 : low > from - tent->reach ? from - tent->reach : low;
    float *taps = tent->taps + i * tent->reach, sum = 0;
    for (int64_t k = 0; k < tent->reach; k++) {
      double distance = fabs((double)(first + k) + 0.5 - centre) / support;
      taps[k] = distance < 1 ? (float)(1 - distance) : 0;
      sum += taps[k];
    }
    for (int64_t k = 0; k < tent->reach; k++)
      taps[k] /= sum;
    tent->first[i] = first;
  }
}

static mvg_status init_filter(filter *tent, int64_t from, int64_t to) {
  double ratio = (double)from / (double)to, support = ratio > 1 ? ratio : 1;
  int64_t wanted = (int64_t)ceil(2 * support) + 1;
  tent->reach = wanted < from ? wanted : from;
  MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY((size_t)to, &tent->first));
  MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY((size_t)(to * tent->reach), &tent->taps));
  fill_taps(tent, from, to);
  return NULL;
}

// [rows, from, 3] bytes to [rows, to, 3] floats.
static void resize_rows(const filter *tent, const uint8_t *source, int64_t rows, int64_t from,
                        int64_t to, float *target) {
  for (int64_t y = 0; y < rows; y++) {
    for (int64_t x = 0; x < to; x++) {
      const uint8_t *pixel = source + 3 * (y * from + tent->first[x]);
      const float *taps = tent->taps + x * tent->reach;
      float sum[3] = {0};
      for (int64_t k = 0; k < tent->reach; k++, pixel += 3) {
        for (int c = 0; c < 3; c++)
          sum[c] += taps[k] * pixel[c];
      }
      for (int c = 0; c < 3; c++)
        *target++ = sum[c];
    }
  }
}

// [from, row_size] floats to [to, row_size] bytes.
static void resize_columns(const filter *tent, const float *source, int64_t to, int64_t row_size,
                           uint8_t *target) {
  for (int64_t y = 0; y < to; y++) {
    const float *rows = source + tent->first[y] * row_size, *taps = tent->taps + y * tent->reach;
    for (int64_t x = 0; x < row_size; x++) {
      float sum = 0.5f;
      for (int64_t k = 0; k < tent->reach; k++)
        sum += taps[k] * rows[k * row_size + x];
      *target++ = sum >= 255 ? 255 : (uint8_t)sum;
    }
  }
}

mvg_status mvg_draw_resize(const mvg_ndarray *image, int64_t height, int64_t width,
                           mvg_ndarray **out_image) {
  *out_image = NULL;
  MVG_RETURN_IF_ERROR(mvg_image_check(image, "image"));
  int64_t old_height = image->shape.dims[0], old_width = image->shape.dims[1];
  if (height < 1 || width < 1 || old_height < 1 || old_width < 1) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT,
                     "cannot resize %" PRId64 "x%" PRId64 " pixels to %" PRId64 "x%" PRId64
                     "; all sides must be at least 1",
                     old_width, old_height, width, height);
  }
  filter across = {0}, down = {0};
  float *narrowed = NULL;
  mvg_ndarray *result = NULL;
  mvg_status status = mvg_image_create(height, width, &result);
  if (status) goto cleanup;
  status = init_filter(&across, old_width, width);
  if (status) goto cleanup;
  status = init_filter(&down, old_height, height);
  if (status) goto cleanup;
  status = MVG_NEW_ARRAY((size_t)(old_height * width * 3), &narrowed);
  if (status) goto cleanup;
  resize_rows(&across, image->data, old_height, old_width, width, narrowed);
  resize_columns(&down, narrowed, height, width * 3, result->data);
  *out_image = result;
  result = NULL;
cleanup:
  mvg_ndarray_release(result);
  mvg_free(narrowed);
  deinit_filter(&across);
  deinit_filter(&down);
  return status;
}

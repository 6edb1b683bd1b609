#include "data/augment.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/threads.h"

static void mirror(uint8_t *pixels, int64_t side) {
  for (int64_t y = 0; y < side; ++y) {
    uint8_t *row = pixels + y * side * 3;
    for (int64_t x = 0; x < side / 2; ++x) {
      for (int64_t channel = 0; channel < 3; ++channel) {
        uint8_t *left = &row[x * 3 + channel], *right = &row[(side - 1 - x) * 3 + channel];
        uint8_t kept = *left;
        *left = *right;
        *right = kept;
      }
    }
  }
}

static void adjust(uint8_t *pixels, int64_t side, const double gains[3], const double offsets[3]) {
  uint8_t table[3][256];
  for (int channel = 0; channel < 3; ++channel) {
    for (int value = 0; value < 256; ++value) {
      double changed = value * gains[channel] + offsets[channel];
      table[channel][value] = (uint8_t)lrint(fmin(fmax(changed, 0), 255));
    }
  }
  for (int64_t i = 0; i < side * side; ++i, pixels += 3) {
    for (int channel = 0; channel < 3; ++channel)
      pixels[channel] = table[channel][pixels[channel]];
  }
}

typedef struct {
  const mvg_augmentation *changes;
  const uint8_t *before;
  uint8_t *pixels;
  int64_t side;
} augment_job;

static void augment_picture(void *context, int64_t number) {
  const augment_job *j = context;
  const mvg_augmentation *change = &j->changes[number];
  int64_t bytes = 3 * j->side * j->side;
  uint8_t *pixels = j->pixels + number * bytes;
  mvg_crop_square(j->before + number * bytes, j->side, j->side, &change->box, j->side, pixels);
  if (change->is_mirrored) mirror(pixels, j->side);
  adjust(pixels, j->side, change->gains, change->offsets);
}

static mvg_status check_change(const mvg_augmentation *change, int64_t number) {
  MVG_RETURN_IF_ERROR(mvg_crop_check(&change->box));
  double sum = 0;
  for (int channel = 0; channel < 3; ++channel)
    sum += change->gains[channel] + change->offsets[channel];
  if (isfinite(sum)) return NULL;
  return MVG_ERROR(MVG_INVALID_ARGUMENT, "gains and offsets of picture %" PRId64 " must be finite",
                   number + 1);
}

mvg_status mvg_augment_batch(mvg_ndarray *images, const mvg_augmentation *changes) {
  const int64_t *dims = images->shape.dims;
  if (images->dtype != MVG_DTYPE_U8 || images->shape.rank != 4 || dims[3] != 3 ||
      dims[1] != dims[2]) {
    char shape[MVG_SHAPE_TEXT_SIZE];
    return MVG_ERROR(MVG_INVALID_ARGUMENT, "pictures are u8 [b, s, s, 3], got %s %s",
                     mvg_dtype_get_name(images->dtype), mvg_shape_format(&images->shape, shape));
  }
  for (int64_t i = 0; i < dims[0]; ++i)
    MVG_RETURN_IF_ERROR(check_change(&changes[i], i));
  void *before;
  MVG_RETURN_IF_ERROR(mvg_alloc_aligned(images->size_bytes, &before));
  memcpy(before, images->data, images->size_bytes);
  augment_job job = {changes, before, images->data, dims[1]};
  mvg_threads_run(dims[0], augment_picture, &job);
  mvg_free(before);
  return NULL;
}

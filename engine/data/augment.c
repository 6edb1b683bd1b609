#include "data/augment.h"

#include <math.h>

static mvg_status check_image(const mvg_ndarray *image) {
  if (image->dtype == MVG_DTYPE_U8 && image->shape.rank == 3 && image->shape.dims[2] == 3) {
    return NULL;
  }
  char shape[MVG_SHAPE_TEXT_SIZE];
  return MVG_ERROR(MVG_INVALID_ARGUMENT, "a picture is u8 [h, w, 3], got %s %s",
                   mvg_dtype_get_name(image->dtype), mvg_shape_format(&image->shape, shape));
}

mvg_status mvg_augment_mirror(mvg_ndarray *image) {
  MVG_RETURN_IF_ERROR(check_image(image));
  int64_t height = image->shape.dims[0], width = image->shape.dims[1];
  for (int64_t y = 0; y < height; ++y) {
    uint8_t *row = (uint8_t *)image->data + y * width * 3;
    for (int64_t x = 0; x < width / 2; ++x) {
      for (int64_t channel = 0; channel < 3; ++channel) {
        uint8_t *left = &row[x * 3 + channel], *right = &row[(width - 1 - x) * 3 + channel];
        uint8_t kept = *left;
        *left = *right;
        *right = kept;
      }
    }
  }
  return NULL;
}

mvg_status mvg_augment_adjust(mvg_ndarray *image, const double gains[3], const double offsets[3]) {
  MVG_RETURN_IF_ERROR(check_image(image));
  uint8_t table[3][256];
  for (int channel = 0; channel < 3; ++channel) {
    for (int value = 0; value < 256; ++value) {
      double changed = value * gains[channel] + offsets[channel];
      table[channel][value] = (uint8_t)lrint(fmin(fmax(changed, 0), 255));
    }
  }
  uint8_t *data = image->data;
  for (size_t i = 0; i < image->size_bytes; i += 3) {
    for (int channel = 0; channel < 3; ++channel)
      data[i + channel] = table[channel][data[i + channel]];
  }
  return NULL;
}

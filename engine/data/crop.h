// From pictures to network input: square crops of one size, and batches normalised by channel.
#ifndef MVGRAPH_DATA_CROP_H_
#define MVGRAPH_DATA_CROP_H_

#include "base/status.h"
#include "graph/ndarray.h"

// The square of `size` source pixels around (cx, cy), rotated by `angle` radians (clockwise on the
// picture), as u8 [out_size, out_size, 3]. Bilinear; area-filtered when it shrinks by more than
// a quarter; black outside the image.
typedef struct {
  double cx, cy, size, angle;
} mvg_crop_box;

// Numbers must be finite and the size positive.
mvg_status mvg_crop_check(const mvg_crop_box *box) MVG_MUST_USE;

// Of pixels [height, width, 3] into `target` [out_size, out_size, 3].
void mvg_crop_square(const uint8_t *pixels, int64_t height, int64_t width, const mvg_crop_box *box,
                     int64_t out_size, uint8_t *target);

mvg_status mvg_crop_affine(const mvg_ndarray *image, const mvg_crop_box *box, int64_t out_size,
                           mvg_ndarray **out_crop) MVG_MUST_USE;

// u8 [b, h, w, 3] -> f32 [b, 3, h, w]: (value / 255 - mean) / std for each channel.
mvg_status mvg_crop_normalize_batch(const mvg_ndarray *images, const double mean[3],
                                    const double std[3], mvg_ndarray **out_batch) MVG_MUST_USE;

#endif // MVGRAPH_DATA_CROP_H_

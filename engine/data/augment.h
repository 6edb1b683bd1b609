// Changes of pictures in place for augmentation; the random choices are the caller's.
#ifndef MVGRAPH_DATA_AUGMENT_H_
#define MVGRAPH_DATA_AUGMENT_H_

#include <stdbool.h>

#include "base/status.h"
#include "data/crop.h"
#include "graph/ndarray.h"

// A picture becomes its square `box`, as large as it was; left becomes right where it is mirrored;
// then value * gain + offset for each channel, rounded and held in 0 to 255.
typedef struct {
  mvg_crop_box box;
  bool is_mirrored;
  double gains[3], offsets[3];
} mvg_augmentation;

// Pictures u8 [b, s, s, 3], one change each.
mvg_status mvg_augment_batch(mvg_ndarray *images, const mvg_augmentation *changes) MVG_MUST_USE;

#endif // MVGRAPH_DATA_AUGMENT_H_

// Changes of a picture in place for augmentation; the random choices are the caller's.
#ifndef MVGRAPH_DATA_AUGMENT_H_
#define MVGRAPH_DATA_AUGMENT_H_

#include "base/status.h"
#include "graph/ndarray.h"

// Left becomes right; u8 [h, w, 3].
mvg_status mvg_augment_mirror(mvg_ndarray *image) MVG_MUST_USE;

// value * gain + offset for each channel, rounded and held in 0 to 255; u8 [h, w, 3].
mvg_status mvg_augment_adjust(mvg_ndarray *image, const double gains[3],
                              const double offsets[3]) MVG_MUST_USE;

#endif // MVGRAPH_DATA_AUGMENT_H_

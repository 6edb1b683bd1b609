// The one door to FFmpeg: opens the picture stream of a file and hands out RGB frames in display order.
#ifndef MVGRAPH_IO_AV_H_
#define MVGRAPH_IO_AV_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "graph/ndarray.h"

typedef struct mvg_av mvg_av;

typedef struct {
  int64_t width, height;          // after rotation
  int64_t announced_frame_count;  // from the container; 0 when it does not say
  double frames_per_second;       // 0 when unknown
  int rotation_degrees;           // clockwise turn that was asked for by the file: 0, 90, 180, 270
  char codec[32];
} mvg_av_info;

mvg_status mvg_av_create(const char *path, mvg_av **out_av) MVG_MUST_USE;
void mvg_av_destroy(mvg_av *av);
const mvg_av_info *mvg_av_get_info(const mvg_av *av);

// The next frame, u8 [h, w, 3]; *out_frame is NULL at the end. A file that ends before the frames it announced fails
// with both counts.
mvg_status mvg_av_read(mvg_av *av, mvg_ndarray **out_frame) MVG_MUST_USE;

#endif  // MVGRAPH_IO_AV_H_

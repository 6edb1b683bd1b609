// The one door to FFmpeg: opens the picture stream of a file and hands out RGB frames in display
// order.
#ifndef MVGRAPH_IO_AV_H_
#define MVGRAPH_IO_AV_H_

#include <stdint.h>

#include "base/status.h"
#include "graph/ndarray.h"

typedef struct mvg_av mvg_av;

typedef struct {
  int64_t width, height;         // after the turn or mirroring that the file asks for
  int64_t announced_frame_count; // from the container; 0 when it does not say
  double frames_per_second;      // 0 when unknown
  char codec[32];                // "h264"
} mvg_av_info;

// Decodes the first picture, so that a file without any fails here. References to other files are
// not followed.
mvg_status mvg_av_create(const char *path, mvg_av **out_av) MVG_MUST_USE;
void mvg_av_destroy(mvg_av *av);
const mvg_av_info *mvg_av_get_info(const mvg_av *av);

// The next frame, u8 [h, w, 3]; *out_frame is NULL at the end. A file that ends before the frames
// it announced fails with both counts.
mvg_status mvg_av_read(mvg_av *av, mvg_ndarray **out_frame) MVG_MUST_USE;

// Reads to the end without decoding: how many frames a container that announces a count really
// holds. `av` cannot be read any further.
mvg_status mvg_av_count_frames(mvg_av *av, int64_t *out_count) MVG_MUST_USE;

#endif // MVGRAPH_IO_AV_H_

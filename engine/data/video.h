// Videos as a sequence of RGB frames that can be counted and read again from the start.
#ifndef MVGRAPH_DATA_VIDEO_H_
#define MVGRAPH_DATA_VIDEO_H_

#include <stdint.h>

#include "base/status.h"
#include "graph/ndarray.h"

typedef struct mvg_video mvg_video;

mvg_status mvg_video_create(const char *path, mvg_video **out_video) MVG_MUST_USE;
void mvg_video_destroy(mvg_video *video);

int64_t mvg_video_get_width(const mvg_video *video);
int64_t mvg_video_get_height(const mvg_video *video);
double mvg_video_get_frames_per_second(const mvg_video *video); // 0 when the file does not say

// Goes through the whole file once, so that a cut one fails here; the read position stays.
mvg_status mvg_video_count_frames(mvg_video *video, int64_t *out_count) MVG_MUST_USE;

// The next frame, u8 [h, w, 3], one reference; *out_frame is NULL at the end.
mvg_status mvg_video_read(mvg_video *video, mvg_ndarray **out_frame) MVG_MUST_USE;
mvg_status mvg_video_rewind(mvg_video *video) MVG_MUST_USE;

#endif // MVGRAPH_DATA_VIDEO_H_

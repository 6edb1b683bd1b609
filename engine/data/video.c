#include "data/video.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "io/av.h"

struct mvg_video {
  char *path;
  mvg_av *av;
  int64_t frame_count; // -1 until it is known
};

mvg_status mvg_video_create(const char *path, mvg_video **out_video) {
  *out_video = NULL;
  mvg_video *video;
  MVG_RETURN_IF_ERROR(MVG_NEW(&video));
  video->frame_count = -1;
  mvg_status status = mvg_alloc_string(path, &video->path);
  if (!status) status = mvg_av_create(path, &video->av);
  if (status) {
    mvg_video_destroy(video);
    return status;
  }
  *out_video = video;
  return NULL;
}

void mvg_video_destroy(mvg_video *video) {
  if (!video) return;
  mvg_av_destroy(video->av);
  mvg_free(video->path);
  mvg_free(video);
}

int64_t mvg_video_get_width(const mvg_video *video) {
  return mvg_av_get_info(video->av)->width;
}

int64_t mvg_video_get_height(const mvg_video *video) {
  return mvg_av_get_info(video->av)->height;
}

double mvg_video_get_frames_per_second(const mvg_video *video) {
  return mvg_av_get_info(video->av)->frames_per_second;
}

static mvg_status count_by_decoding(mvg_av *av, int64_t *out_count) {
  for (int64_t count = 0;; count++) {
    mvg_ndarray *frame;
    MVG_RETURN_IF_ERROR(mvg_av_read(av, &frame));
    if (!frame) {
      *out_count = count;
      return NULL;
    }
    mvg_ndarray_release(frame);
  }
}

mvg_status mvg_video_count_frames(mvg_video *video, int64_t *out_count) {
  *out_count = 0;
  if (video->frame_count < 0) {
    mvg_av *av;
    MVG_RETURN_IF_ERROR(mvg_av_create(video->path, &av));
    int64_t count = 0;
    mvg_status status = mvg_av_get_info(av)->announced_frame_count > 0
                            ? mvg_av_count_frames(av, &count)
                            : count_by_decoding(av, &count);
    mvg_av_destroy(av);
    if (status) return status;
    video->frame_count = count;
  }
  *out_count = video->frame_count;
  return NULL;
}

mvg_status mvg_video_read(mvg_video *video, mvg_ndarray **out_frame) {
  return mvg_av_read(video->av, out_frame);
}

mvg_status mvg_video_rewind(mvg_video *video) {
  mvg_av *av;
  MVG_RETURN_IF_ERROR(mvg_av_create(video->path, &av));
  mvg_av_destroy(video->av);
  video->av = av;
  return NULL;
}

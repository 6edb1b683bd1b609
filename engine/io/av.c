#include "io/av.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/display.h>
#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>

#include "base/alloc.h"
#include "io/file.h"
#include "io/image.h"

enum { IO_BUFFER_SIZE = 1 << 16, MAX_PIXELS = 1 << 28 };

// A step to the right in the stored picture is (xx, xy) in the shown one, a step down (yx, yy);
// each is -1, 0 or 1.
typedef struct {
  int xx, xy, yx, yy;
} turn;

struct mvg_av {
  char *path;
  int descriptor;
  size_t file_size;
  AVIOContext *io;
  AVFormatContext *format;
  AVCodecContext *codec;
  AVPacket *packet;
  AVFrame *frame;
  struct SwsContext *scaler;
  int stream_index;
  bool is_draining;
  mvg_av_info info;
  turn turn;
  mvg_ndarray *pending; // the first frame, decoded at open
  int64_t packet_count, decoded_count, skipped_count;
  double last_seconds; // end of the latest frame; 0 when frames carry no time
  char failure[160];   // what FFmpeg said last
};

static _Thread_local char last_words[160];

// FFmpeg's own log never reaches the terminal; its last complaint becomes the reason in our
// messages.
static void keep_last_words(void *context, int level, const char *format, va_list args) {
  (void)context;
  if (level > AV_LOG_ERROR) return;
  int length = vsnprintf(last_words, sizeof last_words, format, args);
  if (length <= 0) return;
  size_t end = strlen(last_words);
  while (end && (last_words[end - 1] == '\n' || last_words[end - 1] == '.'))
    end--;
  last_words[end] = '\0';
}

static const char *explain(mvg_av *av, int error) {
  if (last_words[0]) {
    snprintf(av->failure, sizeof av->failure, "%s", last_words);
  } else {
    av_strerror(error, av->failure, sizeof av->failure);
  }
  return av->failure;
}

static int read_bytes(void *context, uint8_t *buffer, int size) {
  const mvg_av *av = context;
  ssize_t got;
  do {
    got = read(av->descriptor, buffer, (size_t)size);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return AVERROR(errno);
  return got == 0 ? AVERROR_EOF : (int)got;
}

static int64_t seek_bytes(void *context, int64_t offset, int whence) {
  const mvg_av *av = context;
  if (whence & AVSEEK_SIZE) return (int64_t)av->file_size;
  int64_t at = lseek(av->descriptor, offset, whence & ~AVSEEK_FORCE);
  return at < 0 ? AVERROR(errno) : at;
}

static int refuse_other_files(AVFormatContext *format, AVIOContext **io, const char *url, int flags,
                              AVDictionary **options) {
  (void)format, (void)url, (void)flags, (void)options;
  *io = NULL;
  return AVERROR(EPERM);
}

static mvg_status make_out_of_memory(const mvg_av *av) {
  return MVG_ERROR(MVG_OUT_OF_MEMORY, "%s: out of host memory while decoding its %zu bytes",
                   av->path, av->file_size);
}

static mvg_status open_container(mvg_av *av) {
  uint8_t *buffer = av_malloc(IO_BUFFER_SIZE);
  if (!buffer) return make_out_of_memory(av);
  av->io = avio_alloc_context(buffer, IO_BUFFER_SIZE, 0, av, read_bytes, NULL, seek_bytes);
  if (!av->io) {
    av_free(buffer);
    return make_out_of_memory(av);
  }
  av->format = avformat_alloc_context();
  if (!av->format) return make_out_of_memory(av);
  av->format->pb = av->io;
  av->format->io_open = refuse_other_files;
  AVDictionary *options = NULL;
  av_dict_set(&options, "protocol_whitelist", "none", 0);
  int error = avformat_open_input(&av->format, NULL, NULL, &options);
  av_dict_free(&options);
  if (!error) error = avformat_find_stream_info(av->format, NULL);
  if (error < 0) { // ENOMEM too: probes say it of what they do not know
    return MVG_ERROR(
        MVG_INVALID_ARGUMENT,
        "%s: not a video or picture that can be read (%s); the file is cut, damaged or "
        "of another kind",
        av->path, explain(av, error));
  }
  return NULL;
}

static const int32_t *get_stream_matrix(const AVStream *stream) {
#if LIBAVFORMAT_VERSION_INT >= AV_VERSION_INT(60, 15, 100)
  const AVPacketSideData *side =
      av_packet_side_data_get(stream->codecpar->coded_side_data,
                              stream->codecpar->nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX);
  return side && side->size >= 9 * sizeof(int32_t) ? (const int32_t *)side->data : NULL;
#else
  size_t size = 0;
  const uint8_t *data = av_stream_get_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
  return data && size >= 9 * sizeof(int32_t) ? (const int32_t *)(const void *)data : NULL;
#endif
}

static int get_sign(int32_t value) {
  const int32_t half = 1 << 15; // the matrix is 16.16 fixed point
  return value > half ? 1 : value < -half ? -1 : 0;
}

// Quarter turns and mirrorings; any other matrix leaves the picture as it is stored.
static turn get_turn(const int32_t *matrix) {
  const turn none = {.xx = 1, .yy = 1};
  if (!matrix) return none;
  turn found = {.xx = get_sign(matrix[0]),
                .xy = get_sign(matrix[1]),
                .yx = get_sign(matrix[3]),
                .yy = get_sign(matrix[4])};
  bool is_straight = found.xx && found.yy && !found.xy && !found.yx;
  bool is_crossed = !found.xx && !found.yy && found.xy && found.yx;
  return is_straight || is_crossed ? found : none;
}

static mvg_status open_decoder(mvg_av *av) {
  const AVCodec *decoder = NULL;
  int index = av_find_best_stream(av->format, AVMEDIA_TYPE_VIDEO, -1, -1, &decoder, 0);
  if (index < 0) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT, "%s: there is no video in it; give a video or picture",
                     av->path);
  }
  const AVStream *stream = av->format->streams[index];
  av->stream_index = index;
  av->codec = avcodec_alloc_context3(decoder);
  if (!av->codec) return make_out_of_memory(av);
  int error = avcodec_parameters_to_context(av->codec, stream->codecpar);
  av->codec->pkt_timebase = stream->time_base;
  av->codec->max_pixels = MAX_PIXELS;
  av->codec->thread_count = 2;
  if (error >= 0) error = avcodec_open2(av->codec, decoder, NULL);
  if (error == AVERROR(ENOMEM)) return make_out_of_memory(av);
  if (error < 0) {
    return MVG_ERROR(MVG_UNSUPPORTED, "%s: the %s decoder does not start (%s)", av->path,
                     decoder->name, explain(av, error));
  }
  av->packet = av_packet_alloc();
  av->frame = av_frame_alloc();
  if (!av->packet || !av->frame) return make_out_of_memory(av);
  AVRational rate = stream->avg_frame_rate;
  av->info.announced_frame_count = stream->nb_frames;
  av->info.frames_per_second = rate.num > 0 && rate.den > 0 ? av_q2d(rate) : 0;
  snprintf(av->info.codec, sizeof av->info.codec, "%s", decoder->name);
  return NULL;
}

// Copies one row of stored pixels to where it is shown.
static void place_row(const uint8_t *row, int64_t width, uint8_t *target, int64_t step) {
  for (int64_t x = 0; x < width; x++, row += 3, target += step) {
    target[0] = row[0];
    target[1] = row[1];
    target[2] = row[2];
  }
}

static void turn_pixels(const turn *by, const uint8_t *stored, int64_t width, int64_t height,
                        uint8_t *shown) {
  int64_t shown_width = by->xx ? width : height;
  int64_t step_x = 3 * (by->xx + by->xy * shown_width);
  int64_t step_y = 3 * (by->yx + by->yy * shown_width);
  uint8_t *start = shown;
  if (step_x < 0) start -= step_x * (width - 1);
  if (step_y < 0) start -= step_y * (height - 1);
  for (int64_t y = 0; y < height; y++) {
    place_row(stored + y * width * 3, width, start + y * step_y, step_x);
  }
}

static mvg_status convert_pixels(mvg_av *av, uint8_t *target) {
  const AVFrame *frame = av->frame;
  const int flags = SWS_BILINEAR | SWS_ACCURATE_RND | SWS_BITEXACT | SWS_FULL_CHR_H_INT;
  av->scaler = sws_getCachedContext(av->scaler, frame->width, frame->height,
                                    (enum AVPixelFormat)frame->format, frame->width, frame->height,
                                    AV_PIX_FMT_RGB24, flags, NULL, NULL, NULL);
  if (!av->scaler) {
    return MVG_ERROR(MVG_UNSUPPORTED, "%s: pixels of kind %s cannot be converted", av->path,
                     av_get_pix_fmt_name((enum AVPixelFormat)frame->format));
  }
  const char *name = av_get_pix_fmt_name((enum AVPixelFormat)frame->format);
  bool is_full = frame->color_range == AVCOL_RANGE_JPEG || (name && !strncmp(name, "yuvj", 4));
  const int *source = sws_getCoefficients(frame->colorspace);
  sws_setColorspaceDetails(av->scaler, source, is_full, sws_getCoefficients(SWS_CS_DEFAULT), 1, 0,
                           1 << 16, 1 << 16);
  int lines[4] = {frame->width * 3};
  uint8_t *planes[4] = {target};
  int height = sws_scale(av->scaler, (const uint8_t *const *)frame->data, frame->linesize, 0,
                         frame->height, planes, lines);
  if (height == frame->height) return NULL;
  return MVG_ERROR(MVG_IO, "%s: frame %" PRId64 " cannot be converted", av->path,
                   av->decoded_count);
}

static mvg_status check_frame(mvg_av *av, int64_t width, int64_t height) {
  if (av->decoded_count == 0) {
    av->info.width = width;
    av->info.height = height;
  }
  if (width != av->info.width || height != av->info.height) {
    return MVG_ERROR(MVG_UNSUPPORTED,
                     "%s: frame %" PRId64 " measures %" PRId64 "x%" PRId64
                     ", those before it %" PRId64 "x%" PRId64 "; convert the video to one size",
                     av->path, av->decoded_count, width, height, av->info.width, av->info.height);
  }
  if (width < 1 || height < 1 || width > MVG_IMAGE_MAX_SIDE || height > MVG_IMAGE_MAX_SIDE) {
    return MVG_ERROR(MVG_UNSUPPORTED,
                     "%s: pictures of %" PRId64 "x%" PRId64 " pixels are too large", av->path,
                     width, height);
  }
  return NULL;
}

static mvg_status make_array(mvg_av *av, mvg_ndarray **out_frame) {
  if (av->decoded_count == 0) {
    const AVFrameSideData *side = av_frame_get_side_data(av->frame, AV_FRAME_DATA_DISPLAYMATRIX);
    const int32_t *matrix = get_stream_matrix(av->format->streams[av->stream_index]);
    if (!matrix && side && side->size >= 9 * sizeof(int32_t)) {
      matrix = (const int32_t *)(const void *)side->data;
    }
    av->turn = get_turn(matrix);
  }
  bool is_crossed = av->turn.xx == 0;
  int64_t width = av->frame->width, height = av->frame->height;
  MVG_RETURN_IF_ERROR(check_frame(av, is_crossed ? height : width, is_crossed ? width : height));
  bool is_upright = av->turn.xx == 1 && av->turn.yy == 1;
  mvg_ndarray *image, *stored = NULL;
  MVG_RETURN_IF_ERROR(mvg_image_create(av->info.height, av->info.width, &image));
  mvg_status status = is_upright ? NULL : mvg_image_create(height, width, &stored);
  if (!status) status = convert_pixels(av, stored ? stored->data : image->data);
  if (!status && stored) turn_pixels(&av->turn, stored->data, width, height, image->data);
  mvg_ndarray_release(stored);
  if (status) {
    mvg_ndarray_release(image);
    return status;
  }
  *out_frame = image;
  return NULL;
}

// Frames cut away by an edit list, and repeats stored as nothing, are in the announced count but
// never shown.
static void count_packet(mvg_av *av) {
  bool is_skipped = av->packet->flags & AV_PKT_FLAG_DISCARD || av->packet->size == 0;
  *(is_skipped ? &av->skipped_count : &av->packet_count) += 1;
}

// Feeds packets until the decoder has a picture. Returns 0, AVERROR_EOF at the end, or another
// error.
static int decode_next(mvg_av *av) {
  for (;;) {
    int error = avcodec_receive_frame(av->codec, av->frame);
    if (error != AVERROR(EAGAIN)) return error;
    if (av->is_draining) return AVERROR_EOF;
    error = av_read_frame(av->format, av->packet);
    if (error == AVERROR_EOF) {
      av->is_draining = true;
      error = avcodec_send_packet(av->codec, NULL);
    } else if (error >= 0 && av->packet->stream_index == av->stream_index) {
      count_packet(av);
      error = avcodec_send_packet(av->codec, av->packet);
    }
    av_packet_unref(av->packet);
    if (error < 0) return error;
  }
}

static mvg_status make_cut_failure(const mvg_av *av, int64_t count, const char *reason) {
  return MVG_ERROR(MVG_IO,
                   "%s: decoded %" PRId64 " of %" PRId64 " frames announced; the file is cut or "
                   "damaged within its %zu bytes%s%s; copy or export the video again",
                   av->path, count, av->info.announced_frame_count - av->skipped_count,
                   av->file_size, reason[0] ? ": " : "", reason);
}

static mvg_status check_end(const mvg_av *av) {
  if (av->info.announced_frame_count > 0) {
    bool is_whole = av->decoded_count + av->skipped_count >= av->info.announced_frame_count;
    return is_whole ? NULL : make_cut_failure(av, av->decoded_count, "");
  }
  // Containers without a count may still tell how long the only stream lasts.
  double seconds = av->format->nb_streams == 1 && av->format->duration > 0
                       ? (double)av->format->duration / AV_TIME_BASE
                       : 0;
  if (av->last_seconds > 0 && av->last_seconds < 0.95 * seconds - 0.1) {
    return MVG_ERROR(MVG_IO,
                     "%s: decoded %" PRId64 " frames, %.2f of %.2f seconds announced; the file is "
                     "cut or damaged; copy or export the video again",
                     av->path, av->decoded_count, av->last_seconds, seconds);
  }
  return NULL;
}

static void note_time(mvg_av *av) {
  const AVStream *stream = av->format->streams[av->stream_index];
  int64_t stamp = av->frame->best_effort_timestamp;
  if (stamp == AV_NOPTS_VALUE) return;
  int64_t start = av->format->start_time == AV_NOPTS_VALUE ? 0 : av->format->start_time;
  double seconds = (double)stamp * av_q2d(stream->time_base) - (double)start / AV_TIME_BASE;
  if (seconds > av->last_seconds) av->last_seconds = seconds;
}

static mvg_status decode_frame(mvg_av *av, mvg_ndarray **out_frame) {
  last_words[0] = '\0';
  int error = decode_next(av);
  if (error == AVERROR_EOF) return check_end(av);
  if (error == AVERROR(ENOMEM)) return make_out_of_memory(av);
  if (error < 0) {
    const char *reason = explain(av, error);
    if (av->info.announced_frame_count > 0) return make_cut_failure(av, av->decoded_count, reason);
    return MVG_ERROR(MVG_IO, "%s: frame %" PRId64 " cannot be decoded (%s); the file is damaged",
                     av->path, av->decoded_count, reason);
  }
  note_time(av);
  mvg_status status = make_array(av, out_frame);
  av_frame_unref(av->frame);
  if (!status) av->decoded_count++;
  return status;
}

static mvg_status open_first(mvg_av *av) {
  MVG_RETURN_IF_ERROR(open_container(av));
  MVG_RETURN_IF_ERROR(open_decoder(av));
  MVG_RETURN_IF_ERROR(decode_frame(av, &av->pending));
  if (av->pending) return NULL;
  return MVG_ERROR(MVG_INVALID_ARGUMENT, "%s: there is no picture in it; the file is cut or empty",
                   av->path);
}

mvg_status mvg_av_create(const char *path, mvg_av **out_av) {
  *out_av = NULL;
  av_log_set_callback(keep_last_words);
  last_words[0] = '\0';
  mvg_av *av;
  MVG_RETURN_IF_ERROR(MVG_NEW(&av));
  av->descriptor = -1;
  mvg_status status = mvg_alloc_string(path, &av->path);
  if (!status) status = mvg_file_open(path, &av->descriptor, &av->file_size);
  if (!status) status = open_first(av);
  if (status) {
    mvg_av_destroy(av);
    return status;
  }
  *out_av = av;
  return NULL;
}

void mvg_av_destroy(mvg_av *av) {
  if (!av) return;
  mvg_ndarray_release(av->pending);
  sws_freeContext(av->scaler);
  av_frame_free(&av->frame);
  av_packet_free(&av->packet);
  avcodec_free_context(&av->codec);
  avformat_close_input(&av->format);
  if (av->io) av_freep(&av->io->buffer);
  avio_context_free(&av->io);
  if (av->descriptor >= 0) close(av->descriptor);
  mvg_free(av->path);
  mvg_free(av);
}

const mvg_av_info *mvg_av_get_info(const mvg_av *av) {
  return &av->info;
}

mvg_status mvg_av_read(mvg_av *av, mvg_ndarray **out_frame) {
  *out_frame = av->pending;
  av->pending = NULL;
  return *out_frame ? NULL : decode_frame(av, out_frame);
}

mvg_status mvg_av_count_frames(mvg_av *av, int64_t *out_count) {
  *out_count = 0;
  last_words[0] = '\0';
  int error = 0;
  while (error >= 0) {
    error = av_read_frame(av->format, av->packet);
    if (error >= 0 && av->packet->stream_index == av->stream_index) count_packet(av);
    av_packet_unref(av->packet);
  }
  int64_t wanted = av->info.announced_frame_count - av->skipped_count;
  if (error != AVERROR_EOF || av->packet_count < wanted) {
    return make_cut_failure(av, av->packet_count, error == AVERROR_EOF ? "" : explain(av, error));
  }
  *out_count = av->packet_count;
  return NULL;
}

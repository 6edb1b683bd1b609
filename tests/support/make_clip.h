// Writes a small video with FFmpeg's own encoder: frame i is a plain grey of 10 + 8 * i with a
// white top left corner.
#ifndef MVGRAPH_TESTS_SUPPORT_MAKE_CLIP_H_
#define MVGRAPH_TESTS_SUPPORT_MAKE_CLIP_H_

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/opt.h>
#include <stdbool.h>

typedef struct {
  int width, height, frame_count;
  bool is_with_index_first; // mp4: the index before the pictures, as for streaming
  bool is_turned;           // mp4: asks to be shown turned by a quarter, clockwise
} clip_options;

static inline void fill_clip_frame(AVFrame *frame, int index) {
  for (int plane = 0; plane < 3; plane++) {
    int height = plane ? frame->height / 2 : frame->height;
    for (int y = 0; y < height; y++) {
      uint8_t *row = frame->data[plane] + y * frame->linesize[plane];
      memset(row, plane ? 128 : 10 + 8 * index, (size_t)(plane ? frame->width / 2 : frame->width));
      if (!plane && y < height / 2) memset(row, 255, (size_t)frame->width / 2);
    }
  }
}

static inline void drain_clip(AVCodecContext *codec, AVFormatContext *format, AVPacket *packet) {
  while (avcodec_receive_packet(codec, packet) == 0) {
    av_packet_rescale_ts(packet, codec->time_base, format->streams[0]->time_base);
    packet->duration = format->streams[0]->time_base.den / 25;
    assert_int_equal(av_interleaved_write_frame(format, packet), 0);
  }
}

static inline void turn_clip(AVStream *stream) {
  const int32_t matrix[9] = {0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30};
#if LIBAVFORMAT_VERSION_INT >= AV_VERSION_INT(60, 15, 100)
  AVPacketSideData *side = av_packet_side_data_new(&stream->codecpar->coded_side_data,
                                                   &stream->codecpar->nb_coded_side_data,
                                                   AV_PKT_DATA_DISPLAYMATRIX, sizeof matrix, 0);
  assert_non_null(side);
  memcpy(side->data, matrix, sizeof matrix);
#else
  uint8_t *side = av_stream_new_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, sizeof matrix);
  assert_non_null(side);
  memcpy(side, matrix, sizeof matrix);
#endif
}

// The container follows from the file name: .mp4, .mkv, .avi.
static inline void make_clip(const char *path, const clip_options *options) {
  av_log_set_level(AV_LOG_QUIET);
  AVFormatContext *format = NULL;
  assert_true(avformat_alloc_output_context2(&format, NULL, NULL, path) >= 0);
  AVStream *stream = avformat_new_stream(format, NULL);
  AVCodecContext *codec = avcodec_alloc_context3(avcodec_find_encoder(AV_CODEC_ID_MJPEG));
  codec->width = options->width;
  codec->height = options->height;
  codec->time_base = (AVRational){1, 25};
  codec->pix_fmt = AV_PIX_FMT_YUVJ420P;
  codec->color_range = AVCOL_RANGE_JPEG;
  codec->flags |= AV_CODEC_FLAG_QSCALE;
  codec->global_quality = FF_QP2LAMBDA;
  assert_int_equal(avcodec_open2(codec, NULL, NULL), 0);
  assert_true(avcodec_parameters_from_context(stream->codecpar, codec) >= 0);
  stream->time_base = codec->time_base;
  stream->avg_frame_rate = (AVRational){25, 1};
  if (options->is_turned) turn_clip(stream);
  if (options->is_with_index_first) av_opt_set(format->priv_data, "movflags", "faststart", 0);
  assert_true(avio_open(&format->pb, path, AVIO_FLAG_WRITE) >= 0);
  assert_true(avformat_write_header(format, NULL) >= 0);
  AVFrame *frame = av_frame_alloc();
  frame->format = codec->pix_fmt;
  frame->width = codec->width;
  frame->height = codec->height;
  assert_int_equal(av_frame_get_buffer(frame, 0), 0);
  AVPacket *packet = av_packet_alloc();
  for (int i = 0; i < options->frame_count; i++) {
    assert_int_equal(av_frame_make_writable(frame), 0);
    fill_clip_frame(frame, i);
    frame->pts = i;
    frame->quality = codec->global_quality;
    assert_int_equal(avcodec_send_frame(codec, frame), 0);
    drain_clip(codec, format, packet);
  }
  avcodec_send_frame(codec, NULL);
  drain_clip(codec, format, packet);
  assert_int_equal(av_write_trailer(format), 0);
  av_packet_free(&packet);
  av_frame_free(&frame);
  avcodec_free_context(&codec);
  avio_closep(&format->pb);
  avformat_free_context(format);
}

#endif // MVGRAPH_TESTS_SUPPORT_MAKE_CLIP_H_

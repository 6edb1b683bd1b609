#include "io/jpeg.h"

#include <inttypes.h>
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libswscale/swscale.h>

#include "base/alloc.h"
#include "io/image.h"

typedef struct {
  AVCodecContext *codec;
  AVFrame *frame;
  AVPacket *packet;
  struct SwsContext *scaler;
} encoder;

static mvg_status explain(const mvg_ndarray *image, int error) {
  char reason[AV_ERROR_MAX_STRING_SIZE] = "";
  av_strerror(error, reason, sizeof reason);
  return MVG_ERROR(error == AVERROR(ENOMEM) ? MVG_OUT_OF_MEMORY : MVG_UNSUPPORTED,
                   "a picture of %" PRId64 "x%" PRId64 " pixels cannot become a JPEG (%s)",
                   image->shape.dims[1], image->shape.dims[0], reason);
}

static int open_encoder(encoder *by, int width, int height, int coarseness) {
  const AVCodec *kind = avcodec_find_encoder(AV_CODEC_ID_MJPEG);
  if (!kind) return AVERROR_ENCODER_NOT_FOUND;
  by->codec = avcodec_alloc_context3(kind);
  by->frame = av_frame_alloc();
  by->packet = av_packet_alloc();
  if (!by->codec || !by->frame || !by->packet) return AVERROR(ENOMEM);
  by->codec->width = by->frame->width = width;
  by->codec->height = by->frame->height = height;
  by->codec->pix_fmt = AV_PIX_FMT_YUV444P;
  by->frame->format = by->codec->pix_fmt;
  by->codec->color_range = by->frame->color_range = AVCOL_RANGE_JPEG;
  by->codec->time_base = (AVRational){1, 1};
  by->codec->thread_count = 1;
  by->codec->flags |= AV_CODEC_FLAG_QSCALE | AV_CODEC_FLAG_BITEXACT;
  by->codec->global_quality = by->frame->quality = coarseness * FF_QP2LAMBDA;
  int error = avcodec_open2(by->codec, kind, NULL);
  return error ? error : av_frame_get_buffer(by->frame, 0);
}

static int convert_pixels(encoder *by, const mvg_ndarray *image) {
  const int flags = SWS_BILINEAR | SWS_ACCURATE_RND | SWS_BITEXACT;
  int width = by->frame->width, height = by->frame->height;
  by->scaler = sws_getContext(width, height, AV_PIX_FMT_RGB24, width, height, AV_PIX_FMT_YUV444P,
                              flags, NULL, NULL, NULL);
  if (!by->scaler) return AVERROR(ENOMEM);
  const int *colors = sws_getCoefficients(SWS_CS_DEFAULT);
  sws_setColorspaceDetails(by->scaler, colors, 1, colors, 1, 0, 1 << 16, 1 << 16);
  const uint8_t *planes[4] = {image->data};
  const int lines[4] = {width * 3};
  int done = sws_scale(by->scaler, planes, lines, 0, height, by->frame->data, by->frame->linesize);
  return done == height ? 0 : AVERROR_EXTERNAL;
}

static int encode(encoder *by, const mvg_ndarray *image, int coarseness) {
  int error = open_encoder(by, (int)image->shape.dims[1], (int)image->shape.dims[0], coarseness);
  if (!error) error = convert_pixels(by, image);
  if (!error) error = avcodec_send_frame(by->codec, by->frame);
  return error ? error : avcodec_receive_packet(by->codec, by->packet);
}

mvg_status mvg_jpeg_encode(const mvg_ndarray *image, int coarseness, char **out_bytes,
                           size_t *out_size) {
  *out_bytes = NULL;
  *out_size = 0;
  MVG_RETURN_IF_ERROR(mvg_image_check(image, "the picture to encode"));
  encoder by = {0};
  mvg_status status = NULL;
  int error = encode(&by, image, coarseness);
  if (error) {
    status = explain(image, error);
  } else {
    *out_size = (size_t)by.packet->size;
    status = MVG_NEW_ARRAY(*out_size, out_bytes);
    if (!status) memcpy(*out_bytes, by.packet->data, *out_size);
  }
  sws_freeContext(by.scaler);
  av_packet_free(&by.packet);
  av_frame_free(&by.frame);
  avcodec_free_context(&by.codec);
  return status;
}

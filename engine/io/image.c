#include "io/image.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <png.h>

#include "base/alloc.h"
#include "base/str.h"
#include "io/av.h"
#include "io/file.h"

enum { SIGNATURE_SIZE = 8 };
static const size_t max_file_bytes = (size_t)1 << 30;

mvg_status mvg_image_create(int64_t height, int64_t width, mvg_ndarray **out_image) {
  *out_image = NULL;
  if (height < 0 || width < 0 || height > MVG_IMAGE_MAX_SIDE || width > MVG_IMAGE_MAX_SIDE) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT,
                     "an image of %" PRId64 " by %" PRId64 " pixels; sides of 0 to %d are allowed",
                     width, height, MVG_IMAGE_MAX_SIDE);
  }
  mvg_shape shape = {.rank = 3, .dims = {height, width, 3}};
  return mvg_ndarray_create(MVG_DTYPE_U8, &shape, out_image);
}

mvg_status mvg_image_check(const mvg_ndarray *image, const char *what) {
  const mvg_shape *shape = &image->shape;
  if (image->dtype == MVG_DTYPE_U8 && shape->rank == 3 && shape->dims[2] == 3) return NULL;
  char text[MVG_SHAPE_TEXT_SIZE];
  return MVG_ERROR(MVG_INVALID_ARGUMENT, "%s is %s %s; a picture is u8 [height, width, 3]", what,
                   mvg_dtype_get_name(image->dtype), mvg_shape_format(shape, text));
}

// One reading or writing of a PNG. libpng reports failures by longjmp, so everything to release
// lives in here.
typedef struct {
  jmp_buf jump;
  char reason[160];
  png_structp png;
  png_infop info;
  const uint8_t *bytes; // when reading
  size_t size, at;
  mvg_str output; // when writing
  mvg_ndarray *image;
  png_bytep *rows;
  size_t refused_bytes; // of memory, to libpng
  mvg_status status;    // a failure of our own inside libpng's calls
} png_job;

static png_voidp allocate(png_structp png, png_alloc_size_t size) {
  png_job *job = png_get_mem_ptr(png);
  void *memory = mvg_alloc_plain(size);
  if (!memory) job->refused_bytes = size;
  return memory;
}

static void release(png_structp png, png_voidp memory) {
  (void)png;
  mvg_free(memory);
}

static void stop_job(png_structp png, png_const_charp message) {
  png_job *job = png_get_error_ptr(png);
  snprintf(job->reason, sizeof job->reason, "%s", message);
  longjmp(job->jump, 1);
}

static void ignore_warning(png_structp png, png_const_charp message) {
  (void)png, (void)message;
}

static void read_bytes(png_structp png, png_bytep target, size_t size) {
  png_job *job = png_get_io_ptr(png);
  if (size > job->size - job->at) png_error(png, "the file ends too early");
  memcpy(target, job->bytes + job->at, size);
  job->at += size;
}

static void write_bytes(png_structp png, png_bytep source, size_t size) {
  png_job *job = png_get_io_ptr(png);
  mvg_str_append_bytes(&job->output, (const char *)source, size);
}

static void flush_nothing(png_structp png) {
  (void)png;
}

static void allocate_rows(png_job *job, int64_t height, int64_t width, mvg_ndarray *image) {
  if (!image) {
    job->status = mvg_image_create(height, width, &job->image);
    if (job->status) png_error(job->png, "no memory for the picture");
    image = job->image;
  }
  job->status = MVG_NEW_ARRAY((size_t)height, &job->rows);
  if (job->status) png_error(job->png, "no memory for the rows");
  for (int64_t y = 0; y < height; y++) {
    job->rows[y] = (png_bytep)image->data + y * width * 3;
  }
}

static void read_picture(png_job *job) {
  png_set_read_fn(job->png, job, read_bytes);
  png_set_user_limits(job->png, MVG_IMAGE_MAX_SIDE, MVG_IMAGE_MAX_SIDE);
  png_read_info(job->png, job->info);
  png_set_expand(job->png);
  png_set_scale_16(job->png);
  png_set_strip_alpha(job->png);
  png_set_gray_to_rgb(job->png);
  png_set_interlace_handling(job->png);
  png_read_update_info(job->png, job->info);
  allocate_rows(job, png_get_image_height(job->png, job->info),
                png_get_image_width(job->png, job->info), NULL);
  png_read_image(job->png, job->rows);
  png_read_end(job->png, NULL);
}

static void write_picture(png_job *job, mvg_ndarray *image) {
  int64_t height = image->shape.dims[0], width = image->shape.dims[1];
  png_set_write_fn(job->png, job, write_bytes, flush_nothing);
  png_set_user_limits(job->png, MVG_IMAGE_MAX_SIDE, MVG_IMAGE_MAX_SIDE);
  png_set_IHDR(job->png, job->info, (png_uint_32)width, (png_uint_32)height, 8, PNG_COLOR_TYPE_RGB,
               PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(job->png, job->info);
  allocate_rows(job, height, width, image);
  png_write_image(job->png, job->rows);
  png_write_end(job->png, job->info);
}

static void deinit_job(png_job *job, bool is_reading) {
  if (is_reading) {
    png_destroy_read_struct(&job->png, &job->info, NULL);
  } else {
    png_destroy_write_struct(&job->png, &job->info);
  }
  mvg_free(job->rows);
  mvg_str_deinit(&job->output);
  mvg_ndarray_release(job->image);
  mvg_status_destroy(job->status);
}

static bool begin_job(png_job *job, bool is_reading) {
  job->png = is_reading ? png_create_read_struct_2(PNG_LIBPNG_VER_STRING, job, stop_job,
                                                   ignore_warning, job, allocate, release)
                        : png_create_write_struct_2(PNG_LIBPNG_VER_STRING, job, stop_job,
                                                    ignore_warning, job, allocate, release);
  if (job->png) job->info = png_create_info_struct(job->png);
  return job->info != NULL;
}

static mvg_status make_failure(png_job *job, const char *action, const char *path) {
  mvg_status status = job->status;
  job->status = NULL;
  if (status) return mvg_status_annotate(status, "cannot %s %s", action, path);
  if (job->refused_bytes) {
    return MVG_ERROR(MVG_OUT_OF_MEMORY, "cannot %s %s: out of host memory: %zu bytes", action, path,
                     job->refused_bytes);
  }
  return MVG_ERROR(MVG_INVALID_ARGUMENT, "cannot %s %s: %s (byte %zu of %zu); the file is damaged",
                   action, path, job->reason, job->at, job->size);
}

static mvg_status read_png(const char *path, const char *bytes, size_t size,
                           mvg_ndarray **out_image) {
  png_job *job;
  MVG_RETURN_IF_ERROR(MVG_NEW(&job));
  job->bytes = (const uint8_t *)bytes;
  job->size = size;
  mvg_status status = NULL;
  if (begin_job(job, true) && !setjmp(job->jump)) {
    read_picture(job);
    *out_image = job->image;
    job->image = NULL;
  } else {
    status = make_failure(job, "read", path);
  }
  deinit_job(job, true);
  mvg_free(job);
  return status;
}

mvg_status mvg_image_write_png(const char *path, const mvg_ndarray *image) {
  MVG_RETURN_IF_ERROR(mvg_image_check(image, "the picture to write"));
  if (image->shape.dims[0] == 0 || image->shape.dims[1] == 0) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT, "cannot write %s: the picture has no pixels", path);
  }
  png_job *job;
  MVG_RETURN_IF_ERROR(MVG_NEW(&job));
  mvg_status status = NULL;
  if (begin_job(job, false) && !setjmp(job->jump)) {
    write_picture(job, (mvg_ndarray *)image);
    status = job->output.failure;
    job->output.failure = NULL;
    if (!status) status = mvg_file_write_atomic(path, job->output.text, job->output.length);
  } else {
    status = make_failure(job, "write", path);
  }
  deinit_job(job, false);
  mvg_free(job);
  return status;
}

static mvg_status read_by_ffmpeg(const char *path, mvg_ndarray **out_image) {
  mvg_av *av;
  MVG_RETURN_IF_ERROR(mvg_av_create(path, &av));
  mvg_status status = mvg_av_read(av, out_image);
  mvg_av_destroy(av);
  return status;
}

mvg_status mvg_image_read(const char *path, mvg_ndarray **out_image) {
  *out_image = NULL;
  char *bytes;
  size_t size;
  MVG_RETURN_IF_ERROR(mvg_file_read(path, max_file_bytes, &bytes, &size));
  bool is_png = size >= SIGNATURE_SIZE && !png_sig_cmp((png_const_bytep)bytes, 0, SIGNATURE_SIZE);
  mvg_status status =
      is_png ? read_png(path, bytes, size, out_image) : read_by_ffmpeg(path, out_image);
  mvg_free(bytes);
  return status;
}

// Still pictures: PNG by libpng, everything else by FFmpeg's decoders. Images are u8 arrays [h, w,
// 3], RGB.
#ifndef MVGRAPH_IO_IMAGE_H_
#define MVGRAPH_IO_IMAGE_H_

#include "base/status.h"
#include "graph/ndarray.h"

#define MVG_IMAGE_MAX_SIDE 32768

// Grey, palette and 16-bit files are converted; an alpha channel is dropped.
mvg_status mvg_image_read(const char *path, mvg_ndarray **out_image) MVG_MUST_USE;

// The same image gives the same bytes. Written aside, synced, renamed.
mvg_status mvg_image_write_png(const char *path, const mvg_ndarray *image) MVG_MUST_USE;

// Fails unless `image` is u8 [h, w, 3]; `what` names it in the message.
mvg_status mvg_image_check(const mvg_ndarray *image, const char *what) MVG_MUST_USE;

// Zero-filled u8 [height, width, 3].
mvg_status mvg_image_create(int64_t height, int64_t width, mvg_ndarray **out_image) MVG_MUST_USE;

#endif // MVGRAPH_IO_IMAGE_H_

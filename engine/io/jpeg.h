// Pictures as JPEG in memory, by FFmpeg's encoder: for pages that carry their pictures.
#ifndef MVGRAPH_IO_JPEG_H_
#define MVGRAPH_IO_JPEG_H_

#include "base/status.h"
#include "graph/ndarray.h"

// Coarseness of the result: the smallest is all but lossless.
#define MVG_JPEG_FINEST 2
#define MVG_JPEG_COARSEST 31

// `image` is u8 [h, w, 3]; the caller frees *out_bytes with mvg_free. The same image gives the same
// bytes.
mvg_status mvg_jpeg_encode(const mvg_ndarray *image, int coarseness, char **out_bytes,
                           size_t *out_size) MVG_MUST_USE;

#endif // MVGRAPH_IO_JPEG_H_

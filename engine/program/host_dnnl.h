// oneDNN, where it was found when the engine was configured, for what it does faster than the
// engine's own kernels. MVGRAPH_ONEDNN=0 in the environment turns it off.
#ifndef MVGRAPH_PROGRAM_HOST_DNNL_H_
#define MVGRAPH_PROGRAM_HOST_DNNL_H_

#include <stdbool.h>

#include "program/host_conv.h"
#include "program/host_product.h"

#ifdef MVG_HAS_ONEDNN
// y += op(a) op(b), or y = op(a) op(b), on the calling thread alone: the same bits at every call.
// False, and y as it was, where the engine's own product is the faster one or the library is off.
bool mvg_dnnl_multiply(const mvg_product *product, const void *a, const void *b, void *y);

// y from x or, transposed, dx from dy, as host_conv.h has them; on all of the engine's threads. The
// same bits at every call, whatever their number. False where the engine's own is to do it.
bool mvg_dnnl_convolve(const mvg_conv *conv, bool is_transposed, const float *source,
                       const float *weight, float *result);

// True where the library is on; the calling thread works alone in it from then on.
bool mvg_dnnl_enter(void);
#else
static inline bool mvg_dnnl_multiply(const mvg_product *product, const void *a, const void *b,
                                     void *y) {
  (void)product, (void)a, (void)b, (void)y;
  return false;
}

static inline bool mvg_dnnl_convolve(const mvg_conv *conv, bool is_transposed, const float *source,
                                     const float *weight, float *result) {
  (void)conv, (void)is_transposed, (void)source, (void)weight, (void)result;
  return false;
}
#endif

#endif // MVGRAPH_PROGRAM_HOST_DNNL_H_

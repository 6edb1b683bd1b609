// oneDNN, where it was found when the engine was configured, for what it does faster than the
// engine's own kernels. MVGRAPH_ONEDNN=0 in the environment turns it off.
#ifndef MVGRAPH_PROGRAM_HOST_DNNL_H_
#define MVGRAPH_PROGRAM_HOST_DNNL_H_

#include <stdbool.h>

#include "program/host_product.h"

#ifdef MVG_HAS_ONEDNN
// y += op(a) op(b), or y = op(a) op(b), on the calling thread alone: the same bits at every call.
// False, and y as it was, where the engine's own product is the faster one or the library is off.
bool mvg_dnnl_multiply(const mvg_product *product, const void *a, const void *b, void *y);
#else
static inline bool mvg_dnnl_multiply(const mvg_product *product, const void *a, const void *b,
                                     void *y) {
  (void)product, (void)a, (void)b, (void)y;
  return false;
}
#endif

#endif // MVGRAPH_PROGRAM_HOST_DNNL_H_

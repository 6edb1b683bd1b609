// Runs of f16 and bf16 elements on the host.
#ifndef MVGRAPH_PROGRAM_HOST_HALF_H_
#define MVGRAPH_PROGRAM_HOST_HALF_H_

#include <stdint.h>

#include "graph/dtype.h"

// `stride` counts elements of the source.
void mvg_host_widen(mvg_dtype dtype, const void *halves, int64_t stride, int64_t count,
                    float *out_values);
void mvg_host_narrow(mvg_dtype dtype, const float *values, int64_t count, void *out_halves);

#endif // MVGRAPH_PROGRAM_HOST_HALF_H_

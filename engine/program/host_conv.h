// Convolutions on the host, for CPU devices: products whose rows are gathered where they are read.
#ifndef MVGRAPH_PROGRAM_HOST_CONV_H_
#define MVGRAPH_PROGRAM_HOST_CONV_H_

#include <stdint.h>

#define MVG_CONV_AXES 3

// Channels are innermost: x [batch, size..., channels], y [batch, out..., outputs]; weight
// [outputs, channels / groups, taps...]. Output o reads o * stride - padding + tap * dilation along
// an axis, and zeros beyond the ends.
typedef struct {
  int64_t batch, channels, outputs, groups;
  int64_t size[MVG_CONV_AXES], out[MVG_CONV_AXES], taps[MVG_CONV_AXES];
  int64_t stride[MVG_CONV_AXES], padding[MVG_CONV_AXES], dilation[MVG_CONV_AXES];
  int64_t parts; // of the weight's gradient
} mvg_conv;

// The same bits at every call, whatever the number of threads. Results are overwritten.
void mvg_host_conv(const mvg_conv *conv, const float *x, const float *weight, float *y);
// dx from dy: the transposed convolution.
void mvg_host_conv_transposed(const mvg_conv *conv, const float *dy, const float *weight,
                              float *dx);
// dweight [parts, outputs, channels / groups, taps...]; a part sums over an equal share of the rows
// of y.
void mvg_host_conv_weight(const mvg_conv *conv, const float *x, const float *dy, float *dweight);

#endif // MVGRAPH_PROGRAM_HOST_CONV_H_

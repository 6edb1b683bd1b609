// Attention inside windows of token maps on the host: host_attention.h where the cut into windows
// is an address, so that nothing is padded, rolled or partitioned in memory.
#ifndef MVGRAPH_PROGRAM_HOST_WINDOW_ATTENTION_H_
#define MVGRAPH_PROGRAM_HOST_WINDOW_ATTENTION_H_

#include "program/host_attention.h"

#define MVG_WINDOW_MAX_TOKENS 144
#define MVG_WINDOW_MAX_WIDTH 64

// Maps [images, height, width] are rolled up and to the left by `shift` and cut into windows; where
// these reach over the edge their tokens are absent: all have the query, key and value of `pad`.
typedef struct {
  int64_t images, height, width;
  int64_t window[2], shift[2]; // rows, columns
  int64_t heads, channels;     // channels of one head
  float scale;
  mvg_attention_table bias, mask; // batches are windows, image by image
  int64_t parts;                  // of the bias's gradient; 0: it is not wanted
} mvg_window_attention;

typedef struct {
  const float *qkv, *pad; // [images, height, width, 3, heads, channels], [3, heads, channels]
  const float *bias, *mask;
} mvg_window_inputs;

int64_t mvg_window_count(const mvg_window_attention *shape); // of all images
bool mvg_window_is_padded(const mvg_window_attention *shape);

// y [images, height, width, heads, channels], lse [images, height, width, heads]. At most
// MVG_WINDOW_MAX_TOKENS in a window and MVG_WINDOW_MAX_WIDTH channels. The same bits at every call,
// whatever the number of threads.
void mvg_host_window_attention(const mvg_window_attention *shape, const mvg_window_inputs *in,
                               float *y, float *lse);

typedef struct {
  const float *dy, *lse, *delta;
  float *dqkv;
  float *dpad;  // [windows, 3, heads, channels] where maps are padded
  float *dbias; // [parts, elements of the bias]
} mvg_window_gradients;

void mvg_host_window_attention_grad(const mvg_window_attention *shape, const mvg_window_inputs *in,
                                    const mvg_window_gradients *gradients);

#endif // MVGRAPH_PROGRAM_HOST_WINDOW_ATTENTION_H_

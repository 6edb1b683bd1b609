// Attention on the host, for CPU devices: kernels/attention without scores in memory.
#ifndef MVGRAPH_PROGRAM_HOST_ATTENTION_H_
#define MVGRAPH_PROGRAM_HOST_ATTENTION_H_

#include <stdbool.h>
#include <stdint.h>

// Element (batch g, head h, row i, channel c) of a tensor is at g batch + h head + i row + at + c.
typedef struct {
  int64_t batch, head, row, at;
} mvg_attention_layout;

// Number (g, h, i, j) added to the scores is at g % count * batch + h head + i row + j column;
// strides of broadcast axes are 0.
typedef struct {
  int64_t count, batch, head, row, column;
} mvg_attention_table;

typedef struct {
  int64_t batches, heads, queries, keys; // queries and keys of one head
  int64_t width, value_width;            // channels of a query and key, of a value
  float scale;
  bool is_causal;                            // query i sees keys up to i
  mvg_attention_layout query, key, value, y; // gradients lie as what they are of
  mvg_attention_table bias, mask;
  int64_t parts; // of the bias's gradient; 0: it is not wanted
} mvg_attention;

typedef struct {
  const float *query, *key, *value, *bias, *mask;
} mvg_attention_inputs;

// y = softmax(scale query key^T + bias + mask) value, and each row's log-sum-exp of the scores. The
// rows of lse and delta are those of y: a row's number is the place of its first channel by
// value_width. The same bits at every call, whatever the number of threads.
void mvg_host_attention(const mvg_attention *shape, const mvg_attention_inputs *in, float *y,
                        float *lse);

// The same on the calling thread, of one batch and one head.
void mvg_host_attention_alone(const mvg_attention *shape, const mvg_attention_inputs *in, float *y,
                              float *lse);

typedef struct {
  const float *dy, *lse, *delta; // delta: sum of dy y over a row's channels
  float *dquery, *dkey, *dvalue;
  float *dbias; // [parts, elements of the bias]
} mvg_attention_gradients;

// Gradients from recomputed probabilities; all outputs are overwritten. Part p of the bias's
// gradient sums over an equal share of the batches that read the same element.
void mvg_host_attention_grad(const mvg_attention *shape, const mvg_attention_inputs *in,
                             const mvg_attention_gradients *gradients);
// The same on the calling thread, of one batch and one head; the bias's gradient has one part.
void mvg_host_attention_grad_alone(const mvg_attention *shape, const mvg_attention_inputs *in,
                                   const mvg_attention_gradients *gradients);

#endif // MVGRAPH_PROGRAM_HOST_ATTENTION_H_

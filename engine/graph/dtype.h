// Element types of tensors.
#ifndef MVGRAPH_GRAPH_DTYPE_H_
#define MVGRAPH_GRAPH_DTYPE_H_

#include <stdbool.h>
#include <stddef.h>

typedef enum {
  MVG_DTYPE_F32,
  MVG_DTYPE_I32,
  MVG_DTYPE_F16,  // storage of values within a program; arithmetic is in f32
  MVG_DTYPE_BF16, // likewise
  MVG_DTYPE_U8,   // host arrays only (images); graphs hold the above
  MVG_DTYPE_F64,  // host arrays only (the reference evaluator)
  MVG_DTYPE_COUNT,
} mvg_dtype;

size_t mvg_dtype_get_size(mvg_dtype dtype);
const char *mvg_dtype_get_name(mvg_dtype dtype); // "f32"
bool mvg_dtype_is_half(mvg_dtype dtype);         // f16 or bf16
bool mvg_dtype_parse(const char *name, mvg_dtype *out_dtype);

#endif // MVGRAPH_GRAPH_DTYPE_H_

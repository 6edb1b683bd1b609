// How each element type of a safetensors file becomes an element type of host arrays.
#ifndef MVGRAPH_IO_SAFETENSORS_DTYPE_H_
#define MVGRAPH_IO_SAFETENSORS_DTYPE_H_

#include <stddef.h>

#include "base/status.h"
#include "graph/ndarray.h"

typedef struct {
  const char *name;      // as the file spells it
  size_t size_bytes;     // of one element in the file
  mvg_dtype array_dtype; // of the array made from it
} mvg_safetensors_dtype;

// NULL for a name that is unknown or cannot be read.
const mvg_safetensors_dtype *mvg_safetensors_dtype_find(const char *name);

// The file's name for an array's dtype.
const char *mvg_safetensors_dtype_get_name(mvg_dtype dtype);

// Fills `array` (of array_dtype) from as many elements at `source`, which need not be aligned.
// Fails on an I64 that does not fit an i32.
mvg_status mvg_safetensors_dtype_convert(const mvg_safetensors_dtype *dtype, const void *source,
                                         mvg_ndarray *array) MVG_MUST_USE;

#endif // MVGRAPH_IO_SAFETENSORS_DTYPE_H_

// Host arrays: dense row-major data that crosses between scripts, files, the loader and programs.
#ifndef MVGRAPH_GRAPH_NDARRAY_H_
#define MVGRAPH_GRAPH_NDARRAY_H_

#include "graph/dtype.h"
#include "graph/shape.h"

typedef struct mvg_ndarray {
  mvg_dtype dtype;
  mvg_shape shape;
  void *data; // size_bytes bytes, 64-byte aligned; owned unless `parent`
  size_t size_bytes;
  struct mvg_ndarray *parent; // retained owner of the memory this array is a view of; or NULL
  uint32_t reference_count;
} mvg_ndarray;

// Zero-filled, one reference.
mvg_status mvg_ndarray_create(mvg_dtype dtype, const mvg_shape *shape,
                              mvg_ndarray **out_array) MVG_MUST_USE;

// `count` rows of the outermost axis from `first`, sharing memory with (and retaining) `array`.
mvg_status mvg_ndarray_narrow(mvg_ndarray *array, int64_t first, int64_t count,
                              mvg_ndarray **out_view) MVG_MUST_USE;

void mvg_ndarray_retain(mvg_ndarray *array);
void mvg_ndarray_release(mvg_ndarray *array);

double mvg_ndarray_get(const mvg_ndarray *array, int64_t flat_index);
void mvg_ndarray_set(mvg_ndarray *array, int64_t flat_index, double value);

#endif // MVGRAPH_GRAPH_NDARRAY_H_

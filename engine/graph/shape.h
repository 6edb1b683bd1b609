// Static shapes: row-major, outermost dimension first, as in PyTorch. Rank 0 is a scalar.
#ifndef MVGRAPH_GRAPH_SHAPE_H_
#define MVGRAPH_GRAPH_SHAPE_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define MVG_MAX_RANK 8

typedef struct {
  uint32_t rank;
  int64_t dims[MVG_MAX_RANK];
} mvg_shape;

// Product of the dims; 1 for a scalar, 0 if any dim is 0.
int64_t mvg_shape_get_size(const mvg_shape *shape);
bool mvg_shape_is_equal(const mvg_shape *a, const mvg_shape *b);

// Row-major element strides; rank entries.
void mvg_shape_get_strides(const mvg_shape *shape, int64_t strides[MVG_MAX_RANK]);

// The coordinates of row-major element `flat`; rank entries.
void mvg_shape_get_coordinates(const mvg_shape *shape, int64_t flat, int64_t coords[MVG_MAX_RANK]);
// The inverse for a shape that was broadcast to `rank` axes: the element behind these coordinates.
int64_t mvg_shape_get_broadcast_element(const mvg_shape *shape, uint32_t rank,
                                        const int64_t *coords);

// NumPy broadcasting of `extra` into `*inout`; fails naming both shapes.
mvg_status mvg_shape_broadcast(mvg_shape *inout, const mvg_shape *extra) MVG_MUST_USE;

// Checks rank, non-negative dims and that the element count fits 2^31 - 1.
mvg_status mvg_shape_validate(const mvg_shape *shape) MVG_MUST_USE;

#define MVG_SHAPE_TEXT_SIZE 192
// "[2, 3, 64]" into `buffer`; returns buffer.
const char *mvg_shape_format(const mvg_shape *shape, char buffer[MVG_SHAPE_TEXT_SIZE]);

#endif // MVGRAPH_GRAPH_SHAPE_H_

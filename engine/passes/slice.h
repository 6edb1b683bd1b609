// Products whose sum is much longer than their result is large, as weight gradients have it, are
// cut along the sum, so that a device's cores all have work.
#ifndef MVGRAPH_PASSES_SLICE_H_
#define MVGRAPH_PASSES_SLICE_H_

#include "graph/graph.h"

// How many of k products a slice adds up: k itself where one sum is best. A function of the shape
// alone, so that the bits of a product do not depend on the device.
int64_t mvg_slice_choose(int64_t batch, int64_t m, int64_t n, int64_t k);

// A kernel node of matmul/matmul.comp with these inputs becomes, where it pays, one that writes a
// product a slice, [B, slices, M, N], and the sum of these in order. *out_done: it did.
mvg_status mvg_slice_product(mvg_graph *graph, const mvg_node *node, const mvg_value *inputs,
                             mvg_value *out_value, bool *out_done) MVG_MUST_USE;

#endif // MVGRAPH_PASSES_SLICE_H_

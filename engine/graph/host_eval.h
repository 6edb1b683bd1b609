// Double-precision evaluation of graphs of map, view, reduce and const nodes: the reference that
// tests trust. Host operators run as they are, if they have one output. Kernel nodes are refused;
// build the graph in reference mode, where they are their composed references.
#ifndef MVGRAPH_GRAPH_HOST_EVAL_H_
#define MVGRAPH_GRAPH_HOST_EVAL_H_

#include "graph/graph.h"
#include "graph/ndarray.h"

// inputs[slot] feeds INPUT leaves, states[slot] STATE leaves (any dtype); out_arrays[i] is a new
// f64 array.
mvg_status mvg_host_eval(const mvg_graph *graph, const mvg_ndarray *const *inputs,
                         const mvg_ndarray *const *states, const mvg_value *values,
                         size_t value_count, mvg_ndarray **out_arrays) MVG_MUST_USE;

#endif // MVGRAPH_GRAPH_HOST_EVAL_H_

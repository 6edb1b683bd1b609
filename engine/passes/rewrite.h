// The frame all passes share: walk a graph in order and rebuild it, letting a callback replace
// nodes.
#ifndef MVGRAPH_PASSES_REWRITE_H_
#define MVGRAPH_PASSES_REWRITE_H_

#include "graph/graph.h"

typedef struct mvg_rewriter {
  const mvg_graph *source;
  mvg_graph *target;
  mvg_value *
      *mapped; // per source node: its outputs' values in target; NULL where the node was dropped
  void *context;
} mvg_rewriter;

// Called for every kept node with its inputs already mapped. Sets out_values (one an output) when
// it replaces the node by existing values of the target, and *out_done; otherwise the frame copies
// the node.
typedef mvg_status (*mvg_rewrite_fn)(mvg_rewriter *rewriter, const mvg_node *node,
                                     const mvg_value *inputs, mvg_value *out_values,
                                     bool *out_done);

// keep[id] says which nodes to visit (NULL: all). Targets are mapped.
mvg_status mvg_rewrite(const mvg_graph *source, const bool *keep, mvg_rewrite_fn replace,
                       void *context, mvg_graph **out_graph) MVG_MUST_USE;

// Copies `node` with new inputs into the target; expressions and data are copied along.
mvg_status mvg_rewrite_copy(mvg_graph *target, const mvg_node *node, const mvg_value *inputs,
                            uint32_t *out_id) MVG_MUST_USE;

#endif // MVGRAPH_PASSES_REWRITE_H_

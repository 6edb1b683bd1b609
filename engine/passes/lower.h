// The last rewrite before fusion: long reductions and the long sums of products become two stages,
// and every target gets a value of its own.
#ifndef MVGRAPH_PASSES_LOWER_H_
#define MVGRAPH_PASSES_LOWER_H_

#include "graph/graph.h"

// A sum, minimum or maximum over many elements with few results is split into partial results,
// combined by a second reduction. The partition depends on shapes alone, so every device adds in
// the same order. A target that is a leaf, a constant, or the value of an earlier target becomes a
// copy of it. Products that `accepts_binding` (may be NULL) leaves to host code stay whole.
mvg_status mvg_lower(const mvg_graph *graph, bool (*accepts_binding)(const mvg_node *node),
                     mvg_graph **out_graph) MVG_MUST_USE;

#endif // MVGRAPH_PASSES_LOWER_H_

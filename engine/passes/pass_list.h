// The prototypes of all passes; each is one file and one rewrite.
#ifndef MVGRAPH_PASSES_PASS_LIST_H_
#define MVGRAPH_PASSES_PASS_LIST_H_

#include "graph/graph.h"
#include "passes/scope.h"

// Removes views that change nothing, merges chains of reshapes and of permutations, moves
// permutations below maps and reductions, and drops maps that return an input.
mvg_status mvg_pass_canonicalise(const mvg_graph *graph, mvg_graph **out_graph) MVG_MUST_USE;
// Gives equal nodes with equal inputs one value.
mvg_status mvg_pass_cse(const mvg_graph *graph, mvg_graph **out_graph) MVG_MUST_USE;
// Evaluates small nodes whose inputs are all constants; moves scalar constants into map
// expressions.
mvg_status mvg_pass_fold(const mvg_graph *graph, mvg_graph **out_graph) MVG_MUST_USE;
// Drops nodes that no target needs.
mvg_status mvg_pass_dce(const mvg_graph *graph, mvg_graph **out_graph) MVG_MUST_USE;
// Values that gradients need of the modules in scope are computed again instead of held.
mvg_status mvg_pass_recompute(const mvg_graph *graph, const mvg_scope *scope,
                              mvg_graph **out_graph) MVG_MUST_USE;
// Activations of the modules in scope, and their gradients, are stored as f16 or bf16.
mvg_status mvg_pass_precision(const mvg_graph *graph, mvg_dtype dtype, const mvg_scope *scope,
                              mvg_graph **out_graph) MVG_MUST_USE;

#endif // MVGRAPH_PASSES_PASS_LIST_H_

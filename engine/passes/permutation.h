// Permutations of axes on their way down the graph. Elements are computed in the order in which
// they lie in memory, and a permutation meets another that undoes it: what lies between two
// channels-last kernels is computed channels last, however the script has its axes.
#ifndef MVGRAPH_PASSES_PERMUTATION_H_
#define MVGRAPH_PASSES_PERMUTATION_H_

#include "passes/rewrite.h"

// Callbacks of mvg_rewrite for views that are no reshapes, maps and reductions.

// A permutation of a permutation is one of what is behind both.
mvg_status mvg_permutation_merge(mvg_rewriter *r, const mvg_node *node, mvg_value input,
                                 mvg_value *out_value, bool *out_done) MVG_MUST_USE;
// A map of tensors that are all permuted in one way is the permutation of a map. Others may be what
// is broadcast: single elements, sizes of 1 whose permutation moves nothing, views of something
// smaller.
mvg_status mvg_permutation_sink_map(mvg_rewriter *r, const mvg_node *node, const mvg_value *inputs,
                                    mvg_value *out_value, bool *out_done) MVG_MUST_USE;
// A reduction of a permuted tensor is one over other axes, where reduced and remaining axes keep
// their orders.
mvg_status mvg_permutation_sink_reduce(mvg_rewriter *r, const mvg_node *node, mvg_value input,
                                       mvg_value *out_value, bool *out_done) MVG_MUST_USE;

#endif // MVGRAPH_PASSES_PERMUTATION_H_

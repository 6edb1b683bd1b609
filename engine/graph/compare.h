// Structural equality of nodes and whole graphs.
#ifndef MVGRAPH_GRAPH_COMPARE_H_
#define MVGRAPH_GRAPH_COMPARE_H_

#include "graph/graph.h"

bool mvg_type_is_equal(const mvg_type *a, const mvg_type *b);

// The bodies of two nodes of one kind with inputs and outputs of equal types; `view_rank` is the
// rank of a view's input. Numbers are equal by their bits.
bool mvg_node_has_equal_body(const mvg_node *a, const mvg_node *b, uint32_t view_rank);

// Everything a graph consists of, in its order, but the operators' definitions: these belong to the
// process that declared them.
bool mvg_graph_is_equal(const mvg_graph *a, const mvg_graph *b);

#endif // MVGRAPH_GRAPH_COMPARE_H_

// The executable specification of graphs: what is legal, node by node.
#ifndef MVGRAPH_GRAPH_VERIFY_H_
#define MVGRAPH_GRAPH_VERIFY_H_

#include "graph/graph.h"

// A node against its operands, which are already in the graph.
mvg_status mvg_verify_node(const mvg_graph *graph, const mvg_node *node) MVG_MUST_USE;

// Every node and target; operands precede their users.
mvg_status mvg_verify_graph(const mvg_graph *graph) MVG_MUST_USE;

#endif // MVGRAPH_GRAPH_VERIFY_H_

// Kernel nodes that host code replaces on CPU devices, by the name of their binding.
#ifndef MVGRAPH_PROGRAM_HOST_BINDING_H_
#define MVGRAPH_PROGRAM_HOST_BINDING_H_

#include "graph/graph.h"

typedef void (*mvg_host_binding)(const mvg_node *node, const mvg_ndarray *const *inputs,
                                 mvg_ndarray *const *outputs);

// NULL where there is none for the node.
mvg_host_binding mvg_host_binding_find(const mvg_node *node);
// Whether it takes operands of 16 bits as they are.
bool mvg_host_binding_knows_halves(const mvg_node *node);

#endif // MVGRAPH_PROGRAM_HOST_BINDING_H_

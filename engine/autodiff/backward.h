// Reverse-mode differentiation over the graph. Accumulation and the transpose of broadcasting
// happen here, once; the rules of single operators are their own (derived from the expression for
// maps, opdef hooks otherwise).
#ifndef MVGRAPH_AUTODIFF_BACKWARD_H_
#define MVGRAPH_AUTODIFF_BACKWARD_H_

#include "graph/graph.h"

// Appends to `graph` the nodes of d loss / d wrt[i] (loss is a scalar) and returns their values. A
// value that the loss does not depend on gets zeros. Fails when an operator on the way has no rule,
// naming it and its script line. Nothing is computed for values that are not on a path from `wrt`
// to the loss.
mvg_status mvg_backward(mvg_graph *graph, mvg_value loss, const mvg_value *wrt, size_t wrt_count,
                        mvg_value *out_gradients) MVG_MUST_USE;

#endif // MVGRAPH_AUTODIFF_BACKWARD_H_

// The stable text form of graphs: one line a node, sorted as stored, no addresses.
#ifndef MVGRAPH_GRAPH_TEXT_H_
#define MVGRAPH_GRAPH_TEXT_H_

#include "graph/graph.h"

// Appends, for example: %7 = map add(%3, %5) f32[8, 64] { (v0 + v1) }  ; cmanet.lua:42 irv.encoder
void mvg_graph_print(const mvg_graph *graph, bool with_origins, mvg_str *out);

#endif // MVGRAPH_GRAPH_TEXT_H_

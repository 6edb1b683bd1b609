// What follows a node's types on its line: names, data, expressions, kernels.
#ifndef MVGRAPH_GRAPH_TEXT_BODY_H_
#define MVGRAPH_GRAPH_TEXT_BODY_H_

#include "graph/text.h"
#include "graph/text_cursor.h"

typedef struct {
  mvg_text_cursor cursor; // its strings live as long as the reading; bodies lie in the graph
  const mvg_text_source *source;
  mvg_graph *graph;
} mvg_text_reader;

// Fills the body of a node whose kind, inputs and outputs are known.
mvg_status mvg_text_read_body(mvg_text_reader *r, mvg_node *node) MVG_MUST_USE;

#endif // MVGRAPH_GRAPH_TEXT_BODY_H_

// What printer and reader of the text form agree on: the names of variables, and what a word is.
#ifndef MVGRAPH_GRAPH_TEXT_NAMES_H_
#define MVGRAPH_GRAPH_TEXT_NAMES_H_

#include "graph/graph.h"

extern const char *const mvg_text_map_names[MVG_MAX_OPERANDS + 1];
extern const char *const mvg_text_view_names[MVG_MAX_RANK];
extern const char *const mvg_text_combine_names[2];
extern const char *const mvg_text_finish_names[2];

// Characters of a word without quotes: "layer_norm", "matmul/matmul.comp".
bool mvg_text_is_word_char(char c, bool is_first);

#endif // MVGRAPH_GRAPH_TEXT_NAMES_H_

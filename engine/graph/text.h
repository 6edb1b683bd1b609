// The stable text form of graphs and its reader: one line a node in the order they are stored, no
// addresses. Text that was printed reads back as an equal graph (mvg_graph_is_equal), which prints
// as the same bytes.
//
//   graph "NAME"
//     %0 = input input() f32[2, 3] "x" slot 0
//     %1 = state state() f32[3] "net.bias" slot 4
//     %2 = const const() f32[2] { 1.5, -2 }                     longer ones: { base64 AACAPw== }
//     %3 = map add(%0, %1) f32[2, 3] { (v0 + v1) }  ; net.lua:7 net.head
//     %4 = view permute(%3) f32[3, 2] { o1, o0 }                padding: { o0, o1 where (o0 < 2) }
//     %5 = view reshape(%4) f32[6]
//     %6 = reduce sum(%5) f32[] over 0 { 0; (acc + x); acc }    init; combine; finish
//     %7 = kernel matmul(%3, %4) f32[2, 2] { matmul/matmul.comp a, b -> c; with K=3 EPS=1e-05;
//          groups 1 1 1; local 64; operations 24; binding matmul }   on one line; or invocations 4
//     %8 = host pick(%7) i32[2], f32[2] { count=2 }
//     output "y" %6
//     update "net.bias" %8.1 slot 4
//
// A node's line ends with the script line and module path that made it, after two spaces and ";";
// "gradient of" stands before those of what was differentiated.
// Lines that begin with ";" and empty lines are skipped.
#ifndef MVGRAPH_GRAPH_TEXT_H_
#define MVGRAPH_GRAPH_TEXT_H_

#include "graph/graph.h"

void mvg_graph_print(const mvg_graph *graph, bool with_origins, mvg_str *out);

typedef struct {
  const char *file;    // how messages name the text
  uint32_t first_line; // number of the text's first line in that file; 0 means 1
  // The definition of an operator of this process, borrowed; NULL where it has none. Without
  // definitions a graph can be planned, and run where it has no host operators.
  const mvg_opdef *(*find)(void *context, mvg_kind kind, const char *op); // may be NULL
  void *context;
} mvg_text_source;

// Reads one graph; the verifier has passed it. Failures name file, line and column.
mvg_status mvg_graph_read(const char *text, const mvg_text_source *source,
                          mvg_graph **out_graph) MVG_MUST_USE;

#endif // MVGRAPH_GRAPH_TEXT_H_

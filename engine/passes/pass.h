// The pass list: each pass is a pure function graph -> graph; the verifier runs after each.
#ifndef MVGRAPH_PASSES_PASS_H_
#define MVGRAPH_PASSES_PASS_H_

#include "graph/graph.h"

typedef struct {
  const char *name;
  mvg_status (*run)(const mvg_graph *graph, mvg_graph **out_graph);
} mvg_pass;

// canonicalise, cse, fold, dce in the order they run.
const mvg_pass *mvg_pass_get_list(size_t *out_count);

// Runs the list; `observe` (may be NULL) sees the graph after each pass. `graph` is not changed.
mvg_status mvg_pass_run_all(const mvg_graph *graph,
                            void (*observe)(void *context, const char *pass,
                                            const mvg_graph *graph),
                            void *context, mvg_graph **out_graph) MVG_MUST_USE;

#endif // MVGRAPH_PASSES_PASS_H_

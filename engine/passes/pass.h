// The pass list: each pass is a pure function graph -> graph; the verifier runs after each.
#ifndef MVGRAPH_PASSES_PASS_H_
#define MVGRAPH_PASSES_PASS_H_

#include "graph/graph.h"
#include "passes/scope.h"

// What a program asks of its passes; all zero: nothing.
typedef struct {
  mvg_scope recompute; // modules whose values are computed again for their gradients
  mvg_dtype precision; // f16 or bf16: how the modules of `halves` store activations; f32: as is
  mvg_scope halves;
} mvg_pass_options;

typedef struct {
  const char *name;
  mvg_status (*run)(const mvg_graph *graph, const mvg_pass_options *options, mvg_graph **out_graph);
  bool (*is_asked_for)(const mvg_pass_options *options); // NULL: it always runs
} mvg_pass;

// In the order they run.
const mvg_pass *mvg_pass_get_list(size_t *out_count);

// Runs the list; `observe` (may be NULL) sees the graph after each pass. `graph` is not changed.
// `options` may be NULL.
mvg_status mvg_pass_run_all(const mvg_graph *graph, const mvg_pass_options *options,
                            void (*observe)(void *context, const char *pass,
                                            const mvg_graph *graph),
                            void *context, mvg_graph **out_graph) MVG_MUST_USE;

#endif // MVGRAPH_PASSES_PASS_H_

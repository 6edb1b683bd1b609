#include "passes/pass.h"

#include "graph/verify.h"
#include "passes/pass_list.h"

// DCE first keeps the others from working for nothing; fold exposes new duplicates, so CSE runs
// after it too.
static const mvg_pass passes[] = {
    {"dce", mvg_pass_dce},   {"canonicalise", mvg_pass_canonicalise},
    {"fold", mvg_pass_fold}, {"cse", mvg_pass_cse},
    {"dce2", mvg_pass_dce},
};

const mvg_pass *mvg_pass_get_list(size_t *out_count) {
  *out_count = sizeof passes / sizeof passes[0];
  return passes;
}

mvg_status mvg_pass_run_all(const mvg_graph *graph,
                            void (*observe)(void *context, const char *pass,
                                            const mvg_graph *graph),
                            void *context, mvg_graph **out_graph) {
  *out_graph = NULL;
  MVG_RETURN_IF_ERROR(mvg_verify_graph(graph));
  if (observe) observe(context, "build", graph);
  const mvg_graph *current = graph;
  for (size_t i = 0; i < sizeof passes / sizeof passes[0]; ++i) {
    mvg_graph *next;
    mvg_status status = passes[i].run(current, &next);
    if (current != graph) mvg_graph_destroy((mvg_graph *)current);
    if (!status) status = mvg_verify_graph(next);
    if (status) {
      mvg_graph_destroy(next);
      return mvg_status_annotate(status, "pass '%s'", passes[i].name);
    }
    if (observe) observe(context, passes[i].name, next);
    current = next;
  }
  *out_graph = (mvg_graph *)current;
  return NULL;
}

#include "passes/pass.h"

#include "graph/verify.h"
#include "passes/pass_list.h"

#define PLAIN(name)                                                                                \
  static mvg_status run_##name(const mvg_graph *graph, const mvg_pass_options *options,            \
                               mvg_graph **out_graph) {                                            \
    (void)options;                                                                                 \
    return mvg_pass_##name(graph, out_graph);                                                      \
  }
PLAIN(dce)
PLAIN(canonicalise)
PLAIN(fold)
PLAIN(cse)

static mvg_status run_recompute(const mvg_graph *graph, const mvg_pass_options *options,
                                mvg_graph **out_graph) {
  return mvg_pass_recompute(graph, &options->recompute, out_graph);
}

static bool asks_for_recompute(const mvg_pass_options *options) {
  return options->recompute.count > 0;
}

static mvg_status run_precision(const mvg_graph *graph, const mvg_pass_options *options,
                                mvg_graph **out_graph) {
  return mvg_pass_precision(graph, options->precision, &options->halves, out_graph);
}

static bool asks_for_precision(const mvg_pass_options *options) {
  return options->precision != MVG_DTYPE_F32;
}

// DCE first keeps the others from working for nothing; fold exposes new duplicates, so CSE runs
// after it too. CSE would undo recomputation. Precision gives what is computed again the type of
// its original; where both run, bits change: fusion decides which halves are stored, and so
// rounded.
static const mvg_pass passes[] = {
    {"dce", run_dce, NULL},
    {"canonicalise", run_canonicalise, NULL},
    {"fold", run_fold, NULL},
    {"cse", run_cse, NULL},
    {"dce2", run_dce, NULL},
    {"recompute", run_recompute, asks_for_recompute},
    {"precision", run_precision, asks_for_precision},
};

const mvg_pass *mvg_pass_get_list(size_t *out_count) {
  *out_count = sizeof passes / sizeof passes[0];
  return passes;
}

mvg_status mvg_pass_run_all(const mvg_graph *graph, const mvg_pass_options *options,
                            void (*observe)(void *context, const char *pass,
                                            const mvg_graph *graph),
                            void *context, mvg_graph **out_graph) {
  static const mvg_pass_options none = {.precision = MVG_DTYPE_F32};
  *out_graph = NULL;
  MVG_RETURN_IF_ERROR(mvg_verify_graph(graph));
  if (observe) observe(context, "build", graph);
  if (!options) options = &none;
  const mvg_graph *current = graph;
  for (size_t i = 0; i < sizeof passes / sizeof passes[0]; ++i) {
    if (passes[i].is_asked_for && !passes[i].is_asked_for(options)) {
      if (observe) observe(context, passes[i].name, current);
      continue;
    }
    mvg_graph *next;
    mvg_status status = passes[i].run(current, options, &next);
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

#include "compile/compile.h"

#include <stdlib.h>

#include "passes/fuse.h"
#include "plan/plan.h"
#include "program/host_step.h"

// MVGRAPH_HOST=0 in the environment keeps all steps in shaders on CPU devices too.
static bool allows_host_code(const mvg_caps *caps, const mvg_compile_options *options) {
  const char *wanted = getenv("MVGRAPH_HOST");
  if (wanted && *wanted == '0') return false;
  return caps->is_cpu && (!caps->is_null || caps->is_rehearsal) &&
         !(options && options->keep_host_bindings_off);
}

static void observe_pass(void *context, const char *pass, const mvg_graph *graph) {
  const mvg_compile_options *options = context;
  options->on_pass(options->on_pass_context, pass, graph);
}

mvg_status mvg_compile(const mvg_graph *graph, mvg_device *device, mvg_state *const *states,
                       size_t state_count, const mvg_compile_options *options,
                       mvg_program **out_program) {
  *out_program = NULL;
  const mvg_caps *caps = mvg_device_get_caps(device);
  bool has_observer = options && options->on_pass;
  bool has_bindings = allows_host_code(caps, options);
  mvg_fuse_options fuse = {.accepts_binding = has_bindings ? mvg_host_step_accepts : NULL};
  mvg_graph *optimised = NULL;
  mvg_fusion *fusion = NULL;
  mvg_plan *plan = NULL;
  mvg_status status =
      mvg_pass_run_all(graph, options ? &options->passes : NULL, has_observer ? observe_pass : NULL,
                       (void *)options, &optimised);
  if (!status) status = mvg_fusion_create(optimised, caps, &fuse, &fusion);
  mvg_graph_destroy(optimised);
  if (!status && has_observer) options->on_pass(options->on_pass_context, "lower", fusion->graph);
  const mvg_program_options *run = options ? &options->program : NULL;
  if (!status) status = mvg_plan_create(fusion, caps, run && run->is_guarded, &plan);
  if (!status) plan->prefers_host = has_bindings;
  if (!status) status = mvg_program_create(device, plan, states, state_count, run, out_program);
  return mvg_status_annotate(status, "compiling '%s'", mvg_graph_get_name(graph));
}

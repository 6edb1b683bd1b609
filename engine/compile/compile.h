// The one file that sees every stage: graph -> passes -> plan -> kernels -> program.
#ifndef MVGRAPH_COMPILE_COMPILE_H_
#define MVGRAPH_COMPILE_COMPILE_H_

#include "passes/pass.h"
#include "program/program.h"

typedef struct {
  bool keep_host_bindings_off; // every node runs its shader, also on CPU devices
  mvg_pass_options passes;
  mvg_program_options program;
  // Called after each pass with the graph's text form, when not NULL (mvgraph graph --after PASS).
  void (*on_pass)(void *context, const char *pass, const mvg_graph *graph);
  void *on_pass_context;
} mvg_compile_options;

// `graph` with its targets is read, never changed. The device may be the null device.
mvg_status mvg_compile(const mvg_graph *graph, mvg_device *device, mvg_state *const *states,
                       size_t state_count, const mvg_compile_options *options,
                       mvg_program **out_program) MVG_MUST_USE;

#endif // MVGRAPH_COMPILE_COMPILE_H_

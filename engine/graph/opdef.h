// What the engine knows of a declared operator: its name and the hooks that the declaring language
// provides. The arrow of knowledge stays down: hooks are function pointers, filled by script/.
#ifndef MVGRAPH_GRAPH_OPDEF_H_
#define MVGRAPH_GRAPH_OPDEF_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "graph/ndarray.h"

struct mvg_graph;
struct mvg_value;

typedef enum {
  MVG_KIND_INPUT, // fed at every run
  MVG_KIND_STATE, // parameter, buffer or moment that outlives a run
  MVG_KIND_CONST, // data known when the graph is built
  MVG_KIND_MAP,   // elementwise expression over broadcast inputs
  MVG_KIND_VIEW,  // index arithmetic: every output element is one input element, or 0 where invalid
  MVG_KIND_REDUCE, // init / combine / finish over axes, in index order
  MVG_KIND_KERNEL, // a compute shader in kernels/
  MVG_KIND_HOST,   // runs on the host between submissions
  MVG_KIND_COUNT,
} mvg_kind;

const char *mvg_kind_get_name(mvg_kind kind);

// Builds the gradients of a node's inputs. dys[o] is the gradient of output o, or MVG_NO_VALUE
// where none flows; needed[i] says which inputs want one; the hook sets out_dxs[i] (MVG_NO_VALUE
// means zero).
typedef mvg_status (*mvg_vjp_fn)(void *context, struct mvg_graph *graph, uint32_t node,
                                 const struct mvg_value *dys, const bool *needed,
                                 struct mvg_value *out_dxs);

typedef struct {
  const char *name;
  bool is_integer;
  int64_t integer; // of others: the number where it has no fraction, else 0
  double number;
} mvg_constant;

// Runs a host operator; arrays are borrowed for the call, outputs preallocated.
typedef mvg_status (*mvg_host_fn)(void *context, const mvg_constant *constants,
                                  uint32_t constant_count, const mvg_ndarray *const *inputs,
                                  uint32_t input_count, mvg_ndarray *const *outputs,
                                  uint32_t output_count);

typedef struct mvg_opdef {
  const char *name; // "layer_norm"
  mvg_kind kind;
  bool is_differentiable; // false: an explicit "not differentiable"; its inputs get no gradient
  mvg_vjp_fn vjp;         // NULL: derived (maps), else an error that names the op
  mvg_host_fn run;        // host operators only
  void *context;          // passed to the hooks; borrowed, outlives every graph
} mvg_opdef;

#endif // MVGRAPH_GRAPH_OPDEF_H_

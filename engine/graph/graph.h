// The SSA graph: nodes with an op, a body, input values and typed outputs; every node remembers the
// script line and module path that made it. Nodes are stored in creation order, which is a
// topological order.
#ifndef MVGRAPH_GRAPH_GRAPH_H_
#define MVGRAPH_GRAPH_GRAPH_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "graph/dtype.h"
#include "graph/expr.h"
#include "graph/opdef.h"
#include "graph/shape.h"

#define MVG_MAX_OPERANDS 24 // inputs or outputs of one node
#define MVG_MAX_SLOTS 65536 // inputs or states of one graph

typedef struct mvg_value {
  uint32_t node, output;
} mvg_value;
#define MVG_NO_VALUE ((mvg_value){UINT32_MAX, 0})

typedef struct {
  mvg_dtype dtype;
  mvg_shape shape;
} mvg_type;

typedef struct {
  const char *file; // script that made the node; never NULL
  uint32_t line;
  const char *module_path; // "cmanet.irv.encoder.stage2.block1"; "" at top level
  bool is_gradient;        // made by differentiating what that place made
} mvg_origin;

typedef struct {
  const char *name;
  uint32_t slot; // which input or state of the program this leaf is
} mvg_leaf_body;

typedef struct {
  const void *data; // elements of the node's only output, row-major, in the graph's arena
} mvg_const_body;

typedef struct {
  // Variables 0..input_count-1 are the inputs broadcast to the output shape; variable input_count
  // is the row-major index of the output element.
  const mvg_expr *expr;
} mvg_map_body;

typedef struct {
  // One expression per input axis; variables are the output coordinates, outermost first. Integer
  // arithmetic.
  const mvg_expr *const *index;
  const mvg_expr *valid; // where it is 0 the element is 0 and the index is not read; NULL means
                         // valid everywhere
  bool is_reshape; // keeps the row-major order of all elements: the linear index passes unchanged
} mvg_view_body;

typedef struct {
  uint32_t axes; // bit i set: input axis i is reduced; reduced axes are dropped from the output
  const mvg_expr *init;    // no variables
  const mvg_expr *combine; // variables: accumulator, element
  const mvg_expr *finish;  // variables: accumulator, number of elements reduced
} mvg_reduce_body;

typedef struct {
  const char *source;              // file below kernels/, e.g. "matmul/matmul.comp"
  const char *const *input_names;  // load_<name>(uint) in the shader
  const char *const *output_names; // store_<name>(uint, value)
  const mvg_constant *constants;   // named dimensions and attributes, sorted by name
  uint32_t constant_count;
  uint64_t invocations; // flat grid size; 0 when `groups` is given
  uint32_t groups[3];   // explicit workgroups, for kernels that cooperate
  uint32_t local_size;  // 0: codegen chooses (flat grids only)
  const char *binding;  // host kernel that may replace it on CPU devices ("matmul"), or NULL
  double operations;    // floating point, as declared: a whole number; below 0: unknown
} mvg_kernel_body;

typedef struct {
  const mvg_constant *constants; // attributes, sorted by name; passed to the op's run hook
  uint32_t constant_count;
} mvg_host_body;

typedef struct mvg_node {
  mvg_kind kind;
  const char *op;       // name for people: "add", "layer_norm", "input"
  const mvg_opdef *def; // NULL for leaves and nodes made by passes
  uint32_t input_count, output_count;
  const mvg_value *inputs;
  const mvg_type *outputs;
  mvg_origin origin;
  union {
    mvg_leaf_body leaf;
    mvg_const_body constant;
    mvg_map_body map;
    mvg_view_body view;
    mvg_reduce_body reduce;
    mvg_kernel_body kernel;
    mvg_host_body host;
  };
} mvg_node;

// What a program must produce: a named value for the host, or the next value of a state.
typedef struct {
  const char *name; // outputs: name; updates: the state's name
  mvg_value value;
  bool is_update;
  uint32_t slot; // updates: slot of the state
} mvg_target;

typedef struct mvg_graph mvg_graph;

mvg_status mvg_graph_create(const char *name, mvg_graph **out_graph) MVG_MUST_USE;
void mvg_graph_destroy(mvg_graph *graph);

const char *mvg_graph_get_name(const mvg_graph *graph);
mvg_arena *mvg_graph_get_arena(mvg_graph *graph); // expressions and names of nodes live here
uint32_t mvg_graph_get_node_count(const mvg_graph *graph);
const mvg_node *mvg_graph_get_node(const mvg_graph *graph, uint32_t id);
const mvg_type *mvg_graph_get_type(const mvg_graph *graph, mvg_value value);
uint32_t mvg_graph_get_target_count(const mvg_graph *graph);
const mvg_target *mvg_graph_get_target(const mvg_graph *graph, uint32_t index);

// Constants with their names, into the arena of the graph that will hold them.
mvg_status mvg_constants_copy(mvg_arena *arena, const mvg_constant *constants, uint32_t count,
                              const mvg_constant **out) MVG_MUST_USE;

// Adds a node whose body already lies in the graph's arena; copies operand lists and origin
// strings. Checks that inputs exist and that the body is well formed for its kind.
mvg_status mvg_graph_add_node(mvg_graph *graph, const mvg_node *node,
                              uint32_t *out_id) MVG_MUST_USE;
mvg_status mvg_graph_add_target(mvg_graph *graph, const mvg_target *target) MVG_MUST_USE;

// The origin given to nodes that the builders below make.
void mvg_graph_set_origin(mvg_graph *graph, const mvg_origin *origin);
const mvg_origin *mvg_graph_get_origin(const mvg_graph *graph);

// Builders. `def` may be NULL (nodes made by the engine); `op` is the name shown.
mvg_status mvg_graph_leaf(mvg_graph *graph, mvg_kind kind, const char *name, uint32_t slot,
                          const mvg_type *type, mvg_value *out) MVG_MUST_USE;
mvg_status mvg_graph_const(mvg_graph *graph, const mvg_type *type, const void *data,
                           mvg_value *out) MVG_MUST_USE; // copies the data
mvg_status mvg_graph_scalar(mvg_graph *graph, double value, mvg_value *out) MVG_MUST_USE;
mvg_status mvg_graph_map(mvg_graph *graph, const mvg_opdef *def, const char *op, mvg_dtype dtype,
                         const mvg_expr *expr, const mvg_value *inputs, uint32_t input_count,
                         mvg_value *out) MVG_MUST_USE; // output shape is the inputs' broadcast
mvg_status mvg_graph_view(mvg_graph *graph, const mvg_opdef *def, const char *op, mvg_value input,
                          const mvg_shape *shape, const mvg_expr *const *index,
                          const mvg_expr *valid, mvg_value *out) MVG_MUST_USE;
mvg_status mvg_graph_reshape(mvg_graph *graph, const mvg_opdef *def, const char *op,
                             mvg_value input, const mvg_shape *shape, mvg_value *out) MVG_MUST_USE;
mvg_status mvg_graph_reduce(mvg_graph *graph, const mvg_opdef *def, const char *op, mvg_value input,
                            const mvg_reduce_body *body, mvg_value *out) MVG_MUST_USE;
mvg_status mvg_graph_add(mvg_graph *graph, mvg_value a, mvg_value b, mvg_value *out) MVG_MUST_USE;
mvg_status mvg_graph_sum(mvg_graph *graph, mvg_value input, uint32_t axes,
                         mvg_value *out) MVG_MUST_USE;
// Sums `input` over its broadcast axes so that it has `shape` (the transpose of broadcasting).
mvg_status mvg_graph_sum_to(mvg_graph *graph, mvg_value input, const mvg_shape *shape,
                            mvg_value *out) MVG_MUST_USE;

// True when a view keeps the row-major order of all elements (reshape): the linear index passes
// unchanged.
bool mvg_node_is_reshape(const mvg_graph *graph, const mvg_node *node);

#define MVG_ORIGIN_TEXT_SIZE 256
// "cmanet.lua:42 (irv.encoder.block1) add" into `buffer`; returns buffer.
const char *mvg_node_format_origin(const mvg_node *node, char buffer[MVG_ORIGIN_TEXT_SIZE]);

#endif // MVGRAPH_GRAPH_GRAPH_H_

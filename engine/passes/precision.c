// Mixed precision: activations of chosen modules, and their gradients, lie in memory as f16 or
// bf16. Arithmetic, sums, statistics, parameters and their gradients stay f32 (Micikevicius et al.
// 2018, "Mixed Precision Training").
#include "base/alloc.h"
#include "passes/pass_list.h"
#include "passes/rewrite.h"

#define MIN_ELEMENTS 1024 // smaller ones gain nothing

typedef struct {
  const mvg_graph *graph;
  mvg_dtype dtype;
  const mvg_scope *scope;
  bool *keeps_outputs; // per node: what maps and views make of its outputs leaves the program
  uint32_t at;         // the node being rewritten
} narrowing;

// Targets are f32, and so is what maps and views make them of: the steps from the sums of a
// gradient to the next value of its parameter round nothing.
static void find_kept(narrowing *n) {
  for (uint32_t i = 0; i < mvg_graph_get_target_count(n->graph); ++i)
    n->keeps_outputs[mvg_graph_get_target(n->graph, i)->value.node] = true;
  for (uint32_t id = mvg_graph_get_node_count(n->graph); id-- > 0;) {
    const mvg_node *node = mvg_graph_get_node(n->graph, id);
    bool is_elementwise = node->kind == MVG_KIND_MAP || node->kind == MVG_KIND_VIEW;
    bool keeps_inputs = node->kind == MVG_KIND_HOST || (is_elementwise && n->keeps_outputs[id]);
    for (uint32_t i = 0; i < node->input_count && keeps_inputs; ++i)
      n->keeps_outputs[node->inputs[i].node] = true;
  }
}

static int64_t get_largest(const mvg_node *node) {
  int64_t largest = MIN_ELEMENTS;
  for (uint32_t i = 0; i < node->output_count; ++i) {
    int64_t size = mvg_shape_get_size(&node->outputs[i].shape);
    if (size > largest) largest = size;
  }
  return largest;
}

// What stands beside indices decides them: rounded between its passes, a sort would not sort.
static bool has_indices(const mvg_node *node) {
  for (uint32_t i = 0; i < node->output_count; ++i) {
    if (node->outputs[i].dtype == MVG_DTYPE_I32) return true;
  }
  return false;
}

// The smaller outputs of a kernel are statistics of its largest.
static void choose_types(const narrowing *n, const mvg_graph *target, const mvg_node *node,
                         const mvg_value *inputs, mvg_type *types) {
  size_t length;
  bool is_chosen = (node->kind == MVG_KIND_MAP || node->kind == MVG_KIND_KERNEL) &&
                   !n->keeps_outputs[n->at] && !has_indices(node) &&
                   mvg_scope_contains(n->scope, node->origin.module_path, &length);
  int64_t largest = get_largest(node);
  for (uint32_t i = 0; i < node->output_count; ++i) {
    types[i] = node->outputs[i];
    bool is_largest = mvg_shape_get_size(&types[i].shape) == largest;
    if (is_chosen && is_largest && types[i].dtype == MVG_DTYPE_F32) types[i].dtype = n->dtype;
  }
  if (node->kind == MVG_KIND_VIEW) types[0].dtype = mvg_graph_get_type(target, inputs[0])->dtype;
}

static mvg_status rewrite_node(mvg_rewriter *rewriter, const mvg_node *node,
                               const mvg_value *inputs, mvg_value *out_values, bool *out_done) {
  narrowing *n = rewriter->context;
  mvg_type types[MVG_MAX_OPERANDS];
  mvg_node narrowed = *node;
  choose_types(n, rewriter->target, node, inputs, types);
  narrowed.outputs = types;
  uint32_t id;
  MVG_RETURN_IF_ERROR(mvg_rewrite_copy(rewriter->target, &narrowed, inputs, &id));
  for (uint32_t i = 0; i < node->output_count; ++i)
    out_values[i] = (mvg_value){id, i};
  *out_done = true;
  ++n->at;
  return NULL;
}

mvg_status mvg_pass_precision(const mvg_graph *graph, mvg_dtype dtype, const mvg_scope *scope,
                              mvg_graph **out_graph) {
  *out_graph = NULL;
  narrowing n = {.graph = graph, .dtype = dtype, .scope = scope};
  MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY(mvg_graph_get_node_count(graph), &n.keeps_outputs));
  find_kept(&n);
  mvg_status status = mvg_rewrite(graph, NULL, rewrite_node, &n, out_graph);
  mvg_free(n.keeps_outputs);
  return status;
}

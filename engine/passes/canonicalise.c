// Removes views that change nothing, merges chains of reshapes and of permutations, moves
// permutations below maps and reductions, and drops maps that return an input.
#include "passes/pass_list.h"
#include "passes/permutation.h"
#include "passes/rewrite.h"

static bool is_identity_view(const mvg_graph *target, const mvg_node *node, mvg_value input) {
  const mvg_shape *shape = &mvg_graph_get_type(target, input)->shape;
  if (node->kind != MVG_KIND_VIEW || node->view.valid ||
      !mvg_shape_is_equal(shape, &node->outputs[0].shape)) {
    return false;
  }
  for (uint32_t i = 0; i < shape->rank && !node->view.is_reshape; ++i) {
    const mvg_expr *index = node->view.index[i];
    bool is_axis = index->op == MVG_EXPR_VAR && index->var == i;
    bool is_unit = shape->dims[i] == 1 && index->op == MVG_EXPR_CONST && index->value == 0;
    if (!is_axis && !is_unit) return false;
  }
  return true;
}

static mvg_status replace(mvg_rewriter *r, const mvg_node *node, const mvg_value *inputs,
                          mvg_value *out_values, bool *out_done) {
  if (node->kind == MVG_KIND_MAP && node->map.expr->op == MVG_EXPR_VAR &&
      node->map.expr->var < node->input_count) {
    mvg_value passed = inputs[node->map.expr->var];
    const mvg_type *type = mvg_graph_get_type(r->target, passed);
    *out_done = type->dtype == node->outputs[0].dtype &&
                mvg_shape_is_equal(&type->shape, &node->outputs[0].shape);
    out_values[0] = passed;
    return NULL;
  }
  if (node->kind == MVG_KIND_MAP) {
    return mvg_permutation_sink_map(r, node, inputs, out_values, out_done);
  }
  if (node->kind == MVG_KIND_REDUCE) {
    return mvg_permutation_sink_reduce(r, node, inputs[0], out_values, out_done);
  }
  if (node->kind != MVG_KIND_VIEW) return NULL;
  if (is_identity_view(r->target, node, inputs[0])) {
    out_values[0] = inputs[0];
    *out_done = true;
    return NULL;
  }
  const mvg_node *below = mvg_graph_get_node(r->target, inputs[0].node);
  if (!node->view.is_reshape) {
    return mvg_permutation_merge(r, node, inputs[0], out_values, out_done);
  }
  if (!mvg_node_is_reshape(r->target, below)) return NULL;
  mvg_value base = below->inputs[0];
  *out_done = true;
  if (mvg_shape_is_equal(&mvg_graph_get_type(r->target, base)->shape, &node->outputs[0].shape)) {
    out_values[0] = base;
    return NULL;
  }
  mvg_graph_set_origin(r->target, &node->origin);
  return mvg_graph_reshape(r->target, node->def, node->op, base, &node->outputs[0].shape,
                           &out_values[0]);
}

mvg_status mvg_pass_canonicalise(const mvg_graph *graph, mvg_graph **out_graph) {
  return mvg_rewrite(graph, NULL, replace, NULL, out_graph);
}

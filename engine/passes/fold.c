// Evaluates small nodes whose inputs are all constants; moves scalar constants into map
// expressions.
#include "base/alloc.h"
#include "graph/host_eval.h"
#include "passes/pass_list.h"
#include "passes/rewrite.h"

#define MAX_FOLDED_ELEMENTS 4096
#define ALWAYS_FOLDED_ELEMENTS                                                                     \
  64 // growing a constant beyond this would trade an index for memory traffic

static bool is_const(const mvg_graph *graph, mvg_value value) {
  return mvg_graph_get_node(graph, value.node)->kind == MVG_KIND_CONST;
}

// The constant scalar behind `value`, looking through views that only repeat it; NULL if it is
// none.
static const mvg_node *find_const_scalar(const mvg_graph *graph, mvg_value value) {
  const mvg_node *node = mvg_graph_get_node(graph, value.node);
  while (node->kind == MVG_KIND_VIEW && !node->view.valid) {
    node = mvg_graph_get_node(graph, node->inputs[0].node);
  }
  bool is_scalar = node->kind == MVG_KIND_CONST && mvg_shape_get_size(&node->outputs[0].shape) == 1;
  return is_scalar ? node : NULL;
}

static double get_scalar(const mvg_node *node) {
  return node->outputs[0].dtype == MVG_DTYPE_F32 ? *(const float *)node->constant.data
                                                 : *(const int32_t *)node->constant.data;
}

// Replaces a node by a constant, through the reference evaluator on the target graph.
static mvg_status evaluate(mvg_rewriter *r, const mvg_node *node, const mvg_value *inputs,
                           mvg_value *out_value) {
  uint32_t id;
  MVG_RETURN_IF_ERROR(mvg_rewrite_copy(r->target, node, inputs, &id));
  mvg_value value = {id, 0};
  mvg_ndarray *exact = NULL, *stored = NULL;
  const mvg_type *type = &node->outputs[0];
  mvg_status status = mvg_host_eval(r->target, NULL, NULL, &value, 1, &exact);
  if (!status) status = mvg_ndarray_create(type->dtype, &type->shape, &stored);
  if (!status) {
    for (int64_t i = 0; i < mvg_shape_get_size(&type->shape); ++i) {
      mvg_ndarray_set(stored, i, mvg_ndarray_get(exact, i));
    }
    status = mvg_graph_const(r->target, type, stored->data, out_value);
  }
  mvg_ndarray_release(exact);
  mvg_ndarray_release(stored);
  return status;
}

static mvg_status inline_scalars(mvg_rewriter *r, const mvg_node *node, const mvg_value *inputs,
                                 mvg_value *out_value, bool *out_done) {
  mvg_arena *arena = mvg_graph_get_arena(r->target);
  const mvg_expr *replacements[MVG_MAX_OPERANDS + 1];
  mvg_value kept[MVG_MAX_OPERANDS];
  mvg_shape shape = {0};
  uint32_t kept_count = 0;
  for (uint32_t i = 0; i < node->input_count; ++i) {
    const mvg_node *scalar = find_const_scalar(r->target, inputs[i]);
    if (scalar) {
      MVG_RETURN_IF_ERROR(mvg_expr_const(arena, get_scalar(scalar), &replacements[i]));
    } else {
      MVG_RETURN_IF_ERROR(mvg_expr_var(arena, kept_count, &replacements[i]));
      MVG_RETURN_IF_ERROR(
          mvg_shape_broadcast(&shape, &mvg_graph_get_type(r->target, inputs[i])->shape));
      kept[kept_count++] = inputs[i];
    }
  }
  if (kept_count == node->input_count || kept_count == 0 ||
      !mvg_shape_is_equal(&shape, &node->outputs[0].shape)) {
    return NULL;
  }
  MVG_RETURN_IF_ERROR(mvg_expr_var(arena, kept_count, &replacements[node->input_count]));
  const mvg_expr *expr;
  MVG_RETURN_IF_ERROR(
      mvg_expr_substitute(arena, node->map.expr, replacements, node->input_count + 1, &expr));
  mvg_graph_set_origin(r->target, &node->origin);
  *out_done = true;
  return mvg_graph_map(r->target, node->def, node->op, node->outputs[0].dtype, expr, kept,
                       kept_count, out_value);
}

static mvg_status replace(mvg_rewriter *r, const mvg_node *node, const mvg_value *inputs,
                          mvg_value *out_values, bool *out_done) {
  bool is_pure =
      node->kind == MVG_KIND_MAP || node->kind == MVG_KIND_VIEW || node->kind == MVG_KIND_REDUCE;
  if (!is_pure) return NULL;
  bool all_const = node->input_count > 0;
  int64_t input_size = ALWAYS_FOLDED_ELEMENTS;
  for (uint32_t i = 0; i < node->input_count; ++i) {
    int64_t size = mvg_shape_get_size(&mvg_graph_get_type(r->target, inputs[i])->shape);
    all_const = all_const && is_const(r->target, inputs[i]);
    input_size = size > input_size ? size : input_size;
  }
  int64_t size = mvg_shape_get_size(&node->outputs[0].shape);
  if (all_const && size <= input_size && input_size <= MAX_FOLDED_ELEMENTS) {
    *out_done = true;
    return evaluate(r, node, inputs, &out_values[0]);
  }
  if (node->kind != MVG_KIND_MAP) return NULL;
  return inline_scalars(r, node, inputs, &out_values[0], out_done);
}

mvg_status mvg_pass_fold(const mvg_graph *graph, mvg_graph **out_graph) {
  return mvg_rewrite(graph, NULL, replace, NULL, out_graph);
}

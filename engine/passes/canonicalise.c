// Removes views that change nothing, merges chains of reshapes and of permutations, moves
// permutations below maps, and drops maps that return an input.
#include <string.h>

#include "passes/pass_list.h"
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

// ---- permutations ----

// axes[i] is the output axis that input axis i becomes.
static bool read_permutation(const mvg_graph *graph, const mvg_node *node, uint32_t *axes) {
  if (node->kind != MVG_KIND_VIEW || node->view.valid || node->view.is_reshape) return false;
  const mvg_shape *to = &node->outputs[0].shape;
  const mvg_shape *from = &mvg_graph_get_type(graph, node->inputs[0])->shape;
  uint32_t taken = 0;
  if (from->rank != to->rank) return false;
  for (uint32_t i = 0; i < to->rank; ++i) {
    if (node->view.index[i]->op != MVG_EXPR_VAR) return false;
    axes[i] = node->view.index[i]->var;
    if (from->dims[i] != to->dims[axes[i]]) return false; // a slice
    taken |= 1u << axes[i];
  }
  return taken == (1u << to->rank) - 1;
}

static mvg_status permute(mvg_rewriter *r, const mvg_node *node, mvg_value input,
                          const uint32_t *axes, mvg_value *out) {
  mvg_arena *arena = mvg_graph_get_arena(r->target);
  const mvg_shape *from = &mvg_graph_get_type(r->target, input)->shape;
  mvg_shape shape = {.rank = from->rank};
  const mvg_expr *index[MVG_MAX_RANK];
  bool is_identity = true;
  for (uint32_t i = 0; i < from->rank; ++i) {
    shape.dims[axes[i]] = from->dims[i];
    is_identity = is_identity && axes[i] == i;
    MVG_RETURN_IF_ERROR(mvg_expr_var(arena, axes[i], &index[i]));
  }
  *out = input;
  if (is_identity) return NULL;
  return mvg_graph_view(r->target, node->def, node->op, input, &shape, index, NULL, out);
}

static mvg_status merge_permutations(mvg_rewriter *r, const mvg_node *node, mvg_value input,
                                     mvg_value *out_value, bool *out_done) {
  uint32_t axes[MVG_MAX_RANK], first[MVG_MAX_RANK];
  const mvg_node *below = mvg_graph_get_node(r->target, input.node);
  if (!read_permutation(r->target, below, first)) return NULL;
  if (!read_permutation(r->source, node, axes)) return NULL;
  for (uint32_t i = 0; i < node->outputs[0].shape.rank; ++i)
    first[i] = axes[first[i]];
  *out_done = true;
  mvg_graph_set_origin(r->target, &node->origin);
  return permute(r, node, below->inputs[0], first, out_value);
}

// A map of tensors that are all permuted in one way, and of single elements, is the permutation of
// a map. So elements are computed in the order in which they lie in memory, and permutations meet
// others that undo them.
static mvg_status sink_permutation(mvg_rewriter *r, const mvg_node *node, const mvg_value *inputs,
                                   mvg_value *out_value, bool *out_done) {
  const mvg_node *first = NULL;
  uint32_t axes[MVG_MAX_RANK], other[MVG_MAX_RANK], rank = node->outputs[0].shape.rank;
  mvg_value behind[MVG_MAX_OPERANDS];
  if (mvg_expr_uses_var(node->map.expr, node->input_count)) return NULL; // its element's number
  for (uint32_t i = 0; i < node->input_count; ++i) {
    const mvg_node *input = mvg_graph_get_node(r->target, inputs[i].node);
    const mvg_shape *shape = &mvg_graph_get_type(r->target, inputs[i])->shape;
    behind[i] = inputs[i];
    if (mvg_shape_get_size(shape) == 1) continue;
    if (shape->rank != rank || !read_permutation(r->target, input, first ? other : axes)) {
      return NULL;
    }
    if (first && memcmp(axes, other, rank * sizeof *axes) != 0) return NULL;
    behind[i] = input->inputs[0];
    first = input;
  }
  if (!first) return NULL;
  mvg_node map = *node;
  mvg_type type = node->outputs[0];
  for (uint32_t i = 0; i < rank; ++i)
    type.shape.dims[i] = node->outputs[0].shape.dims[axes[i]];
  map.outputs = &type;
  uint32_t id;
  MVG_RETURN_IF_ERROR(mvg_rewrite_copy(r->target, &map, behind, &id));
  *out_done = true;
  mvg_graph_set_origin(r->target, &first->origin);
  return permute(r, first, (mvg_value){id, 0}, axes, out_value);
}

// ---- the pass ----

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
  if (node->kind == MVG_KIND_MAP) return sink_permutation(r, node, inputs, out_values, out_done);
  if (node->kind != MVG_KIND_VIEW) return NULL;
  if (is_identity_view(r->target, node, inputs[0])) {
    out_values[0] = inputs[0];
    *out_done = true;
    return NULL;
  }
  const mvg_node *below = mvg_graph_get_node(r->target, inputs[0].node);
  if (!node->view.is_reshape) {
    return merge_permutations(r, node, inputs[0], out_values, out_done);
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

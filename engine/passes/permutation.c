#include "passes/permutation.h"

#include <string.h>

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

mvg_status mvg_permutation_merge(mvg_rewriter *r, const mvg_node *node, mvg_value input,
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

// ---- maps ----

// Whether axes of more than one element keep their order when axis i is what was axis axes[i].
static bool moves_nothing(const mvg_shape *shape, const uint32_t *axes) {
  uint32_t last = 0;
  for (uint32_t i = 0; i < shape->rank; ++i) {
    if (shape->dims[axes[i]] == 1) continue;
    if (axes[i] < last) return false;
    last = axes[i];
  }
  return true;
}

static bool is_broadcast_view(const mvg_graph *graph, const mvg_node *node) {
  if (node->kind != MVG_KIND_VIEW || node->view.is_reshape) return false;
  return mvg_shape_get_size(&mvg_graph_get_type(graph, node->inputs[0])->shape) <
         mvg_shape_get_size(&node->outputs[0].shape);
}

// The view with its output's axes in another order.
static mvg_status turn_view(mvg_rewriter *r, const mvg_node *view, const mvg_shape *shape,
                            const uint32_t *axes, mvg_value *out) {
  mvg_arena *arena = mvg_graph_get_arena(r->target);
  const mvg_expr *vars[MVG_MAX_RANK], *index[MVG_MAX_RANK], *valid = NULL;
  uint32_t from_rank = mvg_graph_get_type(r->target, view->inputs[0])->shape.rank;
  for (uint32_t i = 0; i < shape->rank; ++i)
    MVG_RETURN_IF_ERROR(mvg_expr_var(arena, i, &vars[axes[i]]));
  for (uint32_t i = 0; i < from_rank; ++i)
    MVG_RETURN_IF_ERROR(
        mvg_expr_substitute(arena, view->view.index[i], vars, shape->rank, &index[i]));
  if (view->view.valid) {
    MVG_RETURN_IF_ERROR(mvg_expr_substitute(arena, view->view.valid, vars, shape->rank, &valid));
  }
  return mvg_graph_view(r->target, view->def, view->op, view->inputs[0], shape, index, valid, out);
}

// What a permutation by `axes` makes an operand of.
typedef enum { KEPT, BEHIND, RESHAPED, TURNED, COPIED } turn;

static turn choose_turn(const mvg_rewriter *r, mvg_value operand, const uint32_t *axes,
                        uint32_t rank) {
  const mvg_node *node = mvg_graph_get_node(r->target, operand.node);
  const mvg_shape *shape = &mvg_graph_get_type(r->target, operand)->shape;
  uint32_t own[MVG_MAX_RANK];
  if (mvg_shape_get_size(shape) == 1) return KEPT;
  if (shape->rank != rank) return COPIED;
  if (read_permutation(r->target, node, own) && memcmp(axes, own, rank * sizeof *axes) == 0) {
    return BEHIND;
  }
  if (moves_nothing(shape, axes)) return RESHAPED;
  return is_broadcast_view(r->target, node) ? TURNED : COPIED;
}

static mvg_status turn_operand(mvg_rewriter *r, mvg_value operand, const uint32_t *axes,
                               uint32_t rank, mvg_value *out) {
  const mvg_node *node = mvg_graph_get_node(r->target, operand.node);
  const mvg_shape *from = &mvg_graph_get_type(r->target, operand)->shape;
  turn chosen = choose_turn(r, operand, axes, rank);
  *out = chosen == BEHIND ? node->inputs[0] : operand;
  if (chosen == KEPT || chosen == BEHIND) return NULL;
  mvg_shape shape = {.rank = rank};
  for (uint32_t i = 0; i < rank; ++i)
    shape.dims[i] = from->dims[axes[i]];
  if (chosen == TURNED) return turn_view(r, node, &shape, axes, out);
  if (mvg_node_is_reshape(r->target, node)) operand = node->inputs[0];
  *out = operand;
  if (mvg_shape_is_equal(&mvg_graph_get_type(r->target, operand)->shape, &shape)) return NULL;
  return mvg_graph_reshape(r->target, NULL, "reshape", operand, &shape, out);
}

static const mvg_node *find_permuted(const mvg_rewriter *r, const mvg_node *node,
                                     const mvg_value *inputs, uint32_t *axes) {
  const mvg_shape *shape = &node->outputs[0].shape;
  for (uint32_t i = 0; i < node->input_count; ++i) {
    const mvg_node *input = mvg_graph_get_node(r->target, inputs[i].node);
    if (mvg_shape_is_equal(&mvg_graph_get_type(r->target, inputs[i])->shape, shape) &&
        read_permutation(r->target, input, axes)) {
      return input;
    }
  }
  return NULL;
}

mvg_status mvg_permutation_sink_map(mvg_rewriter *r, const mvg_node *node, const mvg_value *inputs,
                                    mvg_value *out_value, bool *out_done) {
  uint32_t axes[MVG_MAX_RANK], rank = node->outputs[0].shape.rank;
  mvg_value behind[MVG_MAX_OPERANDS];
  if (mvg_expr_uses_var(node->map.expr, node->input_count)) return NULL; // its element's number
  if (mvg_shape_get_size(&node->outputs[0].shape) == 1) return NULL;
  const mvg_node *first = find_permuted(r, node, inputs, axes);
  if (!first) return NULL;
  for (uint32_t i = 0; i < node->input_count; ++i) {
    if (choose_turn(r, inputs[i], axes, rank) == COPIED) return NULL;
  }
  mvg_graph_set_origin(r->target, &node->origin);
  for (uint32_t i = 0; i < node->input_count; ++i)
    MVG_RETURN_IF_ERROR(turn_operand(r, inputs[i], axes, rank, &behind[i]));
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

// ---- reductions ----

mvg_status mvg_permutation_sink_reduce(mvg_rewriter *r, const mvg_node *node, mvg_value input,
                                       mvg_value *out_value, bool *out_done) {
  uint32_t axes[MVG_MAX_RANK], last[2] = {0, 0};
  const mvg_node *below = mvg_graph_get_node(r->target, input.node);
  if (!read_permutation(r->target, below, axes)) return NULL;
  mvg_node reduce = *node;
  reduce.reduce.axes = 0;
  for (uint32_t i = 0; i < mvg_graph_get_type(r->target, input)->shape.rank; ++i) {
    uint32_t is_reduced = node->reduce.axes >> axes[i] & 1;
    if (axes[i] < last[is_reduced]) return NULL;
    last[is_reduced] = axes[i];
    reduce.reduce.axes |= is_reduced << i;
  }
  *out_done = true;
  *out_value = (mvg_value){0, 0};
  return mvg_rewrite_copy(r->target, &reduce, &below->inputs[0], &out_value->node);
}

#include "autodiff/backward.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

typedef struct {
  mvg_graph *graph;
  bool *depends;         // node depends on a value of `wrt`: only these carry gradients
  mvg_value **gradients; // per node: one accumulated gradient an output, MVG_NO_VALUE while none
  uint32_t node_count;   // nodes of the forward graph; everything later is gradient
  mvg_arena arena;
} walker;

static bool is_set(mvg_value value) {
  return value.node != UINT32_MAX;
}

static void mark_dependents(walker *w, const mvg_value *wrt, size_t wrt_count) {
  for (size_t i = 0; i < wrt_count; ++i)
    w->depends[wrt[i].node] = true;
  for (uint32_t id = 0; id < w->node_count; ++id) {
    const mvg_node *node = mvg_graph_get_node(w->graph, id);
    bool stops = node->def && !node->def->is_differentiable;
    for (uint32_t i = 0; i < node->input_count && !stops; ++i) {
      if (w->depends[node->inputs[i].node]) w->depends[id] = true;
    }
  }
}

static mvg_status accumulate(walker *w, mvg_value target, mvg_value gradient) {
  if (!w->gradients[target.node]) {
    uint32_t outputs = mvg_graph_get_node(w->graph, target.node)->output_count;
    mvg_value *slots;
    MVG_RETURN_IF_ERROR(mvg_arena_alloc(&w->arena, outputs, sizeof *slots, (void **)&slots));
    for (uint32_t i = 0; i < outputs; ++i)
      slots[i] = MVG_NO_VALUE;
    w->gradients[target.node] = slots;
  }
  const mvg_shape shape = mvg_graph_get_type(w->graph, target)->shape;
  MVG_RETURN_IF_ERROR(mvg_graph_sum_to(w->graph, gradient, &shape, &gradient));
  mvg_value *slot = &w->gradients[target.node][target.output];
  if (!is_set(*slot)) {
    *slot = gradient;
    return NULL;
  }
  return mvg_graph_add(w->graph, *slot, gradient, slot);
}

// dy * d expr / d input as one map: variable 0 is dy, then the inputs that the derivative reads,
// then the element index.
static mvg_status differentiate_map_input(walker *w, const mvg_node *node, mvg_value dy,
                                          uint32_t which, mvg_value *out) {
  mvg_arena *arena = mvg_graph_get_arena(w->graph);
  const mvg_expr *derivative, *shifted[MVG_MAX_OPERANDS + 1], *pair[2];
  MVG_RETURN_IF_ERROR(mvg_expr_differentiate(arena, node->map.expr, which, &derivative));
  *out = MVG_NO_VALUE;
  if (derivative->op == MVG_EXPR_CONST && derivative->value == 0) return NULL;
  if (derivative->op == MVG_EXPR_CONST && derivative->value == 1) {
    *out = dy;
    return NULL;
  }
  mvg_value inputs[MVG_MAX_OPERANDS + 1] = {dy};
  uint32_t used = 1;
  for (uint32_t i = 0; i <= node->input_count; ++i) {
    shifted[i] = NULL;
    if (i == node->input_count || !mvg_expr_uses_var(derivative, i)) continue;
    MVG_RETURN_IF_ERROR(mvg_expr_var(arena, used, &shifted[i]));
    inputs[used++] = node->inputs[i];
  }
  MVG_RETURN_IF_ERROR(mvg_expr_var(arena, used, &shifted[node->input_count]));
  MVG_RETURN_IF_ERROR(
      mvg_expr_substitute(arena, derivative, shifted, node->input_count + 1, &derivative));
  MVG_RETURN_IF_ERROR(mvg_expr_var(arena, 0, &pair[0]));
  pair[1] = derivative;
  MVG_RETURN_IF_ERROR(mvg_expr_make(arena, MVG_EXPR_MUL, pair, &derivative));
  char name[96];
  snprintf(name, sizeof name, "%s_grad", node->op);
  return mvg_graph_map(w->graph, NULL, name, MVG_DTYPE_F32, derivative, inputs, used, out);
}

static mvg_status differentiate_map(walker *w, const mvg_node *node, mvg_value dy,
                                    const bool *needed) {
  for (uint32_t i = 0; i < node->input_count; ++i) {
    if (!needed[i]) continue;
    mvg_value gradient;
    MVG_RETURN_IF_ERROR(differentiate_map_input(w, node, dy, i, &gradient));
    if (is_set(gradient)) MVG_RETURN_IF_ERROR(accumulate(w, node->inputs[i], gradient));
  }
  return NULL;
}

static mvg_status apply_hook(walker *w, uint32_t id, const bool *needed) {
  const mvg_node *node = mvg_graph_get_node(w->graph, id);
  mvg_value gradients[MVG_MAX_OPERANDS];
  for (uint32_t i = 0; i < node->input_count; ++i)
    gradients[i] = MVG_NO_VALUE;
  MVG_RETURN_IF_ERROR(
      node->def->vjp(node->def->context, w->graph, id, w->gradients[id], needed, gradients));
  for (uint32_t i = 0; i < node->input_count; ++i) {
    if (!needed[i] || !is_set(gradients[i])) continue;
    MVG_RETURN_IF_ERROR(accumulate(w, node->inputs[i], gradients[i]));
  }
  return NULL;
}

// Sums that the engine made of broadcast gradients: every element gets the gradient of its sum.
static mvg_status differentiate_sum(walker *w, const mvg_node *node, mvg_value dy) {
  const mvg_shape shape = mvg_graph_get_type(w->graph, node->inputs[0])->shape;
  const mvg_expr *index[MVG_MAX_RANK] = {0};
  const mvg_value input = node->inputs[0];
  uint32_t rank = 0, axes = node->reduce.axes;
  for (uint32_t axis = 0; axis < shape.rank; ++axis) {
    if (axes & (1u << axis)) continue;
    MVG_RETURN_IF_ERROR(mvg_expr_var(mvg_graph_get_arena(w->graph), axis, &index[rank++]));
  }
  mvg_value gradient;
  MVG_RETURN_IF_ERROR(mvg_graph_view(w->graph, NULL, "expand", dy, &shape, index, NULL, &gradient));
  return accumulate(w, input, gradient);
}

static mvg_status differentiate_node(walker *w, uint32_t id) {
  const mvg_node *node = mvg_graph_get_node(w->graph, id);
  bool needed[MVG_MAX_OPERANDS] = {0}, any = false;
  for (uint32_t i = 0; i < node->input_count; ++i) {
    needed[i] = w->depends[node->inputs[i].node];
    any = any || needed[i];
  }
  if (!any) return NULL;
  mvg_origin origin = node->origin;
  origin.is_gradient = true;
  mvg_graph_set_origin(w->graph, &origin);
  if (node->def && node->def->vjp) return apply_hook(w, id, needed);
  if (node->kind == MVG_KIND_MAP) {
    return differentiate_map(w, node, w->gradients[id][0], needed);
  }
  if (mvg_node_is_reshape(w->graph, node)) {
    const mvg_shape shape = mvg_graph_get_type(w->graph, node->inputs[0])->shape;
    mvg_value gradient;
    MVG_RETURN_IF_ERROR(
        mvg_graph_reshape(w->graph, NULL, "reshape", w->gradients[id][0], &shape, &gradient));
    return accumulate(w, node->inputs[0], gradient);
  }
  if (node->kind == MVG_KIND_REDUCE && !node->def && strcmp(node->op, "sum") == 0) {
    return differentiate_sum(w, node, w->gradients[id][0]);
  }
  return MVG_ERROR(MVG_UNSUPPORTED,
                   "operator '%s' has no gradient; give its declaration a vjp, or declare it not "
                   "differentiable, or cut the path with stop_gradient",
                   node->op);
}

static mvg_status make_zeros(mvg_graph *graph, mvg_value like, mvg_value *out) {
  const mvg_shape shape = mvg_graph_get_type(graph, like)->shape;
  mvg_arena *arena = mvg_graph_get_arena(graph);
  const mvg_expr *index[1] = {0};
  mvg_value zero;
  MVG_RETURN_IF_ERROR(mvg_graph_scalar(graph, 0, &zero));
  MVG_RETURN_IF_ERROR(mvg_expr_const(arena, 0, &index[0]));
  return mvg_graph_view(graph, NULL, "expand", zero, &shape, index, NULL, out);
}

mvg_status mvg_backward(mvg_graph *graph, mvg_value loss, const mvg_value *wrt, size_t wrt_count,
                        mvg_value *out_gradients) {
  const mvg_shape *loss_shape = &mvg_graph_get_type(graph, loss)->shape;
  if (mvg_shape_get_size(loss_shape) != 1) {
    char text[MVG_SHAPE_TEXT_SIZE];
    return MVG_ERROR(MVG_INVALID_ARGUMENT,
                     "gradients need a scalar loss, this one is %s; sum or average it first",
                     mvg_shape_format(loss_shape, text));
  }
  walker w = {.graph = graph, .node_count = mvg_graph_get_node_count(graph)};
  mvg_value seed;
  mvg_status status = MVG_NEW_ARRAY(w.node_count, &w.depends);
  if (!status) status = MVG_NEW_ARRAY(w.node_count, &w.gradients);
  if (!status) mark_dependents(&w, wrt, wrt_count);
  if (!status) status = mvg_graph_scalar(graph, 1, &seed);
  if (!status && loss_shape->rank) {
    const mvg_shape shape = *loss_shape;
    status = mvg_graph_reshape(graph, NULL, "reshape", seed, &shape, &seed);
  }
  if (!status) status = accumulate(&w, loss, seed);
  for (uint32_t id = loss.node + 1; id-- > 0 && !status;) {
    if (!w.gradients[id] || !w.depends[id]) continue;
    status = differentiate_node(&w, id);
    if (status) {
      char origin[MVG_ORIGIN_TEXT_SIZE];
      const mvg_node *node = mvg_graph_get_node(graph, id);
      status = mvg_status_annotate(status, "gradient of %s", mvg_node_format_origin(node, origin));
    }
  }
  for (size_t i = 0; i < wrt_count && !status; ++i) {
    mvg_value *slots = w.gradients[wrt[i].node];
    out_gradients[i] = slots ? slots[wrt[i].output] : MVG_NO_VALUE;
    if (!is_set(out_gradients[i])) status = make_zeros(graph, wrt[i], &out_gradients[i]);
  }
  mvg_arena_deinit(&w.arena);
  mvg_free(w.gradients);
  mvg_free(w.depends);
  return status;
}

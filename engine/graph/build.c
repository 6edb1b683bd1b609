// Builders: one function a node kind, with shape inference, and the few composed ones the engine
// itself needs.
#include <string.h>

#include "graph/graph.h"

static mvg_status add_single(mvg_graph *graph, mvg_node *node, const mvg_type *type,
                             mvg_value *out) {
  node->outputs = type;
  node->output_count = 1;
  uint32_t id;
  MVG_RETURN_IF_ERROR(mvg_graph_add_node(graph, node, &id));
  *out = (mvg_value){id, 0};
  return NULL;
}

mvg_status mvg_graph_leaf(mvg_graph *graph, mvg_kind kind, const char *name, uint32_t slot,
                          const mvg_type *type, mvg_value *out) {
  mvg_node node = {.kind = kind, .op = mvg_kind_get_name(kind), .leaf.slot = slot};
  MVG_RETURN_IF_ERROR(mvg_arena_string(mvg_graph_get_arena(graph), name, &node.leaf.name));
  return add_single(graph, &node, type, out);
}

mvg_status mvg_graph_const(mvg_graph *graph, const mvg_type *type, const void *data,
                           mvg_value *out) {
  MVG_RETURN_IF_ERROR(mvg_shape_validate(&type->shape));
  mvg_node node = {.kind = MVG_KIND_CONST, .op = "const"};
  MVG_RETURN_IF_ERROR(
      mvg_arena_copy(mvg_graph_get_arena(graph), data, (size_t)mvg_shape_get_size(&type->shape),
                     mvg_dtype_get_size(type->dtype), (void **)&node.constant.data));
  return add_single(graph, &node, type, out);
}

mvg_status mvg_graph_scalar(mvg_graph *graph, double value, mvg_value *out) {
  float number = (float)value;
  return mvg_graph_const(graph, &(mvg_type){.dtype = MVG_DTYPE_F32}, &number, out);
}

mvg_status mvg_graph_map(mvg_graph *graph, const mvg_opdef *def, const char *op, mvg_dtype dtype,
                         const mvg_expr *expr, const mvg_value *inputs, uint32_t input_count,
                         mvg_value *out) {
  mvg_type type = {.dtype = dtype};
  for (uint32_t i = 0; i < input_count; ++i) {
    mvg_status status =
        mvg_shape_broadcast(&type.shape, &mvg_graph_get_type(graph, inputs[i])->shape);
    if (status) return mvg_status_annotate(status, "%s", op);
  }
  mvg_node node = {.kind = MVG_KIND_MAP,
                   .op = op,
                   .def = def,
                   .inputs = inputs,
                   .input_count = input_count,
                   .map.expr = expr};
  return add_single(graph, &node, &type, out);
}

mvg_status mvg_graph_view(mvg_graph *graph, const mvg_opdef *def, const char *op, mvg_value input,
                          const mvg_shape *shape, const mvg_expr *const *index,
                          const mvg_expr *valid, mvg_value *out) {
  const mvg_type *source = mvg_graph_get_type(graph, input);
  mvg_node node = {.kind = MVG_KIND_VIEW,
                   .op = op,
                   .def = def,
                   .inputs = &input,
                   .input_count = 1,
                   .view.valid = valid};
  MVG_RETURN_IF_ERROR(mvg_arena_copy(mvg_graph_get_arena(graph), index, source->shape.rank,
                                     sizeof *index, (void **)&node.view.index));
  mvg_type type = {.dtype = source->dtype, .shape = *shape};
  return add_single(graph, &node, &type, out);
}

// Row-major linear index of the output coordinates, then split into the input's coordinates.
mvg_status mvg_graph_reshape(mvg_graph *graph, const mvg_opdef *def, const char *op,
                             mvg_value input, const mvg_shape *shape, mvg_value *out) {
  const mvg_shape source = mvg_graph_get_type(graph, input)->shape;
  if (mvg_shape_get_size(&source) != mvg_shape_get_size(shape)) {
    char from[MVG_SHAPE_TEXT_SIZE], to[MVG_SHAPE_TEXT_SIZE];
    return MVG_ERROR(MVG_INVALID_ARGUMENT, "%s: %s has not as many elements as %s", op,
                     mvg_shape_format(&source, from), mvg_shape_format(shape, to));
  }
  mvg_arena *arena = mvg_graph_get_arena(graph);
  int64_t strides[MVG_MAX_RANK];
  mvg_shape_get_strides(shape, strides);
  const mvg_expr *linear;
  MVG_RETURN_IF_ERROR(mvg_expr_const(arena, 0, &linear));
  for (uint32_t i = 0; i < shape->rank; ++i) {
    const mvg_expr *pair[2];
    if (shape->dims[i] == 1) continue;
    MVG_RETURN_IF_ERROR(mvg_expr_var(arena, i, &pair[0]));
    MVG_RETURN_IF_ERROR(mvg_expr_const(arena, (double)strides[i], &pair[1]));
    MVG_RETURN_IF_ERROR(mvg_expr_make(arena, MVG_EXPR_MUL, pair, &pair[1]));
    pair[0] = linear;
    MVG_RETURN_IF_ERROR(mvg_expr_make(arena, MVG_EXPR_ADD, pair, &linear));
  }
  const mvg_expr *index[MVG_MAX_RANK] = {0};
  mvg_shape_get_strides(&source, strides);
  for (uint32_t i = 0; i < source.rank; ++i) {
    const mvg_expr *pair[2] = {linear, NULL};
    MVG_RETURN_IF_ERROR(mvg_expr_const(arena, (double)strides[i], &pair[1]));
    MVG_RETURN_IF_ERROR(mvg_expr_make(arena, MVG_EXPR_DIV, pair, &pair[0]));
    bool is_outermost = true;
    for (uint32_t j = 0; j < i; ++j)
      is_outermost = is_outermost && source.dims[j] == 1;
    if (!is_outermost) {
      MVG_RETURN_IF_ERROR(mvg_expr_const(arena, (double)source.dims[i], &pair[1]));
      MVG_RETURN_IF_ERROR(mvg_expr_make(arena, MVG_EXPR_MOD, pair, &pair[0]));
    }
    if (source.dims[i] == 1) MVG_RETURN_IF_ERROR(mvg_expr_const(arena, 0, &pair[0]));
    index[i] = pair[0];
  }
  mvg_node node = {.kind = MVG_KIND_VIEW,
                   .op = op,
                   .def = def,
                   .inputs = &input,
                   .input_count = 1,
                   .view.is_reshape = true};
  MVG_RETURN_IF_ERROR(
      mvg_arena_copy(arena, index, source.rank, sizeof *index, (void **)&node.view.index));
  mvg_type type = {.dtype = mvg_graph_get_type(graph, input)->dtype, .shape = *shape};
  return add_single(graph, &node, &type, out);
}

mvg_status mvg_graph_reduce(mvg_graph *graph, const mvg_opdef *def, const char *op, mvg_value input,
                            const mvg_reduce_body *body, mvg_value *out) {
  const mvg_type *source = mvg_graph_get_type(graph, input);
  mvg_type type = {.dtype = mvg_dtype_is_half(source->dtype) ? MVG_DTYPE_F32 : source->dtype};
  for (uint32_t i = 0; i < source->shape.rank; ++i) {
    if (!(body->axes & (1u << i))) type.shape.dims[type.shape.rank++] = source->shape.dims[i];
  }
  mvg_node node = {.kind = MVG_KIND_REDUCE,
                   .op = op,
                   .def = def,
                   .inputs = &input,
                   .input_count = 1,
                   .reduce = *body};
  return add_single(graph, &node, &type, out);
}

// acc + x over variables 0 and 1; also the body of the add map.
static mvg_status make_sum_of_vars(mvg_arena *arena, const mvg_expr **out) {
  const mvg_expr *pair[2];
  MVG_RETURN_IF_ERROR(mvg_expr_var(arena, 0, &pair[0]));
  MVG_RETURN_IF_ERROR(mvg_expr_var(arena, 1, &pair[1]));
  return mvg_expr_make(arena, MVG_EXPR_ADD, pair, out);
}

mvg_status mvg_graph_add(mvg_graph *graph, mvg_value a, mvg_value b, mvg_value *out) {
  const mvg_expr *expr;
  MVG_RETURN_IF_ERROR(make_sum_of_vars(mvg_graph_get_arena(graph), &expr));
  const mvg_value inputs[2] = {a, b};
  return mvg_graph_map(graph, NULL, "add", MVG_DTYPE_F32, expr, inputs, 2, out);
}

mvg_status mvg_graph_sum(mvg_graph *graph, mvg_value input, uint32_t axes, mvg_value *out) {
  mvg_arena *arena = mvg_graph_get_arena(graph);
  mvg_reduce_body body = {.axes = axes};
  MVG_RETURN_IF_ERROR(mvg_expr_const(arena, 0, &body.init));
  MVG_RETURN_IF_ERROR(make_sum_of_vars(arena, &body.combine));
  MVG_RETURN_IF_ERROR(mvg_expr_var(arena, 0, &body.finish));
  return mvg_graph_reduce(graph, NULL, "sum", input, &body, out);
}

mvg_status mvg_graph_sum_to(mvg_graph *graph, mvg_value input, const mvg_shape *shape,
                            mvg_value *out) {
  const mvg_shape source = mvg_graph_get_type(graph, input)->shape;
  *out = input;
  if (mvg_shape_is_equal(&source, shape)) return NULL;
  uint32_t axes = 0, extra = source.rank - shape->rank;
  for (uint32_t i = 0; i < source.rank; ++i) {
    if (i < extra || (shape->dims[i - extra] == 1 && source.dims[i] != 1)) axes |= 1u << i;
  }
  if (axes) MVG_RETURN_IF_ERROR(mvg_graph_sum(graph, input, axes, out));
  if (mvg_shape_is_equal(&mvg_graph_get_type(graph, *out)->shape, shape)) return NULL;
  return mvg_graph_reshape(graph, NULL, "reshape", *out, shape, out);
}

bool mvg_node_is_reshape(const mvg_graph *graph, const mvg_node *node) {
  (void)graph;
  return node->kind == MVG_KIND_VIEW && node->view.is_reshape;
}

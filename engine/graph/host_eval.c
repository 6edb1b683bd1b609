#include "graph/host_eval.h"

#include "base/alloc.h"

typedef struct {
  const mvg_graph *graph;
  const mvg_ndarray *const *inputs, *const *states;
  mvg_ndarray **results; // one f64 array a node, NULL until needed
} evaluator;

static const double *get_data(const evaluator *e, mvg_value value) {
  return e->results[value.node]->data;
}

static const mvg_shape *get_shape(const evaluator *e, mvg_value value) {
  return &mvg_graph_get_type(e->graph, value)->shape;
}

static void copy_elements(const mvg_ndarray *source, mvg_ndarray *target) {
  int64_t size = mvg_shape_get_size(&target->shape);
  for (int64_t i = 0; i < size; ++i)
    mvg_ndarray_set(target, i, mvg_ndarray_get(source, i));
}

static void eval_map(const evaluator *e, const mvg_node *node, mvg_ndarray *out) {
  const mvg_shape *shape = &node->outputs[0].shape;
  int64_t size = mvg_shape_get_size(shape), coords[MVG_MAX_RANK];
  double vars[MVG_MAX_OPERANDS + 1], *data = out->data;
  for (int64_t flat = 0; flat < size; ++flat) {
    mvg_shape_get_coordinates(shape, flat, coords);
    for (uint32_t i = 0; i < node->input_count; ++i) {
      const mvg_shape *operand = get_shape(e, node->inputs[i]);
      int64_t at = mvg_shape_get_broadcast_element(operand, shape->rank, coords);
      vars[i] = get_data(e, node->inputs[i])[at];
    }
    vars[node->input_count] = (double)flat;
    data[flat] = mvg_expr_eval(node->map.expr, vars);
  }
}

static mvg_status eval_view(const evaluator *e, const mvg_node *node, mvg_ndarray *out) {
  const mvg_shape *shape = &node->outputs[0].shape, *source = get_shape(e, node->inputs[0]);
  int64_t size = mvg_shape_get_size(shape), coords[MVG_MAX_RANK];
  double *data = out->data;
  for (int64_t flat = 0; flat < size; ++flat) {
    mvg_shape_get_coordinates(shape, flat, coords);
    if (node->view.valid && !mvg_expr_eval_int(node->view.valid, coords)) continue;
    int64_t index = 0;
    for (uint32_t axis = 0; axis < source->rank; ++axis) {
      int64_t at = mvg_expr_eval_int(node->view.index[axis], coords);
      if (at < 0 || at >= source->dims[axis]) {
        char origin[MVG_ORIGIN_TEXT_SIZE];
        return MVG_ERROR(MVG_INVALID_ARGUMENT, "%s: reads element %lld of axis %u, which has %lld",
                         mvg_node_format_origin(node, origin), (long long)at, axis,
                         (long long)source->dims[axis]);
      }
      index = index * source->dims[axis] + at;
    }
    data[flat] = get_data(e, node->inputs[0])[index];
  }
  return NULL;
}

static void eval_reduce(const evaluator *e, const mvg_node *node, mvg_ndarray *out) {
  const mvg_shape *source = get_shape(e, node->inputs[0]);
  const double *elements = get_data(e, node->inputs[0]);
  double *data = out->data, vars[2];
  int64_t size = mvg_shape_get_size(source), kept = mvg_shape_get_size(&node->outputs[0].shape);
  int64_t coords[MVG_MAX_RANK];
  for (int64_t i = 0; i < kept; ++i)
    data[i] = mvg_expr_eval(node->reduce.init, NULL);
  for (int64_t flat = 0; flat < size; ++flat) {
    mvg_shape_get_coordinates(source, flat, coords);
    int64_t target = 0;
    for (uint32_t i = 0; i < source->rank; ++i) {
      if (!(node->reduce.axes & (1u << i))) target = target * source->dims[i] + coords[i];
    }
    vars[0] = data[target];
    vars[1] = elements[flat];
    data[target] = mvg_expr_eval(node->reduce.combine, vars);
  }
  for (int64_t i = 0; i < kept; ++i) {
    vars[0] = data[i];
    vars[1] = kept ? (double)(size / kept) : 0;
    data[i] = mvg_expr_eval(node->reduce.finish, vars);
  }
}

static mvg_status run_host_node(const mvg_node *node, const evaluator *e, mvg_ndarray **operands) {
  for (uint32_t i = 0; i <= node->input_count; ++i) {
    bool is_output = i == node->input_count;
    const mvg_type *type =
        is_output ? node->outputs : mvg_graph_get_type(e->graph, node->inputs[i]);
    MVG_RETURN_IF_ERROR(mvg_ndarray_create(type->dtype, &type->shape, &operands[i]));
    if (!is_output) copy_elements(e->results[node->inputs[i].node], operands[i]);
  }
  return node->def->run(node->def->context, node->host.constants, node->host.constant_count,
                        (const mvg_ndarray *const *)operands, node->input_count,
                        &operands[node->input_count], 1);
}

// A host operator is its own reference; it sees the element types that it was declared with.
static mvg_status eval_host(const evaluator *e, const mvg_node *node, mvg_ndarray *out) {
  if (node->output_count != 1 || !node->def || !node->def->run) {
    char origin[MVG_ORIGIN_TEXT_SIZE];
    return MVG_ERROR(MVG_UNSUPPORTED,
                     "%s: the reference evaluator runs host operators of one output",
                     mvg_node_format_origin(node, origin));
  }
  mvg_ndarray *operands[MVG_MAX_OPERANDS + 1] = {0};
  mvg_status status = run_host_node(node, e, operands);
  if (!status) copy_elements(operands[node->input_count], out);
  for (uint32_t i = 0; i <= node->input_count; ++i)
    mvg_ndarray_release(operands[i]);
  return status;
}

static mvg_status copy_leaf(const mvg_node *node, const mvg_ndarray *const *arrays,
                            mvg_ndarray *out) {
  const mvg_ndarray *source = arrays ? arrays[node->leaf.slot] : NULL;
  if (!source || mvg_shape_get_size(&source->shape) != mvg_shape_get_size(&out->shape)) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT, "%s '%s' is missing or has another size", node->op,
                     node->leaf.name);
  }
  copy_elements(source, out);
  return NULL;
}

static mvg_status eval_node(evaluator *e, const mvg_node *node, mvg_ndarray *out) {
  switch (node->kind) {
  case MVG_KIND_INPUT:
    return copy_leaf(node, e->inputs, out);
  case MVG_KIND_STATE:
    return copy_leaf(node, e->states, out);
  case MVG_KIND_CONST: {
    const mvg_ndarray constant = {.dtype = node->outputs[0].dtype,
                                  .shape = out->shape,
                                  .data = (void *)(uintptr_t)node->constant.data};
    copy_elements(&constant, out);
    return NULL;
  }
  case MVG_KIND_MAP:
    eval_map(e, node, out);
    return NULL;
  case MVG_KIND_VIEW:
    return eval_view(e, node, out);
  case MVG_KIND_REDUCE:
    eval_reduce(e, node, out);
    return NULL;
  case MVG_KIND_HOST:
    return eval_host(e, node, out);
  default: {
    char origin[MVG_ORIGIN_TEXT_SIZE];
    return MVG_ERROR(MVG_UNSUPPORTED, "%s: the reference evaluator runs no %s nodes",
                     mvg_node_format_origin(node, origin), mvg_kind_get_name(node->kind));
  }
  }
}

static void mark_needed(const mvg_graph *graph, const mvg_value *values, size_t count,
                        bool *needed) {
  for (size_t i = 0; i < count; ++i)
    needed[values[i].node] = true;
  for (uint32_t id = mvg_graph_get_node_count(graph); id-- > 0;) {
    const mvg_node *node = mvg_graph_get_node(graph, id);
    for (uint32_t i = 0; needed[id] && i < node->input_count; ++i) {
      needed[node->inputs[i].node] = true;
    }
  }
}

mvg_status mvg_host_eval(const mvg_graph *graph, const mvg_ndarray *const *inputs,
                         const mvg_ndarray *const *states, const mvg_value *values,
                         size_t value_count, mvg_ndarray **out_arrays) {
  uint32_t node_count = mvg_graph_get_node_count(graph);
  evaluator e = {.graph = graph, .inputs = inputs, .states = states};
  bool *needed = NULL;
  mvg_status status = MVG_NEW_ARRAY(node_count, &needed);
  if (!status) status = MVG_NEW_ARRAY(node_count, &e.results);
  if (!status) mark_needed(graph, values, value_count, needed);
  for (uint32_t id = 0; id < node_count && !status; ++id) {
    if (!needed[id]) continue;
    const mvg_node *node = mvg_graph_get_node(graph, id);
    status = mvg_ndarray_create(MVG_DTYPE_F64, &node->outputs[0].shape, &e.results[id]);
    if (!status) status = eval_node(&e, node, e.results[id]);
  }
  for (size_t i = 0; i < value_count; ++i) {
    out_arrays[i] = status ? NULL : e.results[values[i].node];
    if (!status) mvg_ndarray_retain(out_arrays[i]);
  }
  for (uint32_t id = 0; e.results && id < node_count; ++id)
    mvg_ndarray_release(e.results[id]);
  mvg_free(e.results);
  mvg_free(needed);
  return status;
}

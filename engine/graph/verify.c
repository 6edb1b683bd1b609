#include "graph/verify.h"

static mvg_status fail(const mvg_node *node, const char *what) {
  char origin[MVG_ORIGIN_TEXT_SIZE];
  return MVG_ERROR(MVG_INVALID_ARGUMENT, "%s: %s", mvg_node_format_origin(node, origin), what);
}

static mvg_status verify_map(const mvg_graph *graph, const mvg_node *node) {
  if (!node->map.expr) return fail(node, "a map without an expression");
  mvg_shape shape = {0};
  for (uint32_t i = 0; i < node->input_count; ++i) {
    MVG_RETURN_IF_ERROR(
        mvg_shape_broadcast(&shape, &mvg_graph_get_type(graph, node->inputs[i])->shape));
  }
  bool matches = node->input_count == 0 || mvg_shape_is_equal(&shape, &node->outputs[0].shape);
  return matches ? NULL : fail(node, "a map's shape must be the broadcast of its inputs");
}

static bool is_index(const mvg_expr *expr, const mvg_shape *shape) {
  return mvg_expr_bound_int(expr, shape->dims) <= MVG_EXPR_LARGEST_INT;
}

static mvg_status verify_view(const mvg_graph *graph, const mvg_node *node) {
  if (node->input_count != 1) return fail(node, "a view has one input");
  const mvg_type *input = mvg_graph_get_type(graph, node->inputs[0]);
  for (uint32_t i = 0; i < input->shape.rank; ++i) {
    if (!node->view.index[i]) return fail(node, "a view needs an index for every input axis");
    if (!is_index(node->view.index[i], &node->outputs[0].shape)) {
      return fail(node, "an index is made of whole numbers and stays below 2^53");
    }
  }
  if (node->view.valid && !is_index(node->view.valid, &node->outputs[0].shape)) {
    return fail(node, "the condition of a view is made of whole numbers below 2^53");
  }
  if (input->dtype != node->outputs[0].dtype) return fail(node, "a view keeps the element type");
  return NULL;
}

static mvg_status verify_reduce(const mvg_graph *graph, const mvg_node *node) {
  if (node->input_count != 1) return fail(node, "a reduction has one input");
  const mvg_shape *input = &mvg_graph_get_type(graph, node->inputs[0])->shape;
  mvg_shape kept = {0};
  for (uint32_t i = 0; i < input->rank; ++i) {
    if (!(node->reduce.axes & (1u << i))) kept.dims[kept.rank++] = input->dims[i];
  }
  if (node->reduce.axes >> input->rank) return fail(node, "a reduced axis does not exist");
  if (!node->reduce.init || !node->reduce.combine || !node->reduce.finish) {
    return fail(node, "a reduction needs init, combine and finish");
  }
  return mvg_shape_is_equal(&kept, &node->outputs[0].shape)
             ? NULL
             : fail(node, "a reduction drops exactly its reduced axes");
}

static mvg_status verify_kernel(const mvg_node *node) {
  if (!node->kernel.source) return fail(node, "a kernel without a source");
  bool has_flat = node->kernel.invocations > 0, has_groups = node->kernel.groups[0] > 0;
  uint64_t elements = 0;
  for (uint32_t i = 0; i < node->output_count; ++i) {
    elements += (uint64_t)mvg_shape_get_size(&node->outputs[i].shape);
  }
  if (has_flat && has_groups) return fail(node, "a kernel has invocations or groups, not both");
  if (elements && !has_flat && !has_groups) return fail(node, "a kernel needs a grid");
  return NULL;
}

mvg_status mvg_verify_node(const mvg_graph *graph, const mvg_node *node) {
  if (node->input_count > MVG_MAX_OPERANDS || node->output_count > MVG_MAX_OPERANDS) {
    return fail(node, "too many operands");
  }
  if (node->output_count == 0) return fail(node, "a node has at least one output");
  for (uint32_t i = 0; i < node->output_count; ++i) {
    MVG_RETURN_IF_ERROR(mvg_shape_validate(&node->outputs[i].shape));
    if (node->outputs[i].dtype > MVG_DTYPE_I32) return fail(node, "graphs hold f32 and i32 only");
  }
  if (node->kind < MVG_KIND_KERNEL && node->output_count != 1) {
    return fail(node, "only kernel and host operators have several outputs");
  }
  switch (node->kind) {
  case MVG_KIND_MAP:
    return verify_map(graph, node);
  case MVG_KIND_VIEW:
    return verify_view(graph, node);
  case MVG_KIND_REDUCE:
    return verify_reduce(graph, node);
  case MVG_KIND_KERNEL:
    return verify_kernel(node);
  default:
    return NULL;
  }
}

mvg_status mvg_verify_graph(const mvg_graph *graph) {
  for (uint32_t id = 0; id < mvg_graph_get_node_count(graph); ++id) {
    const mvg_node *node = mvg_graph_get_node(graph, id);
    for (uint32_t i = 0; i < node->input_count; ++i) {
      if (node->inputs[i].node >= id) return fail(node, "an operand does not precede its user");
    }
    MVG_RETURN_IF_ERROR(mvg_verify_node(graph, node));
  }
  for (uint32_t i = 0; i < mvg_graph_get_target_count(graph); ++i) {
    const mvg_target *target = mvg_graph_get_target(graph, i);
    if (target->value.node >= mvg_graph_get_node_count(graph)) {
      return MVG_ERROR(MVG_INVALID_ARGUMENT, "target '%s' names no value", target->name);
    }
  }
  return NULL;
}

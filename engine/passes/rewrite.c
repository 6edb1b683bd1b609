#include "passes/rewrite.h"

#include "base/alloc.h"

static mvg_status copy_expr(mvg_arena *arena, const mvg_expr **inout) {
  if (!*inout) return NULL;
  return mvg_expr_substitute(arena, *inout, NULL, 0, inout);
}

static mvg_status copy_kernel(mvg_arena *arena, mvg_node *node) {
  mvg_kernel_body *kernel = &node->kernel;
  MVG_RETURN_IF_ERROR(mvg_arena_string(arena, kernel->source, &kernel->source));
  if (kernel->binding) {
    MVG_RETURN_IF_ERROR(mvg_arena_string(arena, kernel->binding, &kernel->binding));
  }
  MVG_RETURN_IF_ERROR(
      mvg_arena_strings(arena, kernel->input_names, node->input_count, &kernel->input_names));
  MVG_RETURN_IF_ERROR(
      mvg_arena_strings(arena, kernel->output_names, node->output_count, &kernel->output_names));
  return mvg_constants_copy(arena, kernel->constants, kernel->constant_count, &kernel->constants);
}

static mvg_status copy_view(mvg_arena *arena, mvg_node *node, uint32_t input_rank) {
  const mvg_expr **index;
  MVG_RETURN_IF_ERROR(
      mvg_arena_copy(arena, node->view.index, input_rank, sizeof *index, (void **)&index));
  for (uint32_t i = 0; i < input_rank; ++i)
    MVG_RETURN_IF_ERROR(copy_expr(arena, &index[i]));
  node->view.index = index;
  return copy_expr(arena, &node->view.valid);
}

mvg_status mvg_rewrite_copy(mvg_graph *target, const mvg_node *node, const mvg_value *inputs,
                            uint32_t *out_id) {
  mvg_arena *arena = mvg_graph_get_arena(target);
  mvg_node copy = *node;
  copy.inputs = inputs;
  switch (node->kind) {
  case MVG_KIND_INPUT:
  case MVG_KIND_STATE:
    MVG_RETURN_IF_ERROR(mvg_arena_string(arena, copy.leaf.name, &copy.leaf.name));
    break;
  case MVG_KIND_CONST:
    MVG_RETURN_IF_ERROR(mvg_arena_copy(
        arena, copy.constant.data, (size_t)mvg_shape_get_size(&node->outputs[0].shape),
        mvg_dtype_get_size(node->outputs[0].dtype), (void **)&copy.constant.data));
    break;
  case MVG_KIND_MAP:
    MVG_RETURN_IF_ERROR(copy_expr(arena, &copy.map.expr));
    break;
  case MVG_KIND_VIEW:
    MVG_RETURN_IF_ERROR(copy_view(arena, &copy, mvg_graph_get_type(target, inputs[0])->shape.rank));
    break;
  case MVG_KIND_REDUCE:
    MVG_RETURN_IF_ERROR(copy_expr(arena, &copy.reduce.init));
    MVG_RETURN_IF_ERROR(copy_expr(arena, &copy.reduce.combine));
    MVG_RETURN_IF_ERROR(copy_expr(arena, &copy.reduce.finish));
    break;
  case MVG_KIND_KERNEL:
    MVG_RETURN_IF_ERROR(copy_kernel(arena, &copy));
    break;
  case MVG_KIND_HOST:
    MVG_RETURN_IF_ERROR(mvg_constants_copy(arena, copy.host.constants, copy.host.constant_count,
                                           &copy.host.constants));
    break;
  case MVG_KIND_COUNT:
    break;
  }
  return mvg_graph_add_node(target, &copy, out_id);
}

static mvg_status rewrite_node(mvg_rewriter *r, uint32_t id, mvg_rewrite_fn replace) {
  const mvg_node *node = mvg_graph_get_node(r->source, id);
  mvg_value inputs[MVG_MAX_OPERANDS];
  for (uint32_t i = 0; i < node->input_count; ++i) {
    inputs[i] = r->mapped[node->inputs[i].node][node->inputs[i].output];
  }
  MVG_RETURN_IF_ERROR(mvg_arena_alloc(mvg_graph_get_arena(r->target), node->output_count,
                                      sizeof(mvg_value), (void **)&r->mapped[id]));
  bool is_done = false;
  if (replace) MVG_RETURN_IF_ERROR(replace(r, node, inputs, r->mapped[id], &is_done));
  if (is_done) return NULL;
  uint32_t copy;
  MVG_RETURN_IF_ERROR(mvg_rewrite_copy(r->target, node, inputs, &copy));
  for (uint32_t i = 0; i < node->output_count; ++i)
    r->mapped[id][i] = (mvg_value){copy, i};
  return NULL;
}

mvg_status mvg_rewrite(const mvg_graph *source, const bool *keep, mvg_rewrite_fn replace,
                       void *context, mvg_graph **out_graph) {
  *out_graph = NULL;
  mvg_rewriter r = {.source = source, .context = context};
  mvg_status status = mvg_graph_create(mvg_graph_get_name(source), &r.target);
  if (!status) status = MVG_NEW_ARRAY(mvg_graph_get_node_count(source), &r.mapped);
  for (uint32_t id = 0; id < mvg_graph_get_node_count(source) && !status; ++id) {
    if (!keep || keep[id]) status = rewrite_node(&r, id, replace);
  }
  for (uint32_t i = 0; i < mvg_graph_get_target_count(source) && !status; ++i) {
    mvg_target mapped = *mvg_graph_get_target(source, i);
    mapped.value = r.mapped[mapped.value.node][mapped.value.output];
    status = mvg_graph_add_target(r.target, &mapped);
  }
  mvg_free(r.mapped);
  if (status) {
    mvg_graph_destroy(r.target);
  } else {
    *out_graph = r.target;
  }
  return status;
}

#include "graph/compare.h"

#include <string.h>

bool mvg_type_is_equal(const mvg_type *a, const mvg_type *b) {
  return a->dtype == b->dtype && mvg_shape_is_equal(&a->shape, &b->shape);
}

static bool is_same_text(const char *a, const char *b) {
  return a == b || (a && b && strcmp(a, b) == 0);
}

static bool are_same_names(const char *const *a, const char *const *b, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    if (strcmp(a[i], b[i]) != 0) return false;
  }
  return true;
}

static bool are_same_constants(const mvg_constant *a, uint32_t a_count, const mvg_constant *b,
                               uint32_t b_count) {
  if (a_count != b_count) return false;
  for (uint32_t i = 0; i < a_count; ++i) {
    bool is_same = strcmp(a[i].name, b[i].name) == 0 && a[i].is_integer == b[i].is_integer &&
                   (a[i].is_integer ? a[i].integer == b[i].integer
                                    : memcmp(&a[i].number, &b[i].number, sizeof a[i].number) == 0);
    if (!is_same) return false;
  }
  return true;
}

static bool is_same_kernel(const mvg_node *a, const mvg_node *b) {
  const mvg_kernel_body *x = &a->kernel, *y = &b->kernel;
  return is_same_text(x->source, y->source) && is_same_text(x->binding, y->binding) &&
         x->invocations == y->invocations && x->local_size == y->local_size &&
         x->operations == y->operations && memcmp(x->groups, y->groups, sizeof x->groups) == 0 &&
         are_same_constants(x->constants, x->constant_count, y->constants, y->constant_count) &&
         are_same_names(x->input_names, y->input_names, a->input_count) &&
         are_same_names(x->output_names, y->output_names, a->output_count);
}

static bool is_same_view(const mvg_view_body *a, const mvg_view_body *b, uint32_t rank) {
  for (uint32_t i = 0; i < rank; ++i) {
    if (!mvg_expr_is_equal(a->index[i], b->index[i])) return false;
  }
  return a->is_reshape == b->is_reshape && mvg_expr_is_equal(a->valid, b->valid);
}

bool mvg_node_has_equal_body(const mvg_node *a, const mvg_node *b, uint32_t view_rank) {
  switch (a->kind) {
  case MVG_KIND_INPUT:
  case MVG_KIND_STATE:
    return a->leaf.slot == b->leaf.slot && strcmp(a->leaf.name, b->leaf.name) == 0;
  case MVG_KIND_CONST:
    return memcmp(a->constant.data, b->constant.data,
                  (size_t)mvg_shape_get_size(&a->outputs[0].shape) *
                      mvg_dtype_get_size(a->outputs[0].dtype)) == 0;
  case MVG_KIND_MAP:
    return mvg_expr_is_equal(a->map.expr, b->map.expr);
  case MVG_KIND_VIEW:
    return is_same_view(&a->view, &b->view, view_rank);
  case MVG_KIND_REDUCE:
    return a->reduce.axes == b->reduce.axes && mvg_expr_is_equal(a->reduce.init, b->reduce.init) &&
           mvg_expr_is_equal(a->reduce.combine, b->reduce.combine) &&
           mvg_expr_is_equal(a->reduce.finish, b->reduce.finish);
  case MVG_KIND_KERNEL:
    return is_same_kernel(a, b);
  case MVG_KIND_HOST:
    return are_same_constants(a->host.constants, a->host.constant_count, b->host.constants,
                              b->host.constant_count);
  case MVG_KIND_COUNT:
    break;
  }
  return false;
}

static bool is_same_origin(const mvg_origin *a, const mvg_origin *b) {
  return a->line == b->line && a->is_gradient == b->is_gradient && strcmp(a->file, b->file) == 0 &&
         strcmp(a->module_path, b->module_path) == 0;
}

static bool is_same_node(const mvg_graph *graph, const mvg_node *a, const mvg_node *b) {
  bool is_same = a->kind == b->kind && strcmp(a->op, b->op) == 0 &&
                 a->input_count == b->input_count && a->output_count == b->output_count &&
                 is_same_origin(&a->origin, &b->origin);
  for (uint32_t i = 0; is_same && i < a->input_count; ++i) {
    is_same = a->inputs[i].node == b->inputs[i].node && a->inputs[i].output == b->inputs[i].output;
  }
  for (uint32_t i = 0; is_same && i < a->output_count; ++i)
    is_same = mvg_type_is_equal(&a->outputs[i], &b->outputs[i]);
  if (!is_same) return false;
  bool is_view = a->kind == MVG_KIND_VIEW;
  return mvg_node_has_equal_body(a, b,
                                 is_view ? mvg_graph_get_type(graph, a->inputs[0])->shape.rank : 0);
}

static bool is_same_target(const mvg_target *a, const mvg_target *b) {
  return strcmp(a->name, b->name) == 0 && a->value.node == b->value.node &&
         a->value.output == b->value.output && a->is_update == b->is_update && a->slot == b->slot;
}

bool mvg_graph_is_equal(const mvg_graph *a, const mvg_graph *b) {
  uint32_t nodes = mvg_graph_get_node_count(a), targets = mvg_graph_get_target_count(a);
  bool is_same = strcmp(mvg_graph_get_name(a), mvg_graph_get_name(b)) == 0 &&
                 nodes == mvg_graph_get_node_count(b) && targets == mvg_graph_get_target_count(b);
  for (uint32_t i = 0; is_same && i < nodes; ++i)
    is_same = is_same_node(a, mvg_graph_get_node(a, i), mvg_graph_get_node(b, i));
  for (uint32_t i = 0; is_same && i < targets; ++i)
    is_same = is_same_target(mvg_graph_get_target(a, i), mvg_graph_get_target(b, i));
  return is_same;
}

#include "graph/text.h"

#include <inttypes.h>

static void print_value(mvg_str *out, const mvg_graph *graph, mvg_value value) {
  mvg_str_appendf(out, "%%%u", value.node);
  if (mvg_graph_get_node(graph, value.node)->output_count > 1) {
    mvg_str_appendf(out, ".%u", value.output);
  }
}

static void print_type(mvg_str *out, const mvg_type *type) {
  char shape[MVG_SHAPE_TEXT_SIZE];
  mvg_str_appendf(out, "%s%s", mvg_dtype_get_name(type->dtype),
                  mvg_shape_format(&type->shape, shape));
}

static void print_view(mvg_str *out, const mvg_graph *graph, const mvg_node *node) {
  static const char *const coords[MVG_MAX_RANK] = {"o0", "o1", "o2", "o3", "o4", "o5", "o6", "o7"};
  if (node->view.is_reshape) return;
  mvg_str_append(out, " {");
  uint32_t rank = mvg_graph_get_type(graph, node->inputs[0])->shape.rank;
  for (uint32_t i = 0; i < rank; ++i) {
    mvg_str_append(out, i ? ", " : " ");
    mvg_expr_print_text(out, node->view.index[i], coords);
  }
  if (node->view.valid) {
    mvg_str_append(out, " where ");
    mvg_expr_print_text(out, node->view.valid, coords);
  }
  mvg_str_append(out, " }");
}

static void print_body(mvg_str *out, const mvg_graph *graph, const mvg_node *node) {
  static const char *const combine_names[] = {"acc", "x"}, *const finish_names[] = {"acc", "count"};
  switch (node->kind) {
  case MVG_KIND_INPUT:
  case MVG_KIND_STATE:
    mvg_str_appendf(out, " \"%s\"", node->leaf.name);
    break;
  case MVG_KIND_CONST:
    if (mvg_shape_get_size(&node->outputs[0].shape) == 1) {
      double value = node->outputs[0].dtype == MVG_DTYPE_F32
                         ? *(const float *)node->constant.data
                         : *(const int32_t *)node->constant.data;
      mvg_str_appendf(out, " { %.9g }", value);
    }
    break;
  case MVG_KIND_MAP:
    mvg_str_append(out, " { ");
    mvg_expr_print_text(out, node->map.expr, NULL);
    mvg_str_append(out, " }");
    break;
  case MVG_KIND_VIEW:
    print_view(out, graph, node);
    break;
  case MVG_KIND_REDUCE:
    mvg_str_append(out, " over");
    for (uint32_t i = 0; i < MVG_MAX_RANK; ++i) {
      if (node->reduce.axes & (1u << i)) mvg_str_appendf(out, " %u", i);
    }
    mvg_str_append(out, " { ");
    mvg_expr_print_text(out, node->reduce.combine, combine_names);
    mvg_str_append(out, "; ");
    mvg_expr_print_text(out, node->reduce.finish, finish_names);
    mvg_str_append(out, " }");
    break;
  case MVG_KIND_KERNEL:
    mvg_str_appendf(out, " { %s", node->kernel.source);
    for (uint32_t i = 0; i < node->kernel.constant_count; ++i) {
      const mvg_constant *constant = &node->kernel.constants[i];
      if (constant->is_integer) {
        mvg_str_appendf(out, " %s=%" PRId64, constant->name, constant->integer);
      } else {
        mvg_str_appendf(out, " %s=%.9g", constant->name, constant->number);
      }
    }
    mvg_str_append(out, " }");
    break;
  default:
    break;
  }
}

void mvg_graph_print(const mvg_graph *graph, bool with_origins, mvg_str *out) {
  mvg_str_appendf(out, "graph \"%s\"\n", mvg_graph_get_name(graph));
  for (uint32_t id = 0; id < mvg_graph_get_node_count(graph); ++id) {
    const mvg_node *node = mvg_graph_get_node(graph, id);
    mvg_str_appendf(out, "  %%%u = %s %s(", id, mvg_kind_get_name(node->kind), node->op);
    for (uint32_t i = 0; i < node->input_count; ++i) {
      if (i) mvg_str_append(out, ", ");
      print_value(out, graph, node->inputs[i]);
    }
    mvg_str_append(out, ")");
    for (uint32_t i = 0; i < node->output_count; ++i) {
      mvg_str_append(out, i ? ", " : " ");
      print_type(out, &node->outputs[i]);
    }
    print_body(out, graph, node);
    if (with_origins && node->origin.file[0]) {
      mvg_str_appendf(out, "  ; %s:%u %s", node->origin.file, node->origin.line,
                      node->origin.module_path);
    }
    mvg_str_append(out, "\n");
  }
  for (uint32_t i = 0; i < mvg_graph_get_target_count(graph); ++i) {
    const mvg_target *target = mvg_graph_get_target(graph, i);
    mvg_str_appendf(out, "  %s \"%s\" ", target->is_update ? "update" : "output", target->name);
    print_value(out, graph, target->value);
    mvg_str_append(out, "\n");
  }
}

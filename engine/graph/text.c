// Graph -> text. The reader is in text_read.c.
#include "graph/text.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/base64.h"
#include "graph/text_names.h"

const char *const mvg_text_map_names[MVG_MAX_OPERANDS + 1] = {
    "v0",  "v1",  "v2",  "v3",  "v4",  "v5",  "v6",  "v7",  "v8",  "v9",  "v10", "v11", "v12",
    "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24"};
const char *const mvg_text_view_names[MVG_MAX_RANK] = {"o0", "o1", "o2", "o3",
                                                       "o4", "o5", "o6", "o7"};
const char *const mvg_text_combine_names[2] = {"acc", "x"};
const char *const mvg_text_finish_names[2] = {"acc", "count"};

static void print_quoted(mvg_str *out, const char *text) {
  mvg_str_append(out, "\"");
  for (; *text; ++text) {
    unsigned char c = (unsigned char)*text;
    if (c == '"' || c == '\\') {
      mvg_str_appendf(out, "\\%c", c);
    } else if (c < ' ' || c == 127) {
      mvg_str_appendf(out, "\\x%02x", c);
    } else {
      mvg_str_append_bytes(out, text, 1);
    }
  }
  mvg_str_append(out, "\"");
}

bool mvg_text_is_word_char(char c, bool is_first) {
  return isalnum((unsigned char)c) || (c && strchr("_./", c)) || (!is_first && c == '-');
}

// Bare where the reader takes it for one word.
static void print_word(mvg_str *out, const char *text) {
  bool is_word = text[0] != '\0';
  for (const char *c = text; *c; ++c)
    is_word = is_word && mvg_text_is_word_char(*c, c == text);
  if (is_word) {
    mvg_str_append(out, text);
  } else {
    print_quoted(out, text);
  }
}

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

#define MAX_LISTED 16 // elements of a constant that are numbers for people

// A NaN keeps its bits only as bytes, but for the two that text can name.
static bool is_listed(const mvg_type *type, const void *data) {
  int64_t count = mvg_shape_get_size(&type->shape);
  bool has_numbers = type->dtype == MVG_DTYPE_F32 || type->dtype == MVG_DTYPE_I32;
  if (count == 0) return true;
  if (count > MAX_LISTED || !has_numbers) return false;
  for (int64_t i = 0; i < count && type->dtype == MVG_DTYPE_F32; ++i) {
    uint32_t bits;
    memcpy(&bits, (const float *)data + i, sizeof bits);
    if (isnan(((const float *)data)[i]) && (bits & 0x7FFFFFFFu) != 0x7FC00000u) return false;
  }
  return true;
}

static void print_const(mvg_str *out, const mvg_type *type, const void *data) {
  int64_t count = mvg_shape_get_size(&type->shape);
  mvg_str_append(out, " { ");
  if (!is_listed(type, data)) {
    mvg_str_append(out, "base64 ");
    mvg_base64_append(out, data, (size_t)count * mvg_dtype_get_size(type->dtype));
  }
  for (int64_t i = 0; i < count && is_listed(type, data); ++i) {
    if (i) mvg_str_append(out, ", ");
    if (type->dtype == MVG_DTYPE_F32) {
      mvg_str_appendf(out, "%.9g", (double)((const float *)data)[i]);
    } else {
      mvg_str_appendf(out, "%" PRId32, ((const int32_t *)data)[i]);
    }
  }
  mvg_str_append(out, count ? " }" : "}");
}

static void print_view(mvg_str *out, const mvg_graph *graph, const mvg_node *node) {
  if (node->view.is_reshape) return; // its index follows from the shapes
  mvg_str_append(out, " {");
  uint32_t rank = mvg_graph_get_type(graph, node->inputs[0])->shape.rank;
  for (uint32_t i = 0; i < rank; ++i) {
    mvg_str_append(out, i ? ", " : " ");
    mvg_expr_print_text(out, node->view.index[i], mvg_text_view_names);
  }
  if (node->view.valid) {
    mvg_str_append(out, " where ");
    mvg_expr_print_text(out, node->view.valid, mvg_text_view_names);
  }
  mvg_str_append(out, " }");
}

static void print_reduce(mvg_str *out, const mvg_reduce_body *reduce) {
  mvg_str_append(out, " over");
  for (uint32_t i = 0; i < MVG_MAX_RANK; ++i) {
    if (reduce->axes & (1u << i)) mvg_str_appendf(out, " %u", i);
  }
  mvg_str_append(out, " { ");
  mvg_expr_print_text(out, reduce->init, NULL);
  mvg_str_append(out, "; ");
  mvg_expr_print_text(out, reduce->combine, mvg_text_combine_names);
  mvg_str_append(out, "; ");
  mvg_expr_print_text(out, reduce->finish, mvg_text_finish_names);
  mvg_str_append(out, " }");
}

static void print_constants(mvg_str *out, const mvg_constant *constants, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    mvg_str_append(out, " ");
    print_word(out, constants[i].name);
    if (constants[i].is_integer) {
      mvg_str_appendf(out, "=%" PRId64, constants[i].integer);
    } else { // a point or an exponent tells it from an integer
      double number = constants[i].number;
      bool is_bare = isfinite(number) && number == floor(number) && fabs(number) < 1e17;
      mvg_str_appendf(out, is_bare ? "=%.1f" : "=%.17g", number);
    }
  }
}

static void print_names(mvg_str *out, const char *const *names, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    mvg_str_append(out, i ? ", " : " ");
    print_word(out, names[i]);
  }
}

static void print_kernel(mvg_str *out, const mvg_node *node) {
  const mvg_kernel_body *kernel = &node->kernel;
  mvg_str_append(out, " { ");
  print_word(out, kernel->source);
  print_names(out, kernel->input_names, node->input_count);
  mvg_str_append(out, " ->");
  print_names(out, kernel->output_names, node->output_count);
  if (kernel->constant_count) {
    mvg_str_append(out, "; with");
    print_constants(out, kernel->constants, kernel->constant_count);
  }
  if (kernel->invocations) mvg_str_appendf(out, "; invocations %" PRIu64, kernel->invocations);
  const uint32_t *groups = kernel->groups;
  if (groups[0] || groups[1] || groups[2]) {
    mvg_str_appendf(out, "; groups %u %u %u", groups[0], groups[1], groups[2]);
  }
  if (kernel->local_size) mvg_str_appendf(out, "; local %u", kernel->local_size);
  if (kernel->operations >= 0) mvg_str_appendf(out, "; operations %.0f", kernel->operations);
  if (kernel->binding) {
    mvg_str_append(out, "; binding ");
    print_word(out, kernel->binding);
  }
  mvg_str_append(out, " }");
}

static void print_body(mvg_str *out, const mvg_graph *graph, const mvg_node *node) {
  switch (node->kind) {
  case MVG_KIND_INPUT:
  case MVG_KIND_STATE:
    mvg_str_append(out, " ");
    print_quoted(out, node->leaf.name);
    mvg_str_appendf(out, " slot %u", node->leaf.slot);
    break;
  case MVG_KIND_CONST:
    print_const(out, &node->outputs[0], node->constant.data);
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
    print_reduce(out, &node->reduce);
    break;
  case MVG_KIND_KERNEL:
    print_kernel(out, node);
    break;
  case MVG_KIND_HOST:
    if (!node->host.constant_count) break;
    mvg_str_append(out, " {");
    print_constants(out, node->host.constants, node->host.constant_count);
    mvg_str_append(out, " }");
    break;
  case MVG_KIND_COUNT:
    break;
  }
}

static void print_origin(mvg_str *out, const mvg_origin *origin) {
  if (!origin->file[0]) return;
  mvg_str_append(out, origin->is_gradient ? "  ; gradient of " : "  ; ");
  print_word(out, origin->file);
  mvg_str_appendf(out, ":%u", origin->line);
  if (!origin->module_path[0]) return;
  mvg_str_append(out, " ");
  print_word(out, origin->module_path);
}

static void print_node(mvg_str *out, const mvg_graph *graph, uint32_t id, bool with_origin) {
  const mvg_node *node = mvg_graph_get_node(graph, id);
  mvg_str_appendf(out, "  %%%u = %s ", id, mvg_kind_get_name(node->kind));
  print_word(out, node->op);
  mvg_str_append(out, "(");
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
  if (with_origin) print_origin(out, &node->origin);
  mvg_str_append(out, "\n");
}

void mvg_graph_print(const mvg_graph *graph, bool with_origins, mvg_str *out) {
  mvg_str_append(out, "graph ");
  print_quoted(out, mvg_graph_get_name(graph));
  mvg_str_append(out, "\n");
  for (uint32_t id = 0; id < mvg_graph_get_node_count(graph); ++id)
    print_node(out, graph, id, with_origins);
  for (uint32_t i = 0; i < mvg_graph_get_target_count(graph); ++i) {
    const mvg_target *target = mvg_graph_get_target(graph, i);
    mvg_str_append(out, target->is_update ? "  update " : "  output ");
    print_quoted(out, target->name);
    mvg_str_append(out, " ");
    print_value(out, graph, target->value);
    if (target->is_update) mvg_str_appendf(out, " slot %u", target->slot);
    mvg_str_append(out, "\n");
  }
}

// Text -> graph: lines, nodes, types and targets. Bodies are read in text_body.c.
#include <string.h>

#include "graph/text.h"
#include "graph/text_body.h"
#include "graph/text_names.h"
#include "graph/verify.h"

static mvg_status read_shape(mvg_text_cursor *c, mvg_shape *out) {
  *out = (mvg_shape){0};
  MVG_RETURN_IF_ERROR(mvg_text_expect(c, "["));
  if (mvg_text_accept(c, "]")) return NULL;
  do {
    if (out->rank == MVG_MAX_RANK) {
      return mvg_text_fail(c, "a shape has at most %d axes", MVG_MAX_RANK);
    }
    uint64_t size;
    MVG_RETURN_IF_ERROR(mvg_text_read_uint(c, "the length of an axis", INT32_MAX, &size));
    out->dims[out->rank++] = (int64_t)size;
  } while (mvg_text_accept(c, ","));
  MVG_RETURN_IF_ERROR(mvg_text_expect(c, "]"));
  return mvg_text_locate(c, mvg_shape_validate(out));
}

static mvg_status read_type(mvg_text_cursor *c, mvg_type *out) {
  const char *name;
  MVG_RETURN_IF_ERROR(mvg_text_read_word(c, "an element type such as f32", &name));
  if (!mvg_dtype_parse(name, &out->dtype)) {
    return mvg_text_fail(c, "there is no element type '%s'; f32, i32, f16 and bf16 are known",
                         name);
  }
  return read_shape(c, &out->shape);
}

static mvg_status read_value(mvg_text_reader *r, mvg_value *out) {
  mvg_text_cursor *c = &r->cursor;
  uint64_t node, output = 0;
  (void)mvg_text_is_at_end(c); // goes to the first character
  const mvg_text_cursor begin = *c;
  MVG_RETURN_IF_ERROR(mvg_text_expect(c, "%"));
  MVG_RETURN_IF_ERROR(mvg_text_read_uint(c, "the number of a node", UINT32_MAX, &node));
  if (node >= mvg_graph_get_node_count(r->graph)) {
    return mvg_text_fail(&begin,
                         "%%%u is not defined above this line; a node stands before its users",
                         (uint32_t)node);
  }
  uint32_t count = mvg_graph_get_node(r->graph, (uint32_t)node)->output_count;
  if (*c->at == '.') {
    ++c->at;
    MVG_RETURN_IF_ERROR(mvg_text_read_uint(c, "the number of an output", UINT32_MAX, &output));
  }
  if (output >= count) {
    return mvg_text_fail(&begin, "%%%u has %u outputs, numbered from 0", (uint32_t)node, count);
  }
  *out = (mvg_value){(uint32_t)node, (uint32_t)output};
  return NULL;
}

static mvg_status read_inputs(mvg_text_reader *r, mvg_value *inputs, uint32_t *out_count) {
  mvg_text_cursor *c = &r->cursor;
  *out_count = 0;
  MVG_RETURN_IF_ERROR(mvg_text_expect(c, "("));
  if (mvg_text_accept(c, ")")) return NULL;
  do {
    if (*out_count == MVG_MAX_OPERANDS) {
      return mvg_text_fail(c, "a node has at most %d inputs", MVG_MAX_OPERANDS);
    }
    MVG_RETURN_IF_ERROR(read_value(r, &inputs[(*out_count)++]));
  } while (mvg_text_accept(c, ","));
  return mvg_text_expect(c, ")");
}

static mvg_status read_outputs(mvg_text_cursor *c, mvg_type *types, uint32_t *out_count) {
  *out_count = 0;
  do {
    if (*out_count == MVG_MAX_OPERANDS) {
      return mvg_text_fail(c, "a node has at most %d outputs", MVG_MAX_OPERANDS);
    }
    MVG_RETURN_IF_ERROR(read_type(c, &types[(*out_count)++]));
  } while (mvg_text_accept(c, ","));
  return NULL;
}

static mvg_status read_kind(mvg_text_cursor *c, mvg_kind *out) {
  for (int kind = 0; kind < MVG_KIND_COUNT; ++kind) {
    if (mvg_text_accept_word(c, mvg_kind_get_name((mvg_kind)kind))) {
      *out = (mvg_kind)kind;
      return NULL;
    }
  }
  return mvg_text_fail(c, "expected what kind of node this is: input, state, const, map, view, "
                          "reduce, kernel or host");
}

static mvg_status read_origin(mvg_text_cursor *c, mvg_origin *out) {
  *out = (mvg_origin){.file = "", .module_path = ""};
  if (!mvg_text_accept(c, ";")) return mvg_text_end_line(c);
  uint64_t line;
  out->is_gradient = mvg_text_accept(c, "gradient of");
  MVG_RETURN_IF_ERROR(mvg_text_read_word(c, "the script that made the node", &out->file));
  MVG_RETURN_IF_ERROR(mvg_text_expect(c, ":"));
  MVG_RETURN_IF_ERROR(mvg_text_read_uint(c, "the script's line", UINT32_MAX, &line));
  out->line = (uint32_t)line;
  if (mvg_text_is_at_end(c)) return NULL;
  MVG_RETURN_IF_ERROR(mvg_text_read_word(c, "a module path", &out->module_path));
  return mvg_text_end_line(c);
}

// A reshape's index follows from its shapes; the builder makes it.
static mvg_status add_node(mvg_graph *graph, const mvg_node *node, const mvg_origin *origin) {
  mvg_graph_set_origin(graph, origin);
  if (node->kind == MVG_KIND_VIEW && node->view.is_reshape) {
    mvg_value value;
    if (mvg_graph_get_type(graph, node->inputs[0])->dtype != node->outputs[0].dtype) {
      return MVG_ERROR(MVG_INVALID_ARGUMENT, "a reshape keeps the element type");
    }
    return mvg_graph_reshape(graph, node->def, node->op, node->inputs[0], &node->outputs[0].shape,
                             &value);
  }
  uint32_t id;
  return mvg_graph_add_node(graph, node, &id);
}

// %7 = map add(%3, %5) f32[8] { (v0 + v1) }  ; net.lua:7 net.head
static mvg_status read_node(mvg_text_reader *r) {
  mvg_text_cursor *c = &r->cursor;
  const mvg_text_cursor begin = *c;
  mvg_value inputs[MVG_MAX_OPERANDS];
  mvg_type outputs[MVG_MAX_OPERANDS];
  mvg_node node = {.inputs = inputs, .outputs = outputs};
  mvg_origin origin;
  uint64_t number;
  uint32_t next = mvg_graph_get_node_count(r->graph);
  MVG_RETURN_IF_ERROR(mvg_text_read_uint(c, "the number of a node", UINT32_MAX, &number));
  if (number != next) return mvg_text_fail(c, "nodes are numbered in order: this is %%%u", next);
  MVG_RETURN_IF_ERROR(mvg_text_expect(c, "="));
  MVG_RETURN_IF_ERROR(read_kind(c, &node.kind));
  MVG_RETURN_IF_ERROR(mvg_text_read_word(c, "the name of an operator", &node.op));
  MVG_RETURN_IF_ERROR(read_inputs(r, inputs, &node.input_count));
  MVG_RETURN_IF_ERROR(read_outputs(c, outputs, &node.output_count));
  bool has_one_input = node.kind == MVG_KIND_VIEW || node.kind == MVG_KIND_REDUCE;
  if (has_one_input && node.input_count != 1) return mvg_text_fail(c, "this has one input");
  bool is_leaf = node.kind <= MVG_KIND_CONST;
  if (is_leaf && node.input_count) return mvg_text_fail(c, "a leaf of the graph has no inputs");
  MVG_RETURN_IF_ERROR(mvg_text_read_body(r, &node));
  MVG_RETURN_IF_ERROR(read_origin(c, &origin));
  if (r->source->find) node.def = r->source->find(r->source->context, node.kind, node.op);
  return mvg_text_locate(&begin, add_node(r->graph, &node, &origin));
}

// output "y" %6, or update "net.bias" %8.1 slot 4
static mvg_status read_target(mvg_text_reader *r, bool is_update) {
  mvg_text_cursor *c = &r->cursor;
  mvg_target target = {.is_update = is_update};
  uint64_t slot = 0;
  MVG_RETURN_IF_ERROR(mvg_text_read_quoted(c, "a target's name in quotes", &target.name));
  MVG_RETURN_IF_ERROR(read_value(r, &target.value));
  if (is_update) {
    MVG_RETURN_IF_ERROR(mvg_text_expect(c, "slot"));
    MVG_RETURN_IF_ERROR(mvg_text_read_uint(c, "a slot", MVG_MAX_SLOTS - 1, &slot));
    target.slot = (uint32_t)slot;
  }
  MVG_RETURN_IF_ERROR(mvg_text_end_line(c));
  return mvg_graph_add_target(r->graph, &target);
}

static mvg_status read_line(mvg_text_reader *r) {
  if (mvg_text_accept(&r->cursor, "%")) return read_node(r);
  if (mvg_text_accept_word(&r->cursor, "output")) return read_target(r, false);
  if (mvg_text_accept_word(&r->cursor, "update")) return read_target(r, true);
  return mvg_text_fail(&r->cursor, "expected a node '%%%u = ...', 'output' or 'update'",
                       mvg_graph_get_node_count(r->graph));
}

static mvg_status read_graph(mvg_text_reader *r) {
  mvg_text_cursor *c = &r->cursor;
  const char *name;
  (void)mvg_text_go_to_line(c);
  if (!mvg_text_accept_word(c, "graph")) {
    return mvg_text_fail(c, "expected 'graph \"NAME\"'; `mvgraph graph` prints such text");
  }
  MVG_RETURN_IF_ERROR(mvg_text_read_quoted(c, "the graph's name in quotes", &name));
  MVG_RETURN_IF_ERROR(mvg_text_end_line(c));
  MVG_RETURN_IF_ERROR(mvg_graph_create(name, &r->graph));
  while (mvg_text_go_to_line(c))
    MVG_RETURN_IF_ERROR(read_line(r));
  return mvg_status_annotate(mvg_verify_graph(r->graph), "%s", c->file);
}

mvg_status mvg_graph_read(const char *text, const mvg_text_source *source, mvg_graph **out_graph) {
  *out_graph = NULL;
  mvg_arena scratch = {0};
  mvg_text_reader r = {.source = source,
                       .cursor = {.file = source->file,
                                  .line = source->first_line ? source->first_line : 1,
                                  .line_begin = text,
                                  .at = text,
                                  .arena = &scratch}};
  mvg_status status = read_graph(&r);
  mvg_arena_deinit(&scratch);
  if (status) {
    mvg_graph_destroy(r.graph);
    return status;
  }
  *out_graph = r.graph;
  return NULL;
}

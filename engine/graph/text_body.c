#include "graph/text_body.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/base64.h"
#include "graph/text_names.h"

static mvg_status keep_string(mvg_text_reader *r, const char **inout) {
  return mvg_arena_string(mvg_graph_get_arena(r->graph), *inout, inout);
}

static mvg_status read_expr(mvg_text_reader *r, const char *stops, const char *const *names,
                            uint32_t name_count, const mvg_expr **out) {
  (void)mvg_text_is_at_end(&r->cursor); // goes to the first character
  const mvg_text_cursor begin = r->cursor;
  const char *text;
  MVG_RETURN_IF_ERROR(mvg_text_read_span(&r->cursor, stops, &text));
  mvg_status status = mvg_expr_parse(mvg_graph_get_arena(r->graph), text, names, name_count, out);
  return status ? mvg_text_locate(&begin, status) : NULL;
}

static mvg_status read_leaf(mvg_text_reader *r, mvg_leaf_body *out) {
  uint64_t slot;
  MVG_RETURN_IF_ERROR(mvg_text_read_quoted(&r->cursor, "a name in quotes", &out->name));
  MVG_RETURN_IF_ERROR(mvg_text_expect(&r->cursor, "slot"));
  MVG_RETURN_IF_ERROR(mvg_text_read_uint(&r->cursor, "a slot", MVG_MAX_SLOTS - 1, &slot));
  out->slot = (uint32_t)slot;
  return keep_string(r, &out->name);
}

// ---- constants ----

static mvg_status read_element(mvg_text_cursor *c, mvg_dtype dtype, void *data, int64_t index) {
  char *end;
  bool is_bad = false;
  if (mvg_text_is_at_end(c)) return mvg_text_fail(c, "the line ends inside of the numbers");
  errno = 0;
  if (dtype == MVG_DTYPE_F32) {
    ((float *)data)[index] = strtof(c->at, &end);
  } else if (dtype != MVG_DTYPE_I32) {
    return mvg_text_fail(c, "numbers of type %s are given as base64", mvg_dtype_get_name(dtype));
  } else {
    long long value = strtoll(c->at, &end, 10);
    is_bad = value < INT32_MIN || value > INT32_MAX;
    ((int32_t *)data)[index] = is_bad ? 0 : (int32_t)value;
  }
  if (end == c->at || is_bad) {
    return mvg_text_fail(c, "expected a number of type %s", mvg_dtype_get_name(dtype));
  }
  c->at = end;
  return NULL;
}

static mvg_status read_data(mvg_text_cursor *c, const mvg_type *type, void *data) {
  int64_t count = mvg_shape_get_size(&type->shape);
  if (mvg_text_accept_word(c, "base64")) {
    if (mvg_text_is_at_end(c)) return mvg_text_fail(c, "the line ends before the data");
    size_t size_bytes = (size_t)count * mvg_dtype_get_size(type->dtype);
    size_t used = mvg_base64_read(c->at, data, size_bytes);
    if (!used) return mvg_text_fail(c, "expected base64 of %zu bytes", size_bytes);
    c->at += used;
    return NULL;
  }
  for (int64_t i = 0; i < count; ++i) {
    if (i) MVG_RETURN_IF_ERROR(mvg_text_expect(c, ","));
    MVG_RETURN_IF_ERROR(read_element(c, type->dtype, data, i));
  }
  return NULL;
}

// The text has a character an element at least: a shape alone takes no memory.
static mvg_status read_const(mvg_text_reader *r, const mvg_type *type, mvg_const_body *out) {
  mvg_text_cursor *c = &r->cursor;
  MVG_RETURN_IF_ERROR(mvg_text_expect(c, "{"));
  size_t count = (size_t)mvg_shape_get_size(&type->shape), left = strcspn(c->at, "\n");
  if (count > left) return mvg_text_fail(c, "%zu elements do not fit the rest of the line", count);
  void *data;
  MVG_RETURN_IF_ERROR(mvg_arena_alloc(mvg_graph_get_arena(r->graph), count,
                                      mvg_dtype_get_size(type->dtype), &data));
  out->data = data;
  MVG_RETURN_IF_ERROR(read_data(c, type, data));
  return mvg_text_expect(c, "}");
}

// ---- expressions ----

static mvg_status read_map(mvg_text_reader *r, mvg_node *node) {
  MVG_RETURN_IF_ERROR(mvg_text_expect(&r->cursor, "{"));
  MVG_RETURN_IF_ERROR(
      read_expr(r, "}", mvg_text_map_names, node->input_count + 1, &node->map.expr));
  return mvg_text_expect(&r->cursor, "}");
}

static mvg_status read_view(mvg_text_reader *r, mvg_node *node) {
  mvg_text_cursor *c = &r->cursor;
  node->view.is_reshape = !mvg_text_accept(c, "{");
  if (node->view.is_reshape) return NULL;
  uint32_t input_rank = mvg_graph_get_type(r->graph, node->inputs[0])->shape.rank;
  uint32_t rank = node->outputs[0].shape.rank;
  const mvg_expr **index;
  MVG_RETURN_IF_ERROR(
      mvg_arena_alloc(mvg_graph_get_arena(r->graph), input_rank, sizeof *index, (void **)&index));
  for (uint32_t i = 0; i < input_rank; ++i) {
    if (i) MVG_RETURN_IF_ERROR(mvg_text_expect(c, ","));
    MVG_RETURN_IF_ERROR(read_expr(r, ",}", mvg_text_view_names, rank, &index[i]));
  }
  node->view.index = index;
  if (mvg_text_accept_word(c, "where")) {
    MVG_RETURN_IF_ERROR(read_expr(r, "}", mvg_text_view_names, rank, &node->view.valid));
  }
  return mvg_text_expect(c, "}");
}

static mvg_status read_reduce(mvg_text_reader *r, mvg_node *node) {
  mvg_text_cursor *c = &r->cursor;
  mvg_reduce_body *body = &node->reduce;
  MVG_RETURN_IF_ERROR(mvg_text_expect(c, "over"));
  while (!mvg_text_accept(c, "{")) {
    uint64_t axis;
    MVG_RETURN_IF_ERROR(mvg_text_read_uint(c, "a reduced axis", MVG_MAX_RANK - 1, &axis));
    body->axes |= 1u << axis;
  }
  MVG_RETURN_IF_ERROR(read_expr(r, ";", NULL, 0, &body->init));
  MVG_RETURN_IF_ERROR(mvg_text_expect(c, ";"));
  MVG_RETURN_IF_ERROR(read_expr(r, ";", mvg_text_combine_names, 2, &body->combine));
  MVG_RETURN_IF_ERROR(mvg_text_expect(c, ";"));
  MVG_RETURN_IF_ERROR(read_expr(r, "}", mvg_text_finish_names, 2, &body->finish));
  return mvg_text_expect(c, "}");
}

// ---- kernels and host operators ----

static mvg_status read_constant(mvg_text_reader *r, mvg_constant *out) {
  mvg_text_cursor *c = &r->cursor;
  MVG_RETURN_IF_ERROR(mvg_text_read_word(c, "the name of a constant", &out->name));
  MVG_RETURN_IF_ERROR(keep_string(r, &out->name));
  MVG_RETURN_IF_ERROR(mvg_text_expect(c, "="));
  if (mvg_text_is_at_end(c)) return mvg_text_fail(c, "the line ends before a number");
  char *end, *integer_end;
  errno = 0;
  out->integer = strtoll(c->at, &integer_end, 10);
  bool is_too_large = errno != 0;
  out->number = strtod(c->at, &end);
  if (end == c->at) return mvg_text_fail(c, "expected a number");
  out->is_integer = integer_end == end;
  if (out->is_integer && is_too_large) return mvg_text_fail(c, "this integer has over 63 bits");
  bool is_whole =
      out->number >= -0x1p63 && out->number < 0x1p63 && (double)(int64_t)out->number == out->number;
  if (!out->is_integer) out->integer = is_whole ? (int64_t)out->number : 0;
  c->at = end;
  return NULL;
}

// K=3 EPS=1e-05 up to ';' or '}'.
static mvg_status read_constants(mvg_text_reader *r, const mvg_constant **out,
                                 uint32_t *out_count) {
  MVG_ARRAY(mvg_constant) found = {0};
  mvg_status status = NULL;
  while (!status && *r->cursor.at != ';' && *r->cursor.at != '}') {
    mvg_constant constant;
    status = read_constant(r, &constant);
    if (!status) status = mvg_array_push(&found, constant);
    (void)mvg_text_is_at_end(&r->cursor);
  }
  if (!status) {
    status = mvg_arena_copy(mvg_graph_get_arena(r->graph), found.items, found.count,
                            sizeof *found.items, (void **)out);
    *out_count = (uint32_t)found.count;
  }
  mvg_array_deinit(&found);
  return status;
}

static mvg_status read_names(mvg_text_reader *r, uint32_t count, const char *const **out) {
  const char **names;
  MVG_RETURN_IF_ERROR(
      mvg_arena_alloc(mvg_graph_get_arena(r->graph), count, sizeof *names, (void **)&names));
  for (uint32_t i = 0; i < count; ++i) {
    if (i) MVG_RETURN_IF_ERROR(mvg_text_expect(&r->cursor, ","));
    MVG_RETURN_IF_ERROR(mvg_text_read_word(&r->cursor, "a name for every operand", &names[i]));
    MVG_RETURN_IF_ERROR(keep_string(r, &names[i]));
  }
  *out = names;
  return NULL;
}

static mvg_status read_groups(mvg_text_cursor *c, uint32_t groups[3]) {
  for (int i = 0; i < 3; ++i) {
    uint64_t count;
    MVG_RETURN_IF_ERROR(mvg_text_read_uint(c, "a number of workgroups", UINT32_MAX, &count));
    groups[i] = (uint32_t)count;
  }
  return NULL;
}

// One part of a kernel's body after ';'.
static mvg_status read_kernel_part(mvg_text_reader *r, mvg_kernel_body *out) {
  mvg_text_cursor *c = &r->cursor;
  uint64_t local_size, operations;
  if (mvg_text_accept_word(c, "with")) {
    (void)mvg_text_is_at_end(c);
    return read_constants(r, &out->constants, &out->constant_count);
  }
  if (mvg_text_accept_word(c, "invocations")) {
    return mvg_text_read_uint(c, "a number of invocations", UINT64_MAX, &out->invocations);
  }
  if (mvg_text_accept_word(c, "groups")) return read_groups(c, out->groups);
  if (mvg_text_accept_word(c, "local")) {
    MVG_RETURN_IF_ERROR(mvg_text_read_uint(c, "a workgroup's size", UINT32_MAX, &local_size));
    out->local_size = (uint32_t)local_size;
    return NULL;
  }
  if (mvg_text_accept_word(c, "operations")) {
    MVG_RETURN_IF_ERROR(mvg_text_read_uint(c, "a number of operations", UINT64_MAX, &operations));
    out->operations = (double)operations;
    return NULL;
  }
  if (!mvg_text_accept_word(c, "binding")) {
    return mvg_text_fail(
        c, "expected 'with', 'invocations', 'groups', 'local', 'operations' or 'binding'");
  }
  MVG_RETURN_IF_ERROR(mvg_text_read_word(c, "the name of a host kernel", &out->binding));
  return keep_string(r, &out->binding);
}

static mvg_status read_kernel(mvg_text_reader *r, mvg_node *node) {
  mvg_text_cursor *c = &r->cursor;
  mvg_kernel_body *body = &node->kernel;
  body->operations = -1;
  MVG_RETURN_IF_ERROR(mvg_text_expect(c, "{"));
  MVG_RETURN_IF_ERROR(mvg_text_read_word(c, "a file below kernels/", &body->source));
  MVG_RETURN_IF_ERROR(keep_string(r, &body->source));
  MVG_RETURN_IF_ERROR(read_names(r, node->input_count, &body->input_names));
  MVG_RETURN_IF_ERROR(mvg_text_expect(c, "->"));
  MVG_RETURN_IF_ERROR(read_names(r, node->output_count, &body->output_names));
  while (mvg_text_accept(c, ";"))
    MVG_RETURN_IF_ERROR(read_kernel_part(r, body));
  return mvg_text_expect(c, "}");
}

static mvg_status read_host(mvg_text_reader *r, mvg_host_body *body) {
  if (!mvg_text_accept(&r->cursor, "{")) return NULL;
  (void)mvg_text_is_at_end(&r->cursor);
  MVG_RETURN_IF_ERROR(read_constants(r, &body->constants, &body->constant_count));
  return mvg_text_expect(&r->cursor, "}");
}

mvg_status mvg_text_read_body(mvg_text_reader *r, mvg_node *node) {
  switch (node->kind) {
  case MVG_KIND_INPUT:
  case MVG_KIND_STATE:
    return read_leaf(r, &node->leaf);
  case MVG_KIND_CONST:
    return read_const(r, &node->outputs[0], &node->constant);
  case MVG_KIND_MAP:
    return read_map(r, node);
  case MVG_KIND_VIEW:
    return read_view(r, node);
  case MVG_KIND_REDUCE:
    return read_reduce(r, node);
  case MVG_KIND_KERNEL:
    return read_kernel(r, node);
  case MVG_KIND_HOST:
    return read_host(r, &node->host);
  case MVG_KIND_COUNT:
    break;
  }
  return NULL;
}

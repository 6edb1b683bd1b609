#include "graph/verify.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "graph/compare.h"
#include "graph/expr_range.h"

static mvg_status MVG_PRINTF(2, 3) fail(const mvg_node *node, const char *format, ...) {
  char origin[MVG_ORIGIN_TEXT_SIZE], what[192];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(what, sizeof what, format, arguments);
  va_end(arguments);
  return MVG_ERROR(MVG_INVALID_ARGUMENT, "%s: %s", mvg_node_format_origin(node, origin), what);
}

// Whether an expression reads no variable from `count` on.
static bool knows_vars(const mvg_expr *expr, uint32_t count) {
  if (expr->op == MVG_EXPR_VAR) return expr->var < count;
  for (uint32_t i = 0; i < mvg_expr_get_arity(expr->op); ++i) {
    if (!knows_vars(expr->args[i], count)) return false;
  }
  return true;
}

static mvg_status verify_leaf(const mvg_node *node) {
  if (node->input_count) return fail(node, "a leaf has no inputs");
  if (node->kind == MVG_KIND_CONST) {
    bool has_data = node->constant.data || mvg_shape_get_size(&node->outputs[0].shape) == 0;
    return has_data ? NULL : fail(node, "a constant without data");
  }
  if (!node->leaf.name) return fail(node, "a leaf without a name");
  if (node->leaf.slot >= MVG_MAX_SLOTS) return fail(node, "a slot is below %d", MVG_MAX_SLOTS);
  return NULL;
}

static mvg_status verify_map(const mvg_graph *graph, const mvg_node *node) {
  if (!node->map.expr) return fail(node, "a map without an expression");
  if (!knows_vars(node->map.expr, node->input_count + 1)) {
    return fail(node, "a map reads a variable beyond its inputs and the index");
  }
  mvg_shape shape = {0};
  for (uint32_t i = 0; i < node->input_count; ++i) {
    MVG_RETURN_IF_ERROR(
        mvg_shape_broadcast(&shape, &mvg_graph_get_type(graph, node->inputs[i])->shape));
  }
  bool matches = node->input_count == 0 || mvg_shape_is_equal(&shape, &node->outputs[0].shape);
  return matches ? NULL : fail(node, "a map's shape must be the broadcast of its inputs");
}

// ---- views ----

// Reads the element that lies at the corner `bits` of the output: bit i set means that axis i is at
// its end.
static mvg_status verify_corner(const mvg_node *node, const mvg_shape *input, uint32_t bits) {
  int64_t at[MVG_MAX_RANK] = {0};
  mvg_shape place = {.rank = node->outputs[0].shape.rank};
  for (uint32_t i = 0; i < place.rank; ++i)
    place.dims[i] = at[i] = bits >> i & 1 ? node->outputs[0].shape.dims[i] - 1 : 0;
  if (node->view.valid && !mvg_expr_eval_int(node->view.valid, at)) return NULL;
  for (uint32_t i = 0; i < input->rank; ++i) {
    int64_t index = mvg_expr_eval_int(node->view.index[i], at);
    if (index >= 0 && index < input->dims[i]) continue;
    char text[MVG_SHAPE_TEXT_SIZE];
    return fail(node, "element %s reads index %" PRId64 " of axis %u, which has %" PRId64,
                mvg_shape_format(&place, text), index, i, input->dims[i]);
  }
  return NULL;
}

// Where intervals do not prove that indices stay inside, the corners of the output must: index
// arithmetic takes its extremes there, unless it wraps.
static mvg_status verify_index(const mvg_node *node, const mvg_shape *input) {
  const mvg_shape *shape = &node->outputs[0].shape;
  mvg_range vars[MVG_MAX_RANK], range;
  for (uint32_t i = 0; i < shape->rank; ++i)
    vars[i] = (mvg_range){0, shape->dims[i] ? shape->dims[i] - 1 : 0};
  bool is_inside = true;
  for (uint32_t i = 0; i <= input->rank; ++i) {
    const mvg_expr *expr = i < input->rank ? node->view.index[i] : node->view.valid;
    if (!expr) continue;
    if (!knows_vars(expr, shape->rank)) {
      return fail(node, "an index reads a coordinate beyond the output's %u axes", shape->rank);
    }
    mvg_status status = mvg_expr_get_range(expr, vars, &range);
    if (status) {
      char origin[MVG_ORIGIN_TEXT_SIZE];
      return mvg_status_annotate(status, "%s: its %s", mvg_node_format_origin(node, origin),
                                 i < input->rank ? "index" : "condition");
    }
    if (i < input->rank) is_inside = is_inside && range.low >= 0 && range.high < input->dims[i];
  }
  if (is_inside || mvg_shape_get_size(shape) == 0) return NULL;
  for (uint32_t bits = 0; bits < 1u << shape->rank; ++bits)
    MVG_RETURN_IF_ERROR(verify_corner(node, input, bits));
  return NULL;
}

static mvg_status verify_view(const mvg_graph *graph, const mvg_node *node) {
  if (node->input_count != 1) return fail(node, "a view has one input");
  const mvg_type *input = mvg_graph_get_type(graph, node->inputs[0]);
  for (uint32_t i = 0; i < input->shape.rank; ++i) {
    if (!node->view.index[i]) return fail(node, "a view needs an index for every input axis");
  }
  if (input->dtype != node->outputs[0].dtype) return fail(node, "a view keeps the element type");
  if (node->view.is_reshape) {
    int64_t size = mvg_shape_get_size(&input->shape);
    bool is_whole = !node->view.valid && size == mvg_shape_get_size(&node->outputs[0].shape);
    return is_whole ? NULL : fail(node, "a reshape keeps all elements");
  }
  return verify_index(node, &input->shape);
}

static mvg_status verify_reduce(const mvg_graph *graph, const mvg_node *node) {
  if (node->input_count != 1) return fail(node, "a reduction has one input");
  const mvg_type *type = mvg_graph_get_type(graph, node->inputs[0]);
  const mvg_shape *input = &type->shape;
  mvg_shape kept = {0};
  for (uint32_t i = 0; i < input->rank; ++i) {
    if (!(node->reduce.axes & (1u << i))) kept.dims[kept.rank++] = input->dims[i];
  }
  if (node->reduce.axes >> input->rank) return fail(node, "a reduced axis does not exist");
  if (!node->reduce.init || !node->reduce.combine || !node->reduce.finish) {
    return fail(node, "a reduction needs init, combine and finish");
  }
  if (!knows_vars(node->reduce.init, 0) || !knows_vars(node->reduce.combine, 2) ||
      !knows_vars(node->reduce.finish, 2)) {
    return fail(node, "a reduction reads the accumulator and one more variable, init neither");
  }
  mvg_dtype sum = mvg_dtype_is_half(type->dtype) ? MVG_DTYPE_F32 : type->dtype;
  if (sum != node->outputs[0].dtype) {
    return fail(node, "a reduction keeps the element type, and makes f32 of halves");
  }
  return mvg_shape_is_equal(&kept, &node->outputs[0].shape)
             ? NULL
             : fail(node, "a reduction drops exactly its reduced axes");
}

// ---- kernels and host operators ----

static bool is_identifier(const char *text) {
  bool is_good = text && !isdigit((unsigned char)text[0]) && text[0];
  for (; is_good && *text; ++text)
    is_good = isalnum((unsigned char)*text) || *text == '_';
  return is_good;
}

static mvg_status verify_constants(const mvg_node *node, const mvg_constant *constants,
                                   uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    if (!is_identifier(constants[i].name)) {
      return fail(node, "constant %u needs a name of letters and digits", i);
    }
    if (i && strcmp(constants[i - 1].name, constants[i].name) >= 0) {
      return fail(node, "constants are sorted by name, each given once; '%s' is not",
                  constants[i].name);
    }
  }
  return NULL;
}

// Names become those of functions in the shader.
static mvg_status verify_names(const mvg_node *node, const char *const *names, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    if (!names || !is_identifier(names[i])) {
      return fail(node, "operand %u of a kernel needs a name of letters and digits", i);
    }
    for (uint32_t j = 0; j < i; ++j) {
      if (strcmp(names[i], names[j]) == 0) return fail(node, "two operands are '%s'", names[i]);
    }
  }
  return NULL;
}

static mvg_status verify_grid(const mvg_node *node) {
  const uint32_t *groups = node->kernel.groups;
  bool has_flat = node->kernel.invocations > 0, has_groups = groups[0] && groups[1] && groups[2];
  uint64_t elements = 0;
  for (uint32_t i = 0; i < node->output_count; ++i) {
    elements += (uint64_t)mvg_shape_get_size(&node->outputs[i].shape);
  }
  if (node->kernel.invocations > UINT32_MAX) {
    return fail(node, "a kernel has at most %" PRIu32 " invocations, not %" PRIu64, UINT32_MAX,
                node->kernel.invocations);
  }
  if (has_flat && has_groups) return fail(node, "a kernel has invocations or groups, not both");
  if (elements && !has_flat && !has_groups) return fail(node, "a kernel needs a grid");
  return NULL;
}

static mvg_status verify_kernel(const mvg_node *node) {
  const mvg_kernel_body *kernel = &node->kernel;
  if (!kernel->source || !kernel->source[0]) return fail(node, "a kernel without a source");
  MVG_RETURN_IF_ERROR(verify_names(node, kernel->input_names, node->input_count));
  MVG_RETURN_IF_ERROR(verify_names(node, kernel->output_names, node->output_count));
  MVG_RETURN_IF_ERROR(verify_constants(node, kernel->constants, kernel->constant_count));
  return verify_grid(node);
}

mvg_status mvg_verify_node(const mvg_graph *graph, const mvg_node *node) {
  if (node->input_count > MVG_MAX_OPERANDS || node->output_count > MVG_MAX_OPERANDS) {
    return fail(node, "too many operands");
  }
  if (node->output_count == 0) return fail(node, "a node has at least one output");
  for (uint32_t i = 0; i < node->output_count; ++i) {
    MVG_RETURN_IF_ERROR(mvg_shape_validate(&node->outputs[i].shape));
    mvg_dtype dtype = node->outputs[i].dtype;
    bool is_whole = node->kind <= MVG_KIND_CONST || node->kind == MVG_KIND_HOST;
    if (dtype > (is_whole ? MVG_DTYPE_I32 : MVG_DTYPE_BF16)) {
      return fail(node, "%s",
                  is_whole ? "leaves and host operators hold f32 and i32 only"
                           : "graphs hold f32, i32, f16 and bf16 only");
    }
  }
  if (node->kind < MVG_KIND_KERNEL && node->output_count != 1) {
    return fail(node, "only kernel and host operators have several outputs");
  }
  if (node->def && node->def->kind != node->kind) {
    return fail(node, "its definition is of kind %s", mvg_kind_get_name(node->def->kind));
  }
  switch (node->kind) {
  case MVG_KIND_INPUT:
  case MVG_KIND_STATE:
  case MVG_KIND_CONST:
    return verify_leaf(node);
  case MVG_KIND_MAP:
    return verify_map(graph, node);
  case MVG_KIND_VIEW:
    return verify_view(graph, node);
  case MVG_KIND_REDUCE:
    return verify_reduce(graph, node);
  case MVG_KIND_KERNEL:
    return verify_kernel(node);
  case MVG_KIND_HOST:
    return verify_constants(node, node->host.constants, node->host.constant_count);
  case MVG_KIND_COUNT:
    break;
  }
  return fail(node, "a node of no kind");
}

// ---- graphs ----

typedef struct {
  const mvg_type *inputs[MVG_MAX_SLOTS], *states[MVG_MAX_SLOTS];
  bool is_updated[MVG_MAX_SLOTS];
} slot_table;

static mvg_status verify_slot(const mvg_node *node, slot_table *slots) {
  if (node->kind != MVG_KIND_INPUT && node->kind != MVG_KIND_STATE) return NULL;
  bool is_input = node->kind == MVG_KIND_INPUT;
  const mvg_type **known = &(is_input ? slots->inputs : slots->states)[node->leaf.slot];
  if (!*known) *known = &node->outputs[0];
  return mvg_type_is_equal(*known, &node->outputs[0])
             ? NULL
             : fail(node, "two leaves of slot %u have different types", node->leaf.slot);
}

static mvg_status verify_nodes(const mvg_graph *graph, slot_table *slots) {
  for (uint32_t id = 0; id < mvg_graph_get_node_count(graph); ++id) {
    const mvg_node *node = mvg_graph_get_node(graph, id);
    for (uint32_t i = 0; i < node->input_count; ++i) {
      mvg_value input = node->inputs[i];
      if (input.node >= id) return fail(node, "an operand does not precede its user");
      if (input.output >= mvg_graph_get_node(graph, input.node)->output_count) {
        return fail(node, "an operand is no output of its node");
      }
    }
    MVG_RETURN_IF_ERROR(mvg_verify_node(graph, node));
    MVG_RETURN_IF_ERROR(verify_slot(node, slots));
  }
  return NULL;
}

static mvg_status verify_update(const mvg_graph *graph, const mvg_target *target,
                                slot_table *slots) {
  const mvg_type *type = mvg_graph_get_type(graph, target->value);
  if (target->slot >= MVG_MAX_SLOTS) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT, "update '%s': a slot is below %d", target->name,
                     MVG_MAX_SLOTS);
  }
  if (slots->is_updated[target->slot]) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT, "state '%s' is updated twice", target->name);
  }
  slots->is_updated[target->slot] = true;
  const mvg_type *state = slots->states[target->slot];
  if (!state || mvg_type_is_equal(state, type)) return NULL;
  char expected[MVG_SHAPE_TEXT_SIZE], got[MVG_SHAPE_TEXT_SIZE];
  return MVG_ERROR(MVG_INVALID_ARGUMENT, "state '%s' is %s %s, its next value %s %s", target->name,
                   mvg_dtype_get_name(state->dtype), mvg_shape_format(&state->shape, expected),
                   mvg_dtype_get_name(type->dtype), mvg_shape_format(&type->shape, got));
}

static mvg_status verify_target(const mvg_graph *graph, uint32_t index, slot_table *slots) {
  const mvg_target *target = mvg_graph_get_target(graph, index);
  mvg_value value = target->value;
  if (value.node >= mvg_graph_get_node_count(graph) ||
      value.output >= mvg_graph_get_node(graph, value.node)->output_count) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT, "target '%s' names no value", target->name);
  }
  if (target->is_update) return verify_update(graph, target, slots);
  for (uint32_t i = 0; i < index; ++i) {
    const mvg_target *other = mvg_graph_get_target(graph, i);
    if (!other->is_update && strcmp(other->name, target->name) == 0) {
      return MVG_ERROR(MVG_INVALID_ARGUMENT, "two outputs are named '%s'", target->name);
    }
  }
  return NULL;
}

mvg_status mvg_verify_graph(const mvg_graph *graph) {
  slot_table *slots;
  MVG_RETURN_IF_ERROR(MVG_NEW(&slots));
  mvg_status status = verify_nodes(graph, slots);
  for (uint32_t i = 0; i < mvg_graph_get_target_count(graph) && !status; ++i)
    status = verify_target(graph, i, slots);
  mvg_free(slots);
  return status;
}

// Values are computed again one element at a time, in double precision rounded to f32 at every
// node. Values that only a kernel computes are unknown; then its inputs are searched instead.
#include "program/finite_trace.h"

#include <math.h>

#include "base/alloc.h"

#define MEMO_SIZE 65536
#define UNKNOWN (-1)

typedef struct {
  uint32_t number; // of the value, plus 1; 0: empty
  int64_t element;
  double result;
} memo;

typedef struct {
  const mvg_fusion *fusion;
  const mvg_graph *graph;
  const mvg_group *group;
  mvg_ndarray *const *reads;
  memo *memos;
  mvg_finite_trace *out;
} tracer;

static int64_t find_read(const tracer *t, mvg_value value) {
  value = mvg_fusion_resolve(t->fusion, value);
  for (uint32_t i = 0; i < t->group->read_count; ++i) {
    mvg_value read = t->group->reads[i].value;
    if (read.node == value.node && read.output == value.output) return i;
  }
  return UNKNOWN;
}

static const mvg_shape *get_shape(const tracer *t, mvg_value value) {
  return &mvg_graph_get_type(t->graph, value)->shape;
}

// ---- which elements of its inputs an element is made from ----

static int64_t find_map_operand(const tracer *t, const mvg_node *node, uint32_t input,
                                int64_t flat) {
  const mvg_shape *shape = &node->outputs[0].shape, *from = get_shape(t, node->inputs[input]);
  int64_t coords[MVG_MAX_RANK];
  mvg_shape_get_coordinates(shape, flat, coords);
  return mvg_shape_get_broadcast_element(from, shape->rank, coords);
}

// UNKNOWN: the element is a zero of the view's own.
static int64_t find_view_operand(const tracer *t, const mvg_node *node, int64_t flat) {
  const mvg_shape *from = get_shape(t, node->inputs[0]);
  int64_t coords[MVG_MAX_RANK], at = 0;
  if (node->view.is_reshape) return flat;
  mvg_shape_get_coordinates(&node->outputs[0].shape, flat, coords);
  if (node->view.valid && !mvg_expr_eval_int(node->view.valid, coords)) return UNKNOWN;
  for (uint32_t i = 0; i < from->rank; ++i)
    at = at * from->dims[i] + mvg_expr_eval_int(node->view.index[i], coords);
  return at;
}

static int64_t count_reduced(const tracer *t, const mvg_node *node) {
  int64_t kept = mvg_shape_get_size(&node->outputs[0].shape);
  return kept ? mvg_shape_get_size(get_shape(t, node->inputs[0])) / kept : 0;
}

// The k-th element of its input that a reduced element is made from, in index order.
static int64_t find_reduce_operand(const tracer *t, const mvg_node *node, int64_t flat, int64_t k) {
  const mvg_shape *from = get_shape(t, node->inputs[0]);
  int64_t coords[MVG_MAX_RANK], at = 0;
  for (uint32_t i = from->rank; i-- > 0;) {
    int64_t *rest = node->reduce.axes >> i & 1 ? &k : &flat;
    coords[i] = *rest % from->dims[i];
    *rest /= from->dims[i];
  }
  for (uint32_t i = 0; i < from->rank; ++i)
    at = at * from->dims[i] + coords[i];
  return at;
}

// ---- values ----

static double eval(tracer *t, mvg_value value, int64_t flat);

static double eval_map(tracer *t, const mvg_node *node, int64_t flat, double *vars) {
  for (uint32_t i = 0; i < node->input_count; ++i) {
    vars[i] = 0;
    if (!mvg_expr_uses_var(node->map.expr, i)) continue;
    vars[i] = eval(t, node->inputs[i], find_map_operand(t, node, i, flat));
  }
  vars[node->input_count] = (double)flat;
  return mvg_expr_eval(node->map.expr, vars);
}

static double eval_reduce(tracer *t, const mvg_node *node, int64_t flat) {
  int64_t count = count_reduced(t, node);
  double vars[2] = {mvg_expr_eval(node->reduce.init, NULL), 0};
  for (int64_t k = 0; k < count; ++k) {
    vars[1] = eval(t, node->inputs[0], find_reduce_operand(t, node, flat, k));
    vars[0] = (float)mvg_expr_eval(node->reduce.combine, vars);
  }
  vars[1] = (double)count;
  return mvg_expr_eval(node->reduce.finish, vars);
}

static double eval_node(tracer *t, const mvg_node *node, int64_t flat) {
  double vars[MVG_MAX_OPERANDS + 1];
  int64_t at;
  switch (node->kind) {
  case MVG_KIND_MAP:
    return eval_map(t, node, flat, vars);
  case MVG_KIND_VIEW:
    at = find_view_operand(t, node, flat);
    return at == UNKNOWN ? 0 : eval(t, node->inputs[0], at);
  case MVG_KIND_REDUCE:
    return eval_reduce(t, node, flat);
  default:
    return NAN; // only the kernel knows
  }
}

static double get_constant(const mvg_node *node, int64_t flat) {
  const mvg_type *type = &node->outputs[0];
  const mvg_ndarray array = {
      .dtype = type->dtype, .shape = type->shape, .data = (void *)node->constant.data};
  return mvg_ndarray_get(&array, flat);
}

static double eval(tracer *t, mvg_value value, int64_t flat) {
  const mvg_node *node = mvg_graph_get_node(t->graph, value.node);
  if (node->kind == MVG_KIND_CONST) return get_constant(node, flat);
  int64_t read = find_read(t, value);
  if (read != UNKNOWN) return mvg_ndarray_get(t->reads[read], flat);
  uint32_t number = mvg_fusion_number(t->fusion, value) + 1;
  memo *known = &t->memos[(number * 2654435761u ^ (uint64_t)flat * 40503u) % MEMO_SIZE];
  if (known->number == number && known->element == flat) return known->result;
  double result = eval_node(t, node, flat);
  if (node->outputs[value.output].dtype != MVG_DTYPE_I32) result = (float)result;
  *known = (memo){number, flat, result};
  return result;
}

// ---- blame ----

static bool is_alike(double a, double b) {
  return isnan(a) ? isnan(b) : isinf(b);
}

static void blame(tracer *t, mvg_value value, int64_t flat, double result);

static void convict(tracer *t, mvg_value value, int64_t flat, double result) {
  t->out->culprit = value;
  t->out->element = flat;
  t->out->result = result;
}

// The script wrote an infinity here.
static bool has_infinite_constant(const mvg_expr *expr) {
  if (expr->op == MVG_EXPR_CONST) return isinf(expr->value);
  for (uint32_t i = 0; i < mvg_expr_get_arity(expr->op); ++i) {
    if (has_infinite_constant(expr->args[i])) return true;
  }
  return false;
}

static void blame_map(tracer *t, mvg_value value, int64_t flat, double result) {
  const mvg_node *node = mvg_graph_get_node(t->graph, value.node);
  double vars[MVG_MAX_OPERANDS + 1];
  eval_map(t, node, flat, vars);
  for (uint32_t i = 0; i < node->input_count; ++i) {
    double operand = vars[i];
    bool is_unknown = t->group->kind == MVG_GROUP_KERNEL && isnan(operand); // of the kernel
    if (!is_alike(result, operand) && !is_unknown) continue;
    vars[i] = 1; // a side of a choice that was not taken is not to blame
    bool is_guilty = !is_alike(result, mvg_expr_eval(node->map.expr, vars));
    vars[i] = operand;
    if (!is_guilty && node->input_count > 1) continue;
    blame(t, node->inputs[i], find_map_operand(t, node, i, flat), is_unknown ? result : operand);
    return;
  }
  convict(t, value, flat, result);
  t->out->is_meant = isinf(result) && has_infinite_constant(node->map.expr);
  for (uint32_t i = 0; i < node->input_count; ++i)
    t->out->operands[t->out->operand_count++] = vars[i];
}

static void blame_reduce(tracer *t, mvg_value value, int64_t flat, double result) {
  const mvg_node *node = mvg_graph_get_node(t->graph, value.node);
  for (int64_t k = 0; k < count_reduced(t, node); ++k) {
    int64_t at = find_reduce_operand(t, node, flat, k);
    double operand = eval(t, node->inputs[0], at);
    if (!is_alike(result, operand)) continue;
    blame(t, node->inputs[0], at, operand);
    return;
  }
  convict(t, value, flat, result);
}

// What the kernel makes of good inputs is its own doing.
static void blame_kernel(tracer *t, mvg_value value, int64_t flat, double result) {
  const mvg_node *node = mvg_graph_get_node(t->graph, value.node);
  for (uint32_t i = 0; i < node->input_count; ++i) {
    int64_t size = mvg_shape_get_size(get_shape(t, node->inputs[i]));
    for (int64_t at = 0; at < size; ++at) {
      double operand = eval(t, node->inputs[i], at);
      if (!is_alike(result, operand)) continue;
      blame(t, node->inputs[i], at, operand);
      return;
    }
  }
  convict(t, value, flat, result);
}

static void blame(tracer *t, mvg_value value, int64_t flat, double result) {
  const mvg_node *node = mvg_graph_get_node(t->graph, value.node);
  int64_t read = find_read(t, value), at;
  if (node->kind == MVG_KIND_CONST || read != UNKNOWN) {
    bool is_leaf = node->kind == MVG_KIND_INPUT || node->kind == MVG_KIND_STATE;
    if (read != UNKNOWN) value = t->group->reads[read].value;
    convict(t, value, flat, result);
    t->out->is_read = true;
    t->out->is_meant = !is_leaf && !isnan(result); // earlier steps were searched when they ran
    return;
  }
  switch (node->kind) {
  case MVG_KIND_MAP:
    blame_map(t, value, flat, result);
    return;
  case MVG_KIND_VIEW:
    at = find_view_operand(t, node, flat);
    if (at == UNKNOWN) {
      convict(t, value, flat, result);
    } else {
      blame(t, node->inputs[0], at, result);
    }
    return;
  case MVG_KIND_REDUCE:
    blame_reduce(t, value, flat, result);
    return;
  default:
    blame_kernel(t, value, flat, result);
  }
}

mvg_status mvg_finite_follow(const mvg_fusion *fusion, const mvg_group *group,
                             mvg_ndarray *const *reads, mvg_value written, int64_t element,
                             double result, mvg_finite_trace *out) {
  tracer t = {.fusion = fusion, .graph = fusion->graph, .group = group, .reads = reads, .out = out};
  *out = (mvg_finite_trace){0};
  MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY(MEMO_SIZE, &t.memos));
  blame(&t, written, element, result);
  mvg_free(t.memos);
  return NULL;
}

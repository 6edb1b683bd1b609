#include "passes/lower.h"

#include "base/alloc.h"
#include "passes/rewrite.h"
#include "passes/slice.h"

// A single invocation adds up to MIN_SPLIT elements faster than a second dispatch starts.
#define MIN_SPLIT 2048
#define MAX_RESULTS 2048  // with more results the first stage is parallel enough
#define MAX_PARTIALS 1024 // partial results per result
#define PARALLEL_TARGET 4096

static bool is_var(const mvg_expr *expr, uint32_t var) {
  return expr->op == MVG_EXPR_VAR && expr->var == var;
}

static bool is_associative(const mvg_reduce_body *body) {
  const mvg_expr *combine = body->combine;
  bool is_known =
      combine->op == MVG_EXPR_ADD || combine->op == MVG_EXPR_MIN || combine->op == MVG_EXPR_MAX;
  if (!is_known) return false;
  bool is_plain = (is_var(combine->args[0], 0) && is_var(combine->args[1], 1)) ||
                  (is_var(combine->args[0], 1) && is_var(combine->args[1], 0));
  bool has_neutral_init =
      combine->op != MVG_EXPR_ADD || (body->init->op == MVG_EXPR_CONST && body->init->value == 0);
  return is_plain && has_neutral_init;
}

typedef struct {
  uint32_t kept; // reduced axes that the first stage keeps
  uint32_t axis; // axis split into [dim / factor, factor]; UINT32_MAX: none
  int64_t factor;
} split;

static int64_t find_factor(int64_t dim, int64_t wanted) {
  for (int64_t distance = 0; distance < wanted; ++distance) {
    int64_t above = wanted + distance, below = wanted - distance;
    if (below * 2 >= wanted && below > 1 && dim % below == 0) return below;
    if (above < dim && dim % above == 0) return above;
  }
  return wanted;
}

// The innermost reduced axes are kept, so that neighbours in the first stage read neighbouring
// elements.
static bool choose_split(const mvg_shape *shape, uint32_t axes, split *out) {
  int64_t results = 1, reduced = 1;
  for (uint32_t i = 0; i < shape->rank; ++i)
    *(axes >> i & 1 ? &reduced : &results) *= shape->dims[i];
  if (reduced < MIN_SPLIT || results > MAX_RESULTS || results == 0) return false;
  int64_t wanted = PARALLEL_TARGET / results;
  if (wanted > MAX_PARTIALS) wanted = MAX_PARTIALS;
  if (wanted > reduced / 64) wanted = reduced / 64;
  if (wanted < 2) return false;
  *out = (split){.axis = UINT32_MAX};
  int64_t partials = 1;
  for (uint32_t i = shape->rank; i-- > 0 && partials * 2 <= wanted;) {
    if (!(axes >> i & 1) || shape->dims[i] == 1) continue;
    if (partials * shape->dims[i] <= wanted * 2) {
      out->kept |= 1u << i;
      partials *= shape->dims[i];
    } else {
      if (shape->rank == MVG_MAX_RANK) break;
      out->axis = i;
      out->factor = find_factor(shape->dims[i], wanted / partials);
      break;
    }
  }
  return partials > 1 || out->axis != UINT32_MAX;
}

static mvg_status make_binary(mvg_arena *arena, mvg_expr_op op, const mvg_expr *a, double value,
                              const mvg_expr **out) {
  const mvg_expr *args[2] = {a, NULL};
  MVG_RETURN_IF_ERROR(mvg_expr_const(arena, value, &args[1]));
  return mvg_expr_make(arena, op, args, out);
}

// Axis `axis` of `input` becomes [ceil(dim / factor), factor]; the rest past the end is 0 or
// repeats the last element.
static mvg_status split_axis(mvg_graph *graph, mvg_value input, uint32_t axis, int64_t factor,
                             bool is_sum, mvg_value *out) {
  const mvg_shape source = mvg_graph_get_type(graph, input)->shape;
  mvg_shape shape = {.rank = source.rank + 1};
  int64_t dim = source.dims[axis], rows = (dim + factor - 1) / factor;
  for (uint32_t i = 0; i < shape.rank; ++i) {
    shape.dims[i] = i < axis        ? source.dims[i]
                    : i == axis     ? rows
                    : i == axis + 1 ? factor
                                    : source.dims[i - 1];
  }
  if (rows * factor == dim) return mvg_graph_reshape(graph, NULL, "split", input, &shape, out);
  mvg_arena *arena = mvg_graph_get_arena(graph);
  const mvg_expr *index[MVG_MAX_RANK], *valid = NULL;
  for (uint32_t i = 0; i < source.rank; ++i) {
    MVG_RETURN_IF_ERROR(mvg_expr_var(arena, i <= axis ? i : i + 1, &index[i]));
  }
  const mvg_expr *sum[2];
  MVG_RETURN_IF_ERROR(make_binary(arena, MVG_EXPR_MUL, index[axis], (double)factor, &sum[0]));
  MVG_RETURN_IF_ERROR(mvg_expr_var(arena, axis + 1, &sum[1]));
  MVG_RETURN_IF_ERROR(mvg_expr_make(arena, MVG_EXPR_ADD, sum, &index[axis]));
  if (is_sum) {
    MVG_RETURN_IF_ERROR(make_binary(arena, MVG_EXPR_LT, index[axis], (double)dim, &valid));
  } else {
    MVG_RETURN_IF_ERROR(
        make_binary(arena, MVG_EXPR_MIN, index[axis], (double)(dim - 1), &index[axis]));
  }
  return mvg_graph_view(graph, NULL, "split", input, &shape, index, valid, out);
}

static mvg_status split_reduce(mvg_graph *graph, const mvg_node *node, mvg_value input,
                               const split *choice, mvg_value *out) {
  mvg_arena *arena = mvg_graph_get_arena(graph);
  mvg_origin origin = node->origin;
  mvg_graph_set_origin(graph, &origin);
  const mvg_shape source = mvg_graph_get_type(graph, input)->shape;
  uint32_t axes = node->reduce.axes, kept = choice->kept;
  double total = 1;
  for (uint32_t i = 0; i < source.rank; ++i)
    total *= axes >> i & 1 ? (double)source.dims[i] : 1;
  bool is_sum = node->reduce.combine->op == MVG_EXPR_ADD;
  if (choice->axis != UINT32_MAX) {
    MVG_RETURN_IF_ERROR(split_axis(graph, input, choice->axis, choice->factor, is_sum, &input));
    uint32_t below = (1u << choice->axis) - 1; // the new axis follows the one it was cut from
    axes = (axes & (below << 1 | 1)) | (axes & ~(below << 1 | 1)) << 1 | 2u << choice->axis;
    kept = (kept & below) | (kept & ~below) << 1 | 2u << choice->axis;
  }
  mvg_reduce_body body = {.axes = axes & ~kept};
  const mvg_expr *none[1] = {NULL};
  MVG_RETURN_IF_ERROR(mvg_expr_substitute(arena, node->reduce.init, none, 1, &body.init));
  MVG_RETURN_IF_ERROR(mvg_expr_substitute(arena, node->reduce.combine, none, 1, &body.combine));
  MVG_RETURN_IF_ERROR(mvg_expr_var(arena, 0, &body.finish));
  mvg_value partial;
  MVG_RETURN_IF_ERROR(mvg_graph_reduce(graph, NULL, node->op, input, &body, &partial));
  uint32_t position = 0, rank = mvg_graph_get_type(graph, input)->shape.rank, last_axes = 0;
  for (uint32_t i = 0; i < rank; ++i) {
    if (body.axes >> i & 1) continue;
    if (kept >> i & 1) last_axes |= 1u << position;
    ++position;
  }
  body.axes = last_axes;
  const mvg_expr *count[2] = {NULL, NULL};
  MVG_RETURN_IF_ERROR(mvg_expr_const(arena, total, &count[1]));
  MVG_RETURN_IF_ERROR(mvg_expr_substitute(arena, node->reduce.finish, count, 2, &body.finish));
  return mvg_graph_reduce(graph, NULL, node->op, partial, &body, out);
}

typedef struct {
  bool (*accepts_binding)(const mvg_node *node);
} lowering;

static mvg_status lower_node(mvg_rewriter *rewriter, const mvg_node *node, const mvg_value *inputs,
                             mvg_value *out_values, bool *out_done) {
  *out_done = false;
  const lowering *l = rewriter->context;
  if (node->kind == MVG_KIND_KERNEL && !(l->accepts_binding && l->accepts_binding(node)))
    return mvg_slice_product(rewriter->target, node, inputs, out_values, out_done);
  if (node->kind != MVG_KIND_REDUCE || !is_associative(&node->reduce)) return NULL;
  split choice;
  const mvg_shape *shape = &mvg_graph_get_type(rewriter->target, inputs[0])->shape;
  if (!choose_split(shape, node->reduce.axes, &choice)) return NULL;
  *out_done = true;
  return split_reduce(rewriter->target, node, inputs[0], &choice, &out_values[0]);
}

static mvg_status add_copy(mvg_graph *graph, mvg_value value, mvg_value *out) {
  const mvg_expr *expr;
  MVG_RETURN_IF_ERROR(mvg_expr_var(mvg_graph_get_arena(graph), 0, &expr));
  mvg_dtype dtype = mvg_graph_get_type(graph, value)->dtype;
  return mvg_graph_map(graph, NULL, "copy", dtype, expr, &value, 1, out);
}

// The same nodes again, with targets that own their values.
static mvg_status separate_targets(const mvg_graph *graph, mvg_graph *result) {
  uint32_t node_count = mvg_graph_get_node_count(graph);
  for (uint32_t id = 0; id < node_count; ++id) {
    const mvg_node *node = mvg_graph_get_node(graph, id);
    uint32_t copy;
    MVG_RETURN_IF_ERROR(mvg_rewrite_copy(result, node, node->inputs, &copy));
  }
  for (uint32_t i = 0; i < mvg_graph_get_target_count(graph); ++i) {
    mvg_target target = *mvg_graph_get_target(graph, i);
    bool needs_copy = mvg_graph_get_node(graph, target.value.node)->kind <= MVG_KIND_CONST;
    for (uint32_t j = 0; j < i; ++j) {
      mvg_value other = mvg_graph_get_target(graph, j)->value;
      needs_copy =
          needs_copy || (other.node == target.value.node && other.output == target.value.output);
    }
    if (needs_copy) MVG_RETURN_IF_ERROR(add_copy(result, target.value, &target.value));
    MVG_RETURN_IF_ERROR(mvg_graph_add_target(result, &target));
  }
  return NULL;
}

mvg_status mvg_lower(const mvg_graph *graph, bool (*accepts_binding)(const mvg_node *node),
                     mvg_graph **out_graph) {
  *out_graph = NULL;
  mvg_graph *split_graph = NULL, *result = NULL;
  lowering l = {accepts_binding};
  MVG_RETURN_IF_ERROR(mvg_rewrite(graph, NULL, lower_node, &l, &split_graph));
  mvg_status status = mvg_graph_create(mvg_graph_get_name(graph), &result);
  if (!status) status = separate_targets(split_graph, result);
  mvg_graph_destroy(split_graph);
  if (status) {
    mvg_graph_destroy(result);
    return status;
  }
  *out_graph = result;
  return NULL;
}

// Trades time for memory: what gradients need of a chosen module is computed again when they begin
// to ask for it, instead of being held since the forward pass (Chen et al. 2016, "Training Deep
// Nets with Sublinear Memory Cost"). Values that later modules read are held either way and serve
// as they are. Operators are pure, random ones too, so that the bits do not change.
//
// Nothing but order tells the second copy from the first, and fusion and scheduling keep no order
// that data does not ask for: the copy reads its inputs through gates, maps that return them
// whatever the gradient is that they wait for.
#include <string.h>

#include "base/alloc.h"
#include "base/array.h"
#include "passes/pass_list.h"
#include "passes/rewrite.h"

#define NONE UINT32_MAX

// One module that is computed again.
typedef struct {
  const char *path;
  size_t length;
  uint32_t first_user; // the first gradient node that reads what is not held; NONE: nobody does
  mvg_value key;       // a gradient that is there by then; its gates wait for that
} segment;

typedef struct {
  mvg_value input, output;
} gate;

typedef struct {
  const mvg_graph *graph;
  MVG_ARRAY(segment) segments;
  uint32_t *segment_of;  // per node; NONE: it is computed once
  bool *is_held;         // per node: targets, and what other modules read
  bool *is_repeated;     // per node: it has a second copy
  mvg_value **copies;    // per repeated node: the second copy's outputs
  uint32_t at;           // the node being rewritten
  mvg_value key;         // what the gates of the current segment wait for: one element
  MVG_ARRAY(gate) gates; // of the current segment
} recomputation;

static mvg_status find_segment(recomputation *r, const char *path, size_t length,
                               uint32_t *out_segment) {
  for (uint32_t i = 0; i < r->segments.count; ++i) {
    const segment *known = &r->segments.items[i];
    *out_segment = i;
    if (known->length == length && strncmp(known->path, path, length) == 0) return NULL;
  }
  *out_segment = (uint32_t)r->segments.count;
  return mvg_array_push(&r->segments, ((segment){path, length, NONE, MVG_NO_VALUE}));
}

static mvg_status find_segments(recomputation *r, const mvg_scope *scope) {
  for (uint32_t id = 0; id < mvg_graph_get_node_count(r->graph); ++id) {
    const mvg_node *node = mvg_graph_get_node(r->graph, id);
    r->segment_of[id] = NONE;
    bool is_leaf = node->kind <= MVG_KIND_CONST, is_host = node->kind == MVG_KIND_HOST;
    size_t length;
    if (is_leaf || is_host || node->origin.is_gradient ||
        !mvg_scope_contains(scope, node->origin.module_path, &length)) {
      continue;
    }
    MVG_RETURN_IF_ERROR(find_segment(r, node->origin.module_path, length, &r->segment_of[id]));
  }
  return NULL;
}

static void find_held(recomputation *r) {
  for (uint32_t i = 0; i < mvg_graph_get_target_count(r->graph); ++i)
    r->is_held[mvg_graph_get_target(r->graph, i)->value.node] = true;
  for (uint32_t id = 0; id < mvg_graph_get_node_count(r->graph); ++id) {
    const mvg_node *node = mvg_graph_get_node(r->graph, id);
    for (uint32_t i = 0; i < node->input_count && !node->origin.is_gradient; ++i) {
      uint32_t input = node->inputs[i].node;
      if (r->segment_of[input] != r->segment_of[id]) r->is_held[input] = true;
    }
  }
}

static bool is_gradient(const recomputation *r, mvg_value value) {
  const mvg_type *type = mvg_graph_get_type(r->graph, value);
  return mvg_graph_get_node(r->graph, value.node)->origin.is_gradient &&
         mvg_shape_get_size(&type->shape) > 0;
}

// The gradient that the first user reads, else the last one before it.
static mvg_value find_key(const recomputation *r, uint32_t first_user) {
  const mvg_node *user = mvg_graph_get_node(r->graph, first_user);
  for (uint32_t i = 0; i < user->input_count; ++i) {
    if (is_gradient(r, user->inputs[i])) return user->inputs[i];
  }
  for (uint32_t id = first_user; id-- > 0;) {
    if (is_gradient(r, (mvg_value){id, 0})) return (mvg_value){id, 0};
  }
  return MVG_NO_VALUE; // the gradient begins here: nothing would be gained
}

static bool may_repeat(const recomputation *r, uint32_t id) {
  return r->segment_of[id] != NONE && !r->is_held[id];
}

static void find_repeated(recomputation *r) {
  uint32_t count = mvg_graph_get_node_count(r->graph);
  for (uint32_t id = 0; id < count; ++id) {
    const mvg_node *node = mvg_graph_get_node(r->graph, id);
    for (uint32_t i = 0; i < node->input_count && node->origin.is_gradient; ++i) {
      uint32_t input = node->inputs[i].node;
      if (!may_repeat(r, input)) continue;
      segment *s = &r->segments.items[r->segment_of[input]];
      if (s->first_user == NONE) {
        s->first_user = id;
        s->key = find_key(r, id);
      }
      r->is_repeated[input] = s->key.node != NONE;
    }
  }
  for (uint32_t id = count; id-- > 0;) {
    const mvg_node *node = mvg_graph_get_node(r->graph, id);
    for (uint32_t i = 0; i < node->input_count && r->is_repeated[id]; ++i) {
      if (may_repeat(r, node->inputs[i].node)) r->is_repeated[node->inputs[i].node] = true;
    }
  }
}

// ---- the second copy ----

// One element of the key.
static mvg_status make_key(recomputation *r, mvg_rewriter *rewriter, mvg_value key) {
  const mvg_shape *shape = &mvg_graph_get_type(r->graph, key)->shape;
  const mvg_expr *first[MVG_MAX_RANK];
  for (uint32_t axis = 0; axis < shape->rank; ++axis)
    MVG_RETURN_IF_ERROR(mvg_expr_const(mvg_graph_get_arena(rewriter->target), 0, &first[axis]));
  return mvg_graph_view(rewriter->target, NULL, "key", rewriter->mapped[key.node][key.output],
                        &(mvg_shape){0}, first, NULL, &r->key);
}

// isnan(key) ? max(input, input) : input, which is the input, and too much for a simplifier.
static mvg_status make_gate(const recomputation *r, mvg_graph *target, mvg_value input,
                            mvg_value *out) {
  mvg_arena *arena = mvg_graph_get_arena(target);
  const mvg_expr *value, *both[2], *key[1], *choice[3];
  MVG_RETURN_IF_ERROR(mvg_expr_var(arena, 0, &value));
  MVG_RETURN_IF_ERROR(mvg_expr_var(arena, 1, &key[0]));
  MVG_RETURN_IF_ERROR(mvg_expr_make(arena, MVG_EXPR_ISNAN, key, &choice[0]));
  both[0] = both[1] = choice[2] = value;
  MVG_RETURN_IF_ERROR(mvg_expr_make(arena, MVG_EXPR_MAX, both, &choice[1]));
  MVG_RETURN_IF_ERROR(mvg_expr_make(arena, MVG_EXPR_SELECT, choice, &value));
  const mvg_value inputs[2] = {input, r->key};
  mvg_dtype dtype = mvg_graph_get_type(target, input)->dtype;
  return mvg_graph_map(target, NULL, "gate", dtype, value, inputs, 2, out);
}

static mvg_status pass_gate(recomputation *r, mvg_graph *target, mvg_value input, mvg_value *out) {
  *out = input;
  mvg_kind kind = mvg_graph_get_node(target, input.node)->kind;
  if (kind == MVG_KIND_STATE || kind == MVG_KIND_CONST) return NULL; // held anyway
  if (mvg_graph_get_type(target, input)->dtype != MVG_DTYPE_F32) return NULL;
  for (uint32_t i = 0; i < r->gates.count; ++i) {
    gate known = r->gates.items[i];
    *out = known.output;
    if (known.input.node == input.node && known.input.output == input.output) return NULL;
  }
  MVG_RETURN_IF_ERROR(make_gate(r, target, input, out));
  return mvg_array_push(&r->gates, ((gate){input, *out}));
}

static mvg_status repeat_node(recomputation *r, mvg_rewriter *rewriter, uint32_t id) {
  mvg_node node = *mvg_graph_get_node(r->graph, id);
  mvg_value inputs[MVG_MAX_OPERANDS];
  node.origin.is_gradient = true;
  mvg_graph_set_origin(rewriter->target, &node.origin);
  for (uint32_t i = 0; i < node.input_count; ++i) {
    mvg_value input = node.inputs[i];
    inputs[i] = r->is_repeated[input.node] ? r->copies[input.node][input.output]
                                           : rewriter->mapped[input.node][input.output];
    if (r->is_repeated[input.node]) continue;
    MVG_RETURN_IF_ERROR(pass_gate(r, rewriter->target, inputs[i], &inputs[i]));
  }
  uint32_t copy;
  MVG_RETURN_IF_ERROR(mvg_rewrite_copy(rewriter->target, &node, inputs, &copy));
  MVG_RETURN_IF_ERROR(mvg_arena_alloc(mvg_graph_get_arena(rewriter->target), node.output_count,
                                      sizeof(mvg_value), (void **)&r->copies[id]));
  for (uint32_t i = 0; i < node.output_count; ++i)
    r->copies[id][i] = (mvg_value){copy, i};
  return NULL;
}

static mvg_status repeat_segment(recomputation *r, mvg_rewriter *rewriter, uint32_t number) {
  r->gates.count = 0;
  MVG_RETURN_IF_ERROR(make_key(r, rewriter, r->segments.items[number].key));
  for (uint32_t id = 0; id < r->at; ++id) {
    if (!r->is_repeated[id] || r->segment_of[id] != number) continue;
    MVG_RETURN_IF_ERROR(repeat_node(r, rewriter, id));
  }
  return NULL;
}

static mvg_status copy_user(const recomputation *r, mvg_rewriter *rewriter, const mvg_node *node,
                            mvg_value *out_values) {
  mvg_value inputs[MVG_MAX_OPERANDS];
  for (uint32_t i = 0; i < node->input_count; ++i) {
    mvg_value input = node->inputs[i];
    inputs[i] = r->is_repeated[input.node] ? r->copies[input.node][input.output]
                                           : rewriter->mapped[input.node][input.output];
  }
  uint32_t copy;
  MVG_RETURN_IF_ERROR(mvg_rewrite_copy(rewriter->target, node, inputs, &copy));
  for (uint32_t i = 0; i < node->output_count; ++i)
    out_values[i] = (mvg_value){copy, i};
  return NULL;
}

static mvg_status rewrite_node(mvg_rewriter *rewriter, const mvg_node *node,
                               const mvg_value *inputs, mvg_value *out_values, bool *out_done) {
  (void)inputs;
  recomputation *r = rewriter->context;
  *out_done = node->origin.is_gradient;
  mvg_status status = NULL;
  for (uint32_t i = 0; i < r->segments.count && *out_done && !status; ++i) {
    const segment *s = &r->segments.items[i];
    if (s->first_user == r->at && s->key.node != NONE) status = repeat_segment(r, rewriter, i);
  }
  if (*out_done && !status) status = copy_user(r, rewriter, node, out_values);
  ++r->at;
  return status;
}

mvg_status mvg_pass_recompute(const mvg_graph *graph, const mvg_scope *scope,
                              mvg_graph **out_graph) {
  *out_graph = NULL;
  uint32_t count = mvg_graph_get_node_count(graph);
  recomputation r = {.graph = graph};
  mvg_status status = MVG_NEW_ARRAY(count, &r.segment_of);
  if (!status) status = MVG_NEW_ARRAY(count, &r.is_held);
  if (!status) status = MVG_NEW_ARRAY(count, &r.is_repeated);
  if (!status) status = MVG_NEW_ARRAY(count, &r.copies);
  if (!status) status = find_segments(&r, scope);
  if (!status) {
    find_held(&r);
    find_repeated(&r);
    status = mvg_rewrite(graph, NULL, rewrite_node, &r, out_graph);
  }
  mvg_array_deinit(&r.segments);
  mvg_array_deinit(&r.gates);
  mvg_free(r.segment_of);
  mvg_free(r.is_held);
  mvg_free(r.is_repeated);
  mvg_free(r.copies);
  return status;
}

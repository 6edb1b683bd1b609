// Gives equal nodes with equal inputs one value.
#include "base/alloc.h"
#include "base/hash.h"
#include "graph/compare.h"
#include "passes/pass_list.h"
#include "passes/rewrite.h"

typedef struct {
  uint32_t *slots; // target node id + 1; 0 is empty
  uint32_t mask;
} table;

static uint64_t hash_body(uint64_t hash, const mvg_node *node, uint32_t view_rank) {
  switch (node->kind) {
  case MVG_KIND_INPUT:
  case MVG_KIND_STATE:
    return mvg_hash_u64(hash, node->leaf.slot);
  case MVG_KIND_CONST:
    return mvg_hash_bytes(hash, node->constant.data,
                          (size_t)mvg_shape_get_size(&node->outputs[0].shape) *
                              mvg_dtype_get_size(node->outputs[0].dtype));
  case MVG_KIND_MAP:
    return mvg_expr_hash(hash, node->map.expr);
  case MVG_KIND_VIEW:
    for (uint32_t i = 0; i < view_rank; ++i)
      hash = mvg_expr_hash(hash, node->view.index[i]);
    return node->view.valid ? mvg_expr_hash(hash, node->view.valid) : hash;
  case MVG_KIND_REDUCE:
    hash = mvg_expr_hash(mvg_hash_u64(hash, node->reduce.axes), node->reduce.combine);
    return mvg_expr_hash(mvg_expr_hash(hash, node->reduce.init), node->reduce.finish);
  case MVG_KIND_KERNEL:
    for (uint32_t i = 0; i < node->kernel.constant_count; ++i) {
      hash = mvg_hash_u64(hash, (uint64_t)node->kernel.constants[i].integer);
    }
    return mvg_hash_string(hash, node->kernel.source);
  default:
    return hash;
  }
}

static bool is_same_node(const mvg_node *a, const mvg_node *b, const mvg_value *inputs,
                         uint32_t view_rank) {
  if (a->kind != b->kind || a->input_count != b->input_count ||
      a->output_count != b->output_count) {
    return false;
  }
  for (uint32_t i = 0; i < a->input_count; ++i) {
    if (a->inputs[i].node != inputs[i].node || a->inputs[i].output != inputs[i].output) {
      return false;
    }
  }
  for (uint32_t i = 0; i < a->output_count; ++i) {
    if (!mvg_type_is_equal(&a->outputs[i], &b->outputs[i])) return false;
  }
  // host operators may have effects
  return a->kind != MVG_KIND_HOST && mvg_node_has_equal_body(a, b, view_rank);
}

static mvg_status replace(mvg_rewriter *r, const mvg_node *node, const mvg_value *inputs,
                          mvg_value *out_values, bool *out_done) {
  table *seen = r->context;
  uint32_t view_rank =
      node->kind == MVG_KIND_VIEW ? mvg_graph_get_type(r->target, inputs[0])->shape.rank : 0;
  uint64_t hash = mvg_hash_u64(MVG_HASH_SEED, node->kind);
  for (uint32_t i = 0; i < node->input_count; ++i) {
    hash = mvg_hash_u64(hash, ((uint64_t)inputs[i].node << 8) | inputs[i].output);
  }
  uint32_t at = (uint32_t)hash_body(hash, node, view_rank) & seen->mask;
  for (; seen->slots[at]; at = (at + 1) & seen->mask) {
    uint32_t id = seen->slots[at] - 1;
    if (!is_same_node(mvg_graph_get_node(r->target, id), node, inputs, view_rank)) continue;
    for (uint32_t i = 0; i < node->output_count; ++i)
      out_values[i] = (mvg_value){id, i};
    *out_done = true;
    return NULL;
  }
  uint32_t id;
  MVG_RETURN_IF_ERROR(mvg_rewrite_copy(r->target, node, inputs, &id));
  seen->slots[at] = id + 1;
  for (uint32_t i = 0; i < node->output_count; ++i)
    out_values[i] = (mvg_value){id, i};
  *out_done = true;
  return NULL;
}

mvg_status mvg_pass_cse(const mvg_graph *graph, mvg_graph **out_graph) {
  table seen = {.mask = 15};
  while (seen.mask < 2 * mvg_graph_get_node_count(graph))
    seen.mask = seen.mask * 2 + 1;
  *out_graph = NULL;
  MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY((size_t)seen.mask + 1, &seen.slots));
  mvg_status status = mvg_rewrite(graph, NULL, replace, &seen, out_graph);
  mvg_free(seen.slots);
  return status;
}

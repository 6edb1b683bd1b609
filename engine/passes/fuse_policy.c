// Which values become roots: the policy of fusion, a function of the graph and the limits of the
// device.
//
// A value is stored when
// - a target, a host step or a bound kernel needs it in memory;
// - a kernel reads it and what is behind it is more than a cheap chain of views and maps (kernels
// may read an element
//   many times);
// - it is, or contains, a reduction, unless its only user reads it element by element (then that
// user is the epilogue);
// - several users read it and computing it again would cost more than COST_AGAIN operations or
// LOADS_AGAIN loads;
// - a broadcast or an expanding view reads it repeatedly and it is not nearly free;
// - the tree behind its user would load more tensors than a kernel may bind, or grow out of bounds.
// Everything else is computed where it is read. A reduction is thus never computed again inside a
// loop.
#include "passes/fuse_internal.h"

#define COST_AGAIN 12
#define LOADS_AGAIN 2
#define COST_REPEATED 4
#define COST_KERNEL_INPUT 8
#define MAX_TREE_NODES 160

// What is computed on the way to a value from the nearest stored ones.
typedef struct {
  uint32_t cost;
  uint32_t nodes;
  uint32_t load_count;
  uint32_t loads[MVG_MAX_TREE_LOADS + 1];
  bool has_map, has_reduce;
} tree;

static void add_load(tree *t, uint32_t number) {
  for (uint32_t i = 0; i < t->load_count; ++i) {
    if (t->loads[i] == number) return;
  }
  if (t->load_count <= MVG_MAX_TREE_LOADS) t->loads[t->load_count++] = number;
}

static void add_input(const fuser *f, const tree *trees, tree *t, mvg_value input) {
  if (mvg_fusion_is_loaded(f->fusion, input)) {
    add_load(t, mvg_fusion_number(f->fusion, input));
    return;
  }
  const tree *behind = &trees[mvg_fusion_number(f->fusion, input)];
  t->cost += behind->cost;
  t->nodes += behind->nodes;
  t->has_map = t->has_map || behind->has_map;
  t->has_reduce = t->has_reduce || behind->has_reduce;
  for (uint32_t i = 0; i < behind->load_count; ++i)
    add_load(t, behind->loads[i]);
}

static void sum_up(const fuser *f, const tree *trees, const mvg_node *node, tree *t) {
  *t = (tree){.cost = 1, .nodes = 1};
  if (node->kind == MVG_KIND_MAP) {
    t->cost = mvg_expr_get_cost(node->map.expr);
    t->has_map = true;
  }
  if (node->kind == MVG_KIND_VIEW && !node->view.is_reshape) t->cost = 2;
  if (node->kind == MVG_KIND_REDUCE) t->has_reduce = true;
  for (uint32_t i = 0; i < node->input_count; ++i)
    add_input(f, trees, t, node->inputs[i]);
}

// Stores the largest inputs until the tree is within bounds.
static void bound_tree(fuser *f, const tree *trees, const mvg_node *node, tree *t) {
  for (;;) {
    sum_up(f, trees, node, t);
    if (t->load_count <= f->max_tree_loads && t->nodes <= MAX_TREE_NODES) return;
    uint32_t largest = UINT32_MAX, size = 0;
    for (uint32_t i = 0; i < node->input_count; ++i) {
      if (mvg_fusion_is_loaded(f->fusion, node->inputs[i])) continue;
      uint32_t number = mvg_fusion_number(f->fusion, node->inputs[i]);
      uint32_t weight = trees[number].load_count * 16 + trees[number].nodes;
      if (mvg_graph_get_node(f->graph, node->inputs[i].node)->kind == MVG_KIND_CONST) continue;
      if (weight > size) {
        size = weight;
        largest = number;
      }
    }
    if (largest == UINT32_MAX) return; // an operator of its own that loads this much
    f->fusion->is_root[largest] = true;
  }
}

static bool reads_elementwise(const fuser *f, const mvg_node *user, mvg_value value) {
  int64_t size = mvg_shape_get_size(&mvg_graph_get_type(f->graph, value)->shape);
  bool is_elementwise = user->kind == MVG_KIND_MAP || mvg_node_is_reshape(f->graph, user);
  return is_elementwise && size == mvg_shape_get_size(&user->outputs[0].shape);
}

// Host code reads memory. A reshape between needs none of its own: what is behind it is stored.
static bool is_read_by_host(const fuser *f, mvg_value value) {
  uint32_t number = mvg_fusion_number(f->fusion, value);
  for (uint32_t i = f->user_begin[number]; i < f->user_begin[number + 1]; ++i) {
    uint32_t id = f->users.items[i].node;
    const mvg_node *user = mvg_graph_get_node(f->graph, id);
    if (user->kind == MVG_KIND_HOST) return true;
    bool is_bound = user->kind == MVG_KIND_KERNEL && f->options->accepts_binding &&
                    f->options->accepts_binding(user);
    if (is_bound) return true;
    bool is_alias = mvg_node_is_reshape(f->graph, user) && !f->is_target[f->fusion->value_base[id]];
    if (is_alias && is_read_by_host(f, (mvg_value){id, 0})) return true;
  }
  return false;
}

static bool must_store_for(const fuser *f, const tree *t, mvg_value value, const mvg_node *user) {
  if (user->kind == MVG_KIND_HOST) return false; // is_read_by_host decides
  if (user->kind == MVG_KIND_KERNEL) {
    bool is_bound = f->options->accepts_binding && f->options->accepts_binding(user);
    bool is_cheap = t->cost <= COST_KERNEL_INPUT && t->load_count <= 1 && !t->has_reduce;
    return !is_bound && !is_cheap;
  }
  if (user->kind == MVG_KIND_REDUCE) return t->has_reduce;
  if (t->has_reduce) return !reads_elementwise(f, user, value);
  int64_t size = mvg_shape_get_size(&mvg_graph_get_type(f->graph, value)->shape);
  bool is_repeated = mvg_shape_get_size(&user->outputs[0].shape) > size;
  return is_repeated && t->has_map && (t->cost > COST_REPEATED || t->load_count > LOADS_AGAIN);
}

// A single constant has no memory to alias.
static bool is_constant(const mvg_graph *graph, mvg_value value) {
  const mvg_node *node = mvg_graph_get_node(graph, value.node);
  if (mvg_node_is_reshape(graph, node)) return is_constant(graph, node->inputs[0]);
  return node->kind == MVG_KIND_CONST && mvg_shape_get_size(&node->outputs[0].shape) == 1;
}

static bool should_store(const fuser *f, const tree *t, mvg_value value) {
  uint32_t number = mvg_fusion_number(f->fusion, value);
  if (f->is_target[number]) return true;
  const mvg_node *node = mvg_graph_get_node(f->graph, value.node);
  bool is_alias = mvg_node_is_reshape(f->graph, node) && !is_constant(f->graph, node->inputs[0]);
  if (!is_alias && is_read_by_host(f, value)) return true;
  uint32_t begin = f->user_begin[number], end = f->user_begin[number + 1];
  for (uint32_t i = begin; i < end; ++i) {
    const mvg_node *user = mvg_graph_get_node(f->graph, f->users.items[i].node);
    if (must_store_for(f, t, value, user)) return true;
  }
  if (end - begin < 2) return false;
  bool is_cheap = t->cost <= COST_AGAIN && t->load_count <= LOADS_AGAIN;
  return t->has_reduce || (t->has_map && !is_cheap);
}

mvg_status mvg_fuse_mark_roots(fuser *f) {
  tree *trees;
  MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY(f->fusion->value_count, &trees));
  for (uint32_t id = 0; id < mvg_graph_get_node_count(f->graph); ++id) {
    const mvg_node *node = mvg_graph_get_node(f->graph, id);
    uint32_t number = f->fusion->value_base[id];
    if (!f->fusion->is_live[id] || node->kind <= MVG_KIND_CONST) continue;
    if (node->kind >= MVG_KIND_KERNEL) {
      for (uint32_t i = 0; i < node->output_count; ++i)
        f->fusion->is_root[number + i] = true;
      continue;
    }
    bound_tree(f, trees, node, &trees[number]);
    if (should_store(f, &trees[number], (mvg_value){id, 0})) f->fusion->is_root[number] = true;
  }
  mvg_free(trees);
  return NULL;
}

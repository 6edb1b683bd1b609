// What the expression tree behind a value loads from memory, found by walking it with symbolic
// indices.
#include "passes/fuse_internal.h"

typedef struct {
  uint32_t value;
  const mvg_index *linear;
} visit;

typedef struct {
  fuser *f;
  draft *group;
  uint32_t part;
  const mvg_index *element; // NULL: nothing counts as pointwise
  mvg_index_pool pool;
  MVG_ARRAY(visit) visited;
  double repeats; // iterations of the loops around
} walk;

static mvg_status add_read(walk *w, mvg_value value, bool is_pointwise) {
  draft *group = w->group;
  for (uint32_t i = 0; i < group->roots.count; ++i) { // a root of the same part is at hand
    mvg_value root = group->roots.items[i].value;
    if (root.node == value.node && root.output == value.output) return NULL;
  }
  for (uint32_t i = 0; i < group->reads.count; ++i) {
    draft_read *read = &group->reads.items[i];
    if (read->value.node != value.node || read->value.output != value.output) continue;
    read->is_pointwise = read->is_pointwise && is_pointwise;
    if (read->part != w->part) read->part = MVG_MANY_PARTS;
    return NULL;
  }
  return mvg_array_push(&group->reads, ((draft_read){value, w->part, is_pointwise}));
}

static mvg_status walk_value(walk *w, mvg_value value, const mvg_place *place);

static mvg_status walk_reduce(walk *w, const mvg_node *node, const mvg_place *place) {
  const mvg_shape *shape = &mvg_graph_get_type(w->f->graph, node->inputs[0])->shape;
  const mvg_index *vars[MVG_MAX_RANK];
  uint32_t count = 0;
  double repeats = w->repeats;
  w->group->has_loop = true;
  for (uint32_t i = 0; i < shape->rank; ++i) {
    if (!(node->reduce.axes >> i & 1)) continue;
    vars[count++] = mvg_index_make_var(&w->pool, shape->dims[i], 1);
    w->repeats *= (double)shape->dims[i];
  }
  mvg_place inner;
  mvg_place_through_reduce(w->f->graph, node, place, vars, &inner);
  mvg_status status = walk_value(w, node->inputs[0], &inner);
  w->repeats = repeats;
  return status;
}

static mvg_status walk_node(walk *w, mvg_value value, const mvg_place *place) {
  const mvg_node *node = mvg_graph_get_node(w->f->graph, value.node);
  ++w->group->size;
  switch (node->kind) {
  case MVG_KIND_MAP:
    w->group->work += w->repeats * (mvg_expr_get_cost(node->map.expr) + 1);
    for (uint32_t i = 0; i < node->input_count; ++i) {
      if (!mvg_expr_uses_var(node->map.expr, i)) continue;
      mvg_place inner;
      mvg_place_broadcast(&w->pool, place, &mvg_graph_get_type(w->f->graph, node->inputs[i])->shape,
                          &inner);
      MVG_RETURN_IF_ERROR(walk_value(w, node->inputs[i], &inner));
    }
    return NULL;
  case MVG_KIND_VIEW: {
    mvg_place inner;
    const mvg_index *valid;
    w->group->work += w->repeats;
    mvg_place_through_view(&w->pool, w->f->graph, node, place, &inner, &valid);
    if (valid && mvg_index_is_const(valid, 0)) return NULL;
    return walk_value(w, node->inputs[0], &inner);
  }
  case MVG_KIND_REDUCE:
    return walk_reduce(w, node, place);
  default:
    return NULL;
  }
}

static mvg_status walk_value(walk *w, mvg_value value, const mvg_place *place) {
  const mvg_index *linear = mvg_place_get_linear(&w->pool, place);
  uint32_t number = mvg_fusion_number(w->f->fusion, value);
  for (size_t i = w->visited.count; i-- > 0;) {
    if (w->visited.items[i].value == number && w->visited.items[i].linear == linear) return NULL;
  }
  MVG_RETURN_IF_ERROR(mvg_array_push(&w->visited, ((visit){number, linear})));
  if (mvg_fusion_is_loaded(w->f->fusion, value)) {
    w->group->work += w->repeats * 2;
    return add_read(w, value, w->element && linear == w->element);
  }
  return walk_node(w, value, place);
}

static mvg_status finish_walk(walk *w, mvg_status status) {
  status = mvg_status_join(status, mvg_index_pool_take_failure(&w->pool));
  mvg_index_pool_deinit(&w->pool);
  mvg_array_deinit(&w->visited);
  return status;
}

mvg_status mvg_fuse_collect_root(fuser *f, draft *group, uint32_t part, mvg_value root) {
  const mvg_shape *shape = &mvg_graph_get_type(f->graph, root)->shape;
  int64_t count = mvg_shape_get_size(shape);
  walk w = {.f = f, .group = group, .part = part, .repeats = (double)count};
  w.element = count > 1 ? mvg_index_make_var(&w.pool, count, 0) : mvg_index_make_const(&w.pool, 0);
  mvg_place place;
  mvg_place_from_linear(&w.pool, shape, w.element, &place);
  return finish_walk(&w, walk_node(&w, root, &place));
}

mvg_status mvg_fuse_collect_input(fuser *f, draft *group, mvg_value input) {
  const mvg_shape *shape = &mvg_graph_get_type(f->graph, input)->shape;
  int64_t count = mvg_shape_get_size(shape);
  walk w = {.f = f, .group = group, .repeats = (double)count};
  bool is_host = group->kind == MVG_GROUP_HOST || group->kind == MVG_GROUP_BOUND;
  if (is_host) input = mvg_fusion_resolve(f->fusion, input);
  shape = &mvg_graph_get_type(f->graph, input)->shape;
  mvg_place place;
  mvg_place_from_linear(&w.pool, shape, mvg_index_make_var(&w.pool, count, 0), &place);
  return finish_walk(&w, walk_value(&w, input, &place));
}

// Places of elements in tensors: how maps, views and reductions carry an index to their inputs.
#include "passes/index.h"

void mvg_place_from_linear(mvg_index_pool *pool, const mvg_shape *shape, const mvg_index *linear,
                           mvg_place *out) {
  *out = (mvg_place){.shape = *shape};
  int64_t strides[MVG_MAX_RANK];
  mvg_shape_get_strides(shape, strides);
  for (uint32_t i = 0; i < shape->rank; ++i) {
    int64_t stride = strides[i] ? strides[i] : 1, dim = shape->dims[i] ? shape->dims[i] : 1;
    out->coords[i] = mvg_index_make_digit(pool, linear, stride, dim);
  }
}

const mvg_index *mvg_place_get_linear(mvg_index_pool *pool, const mvg_place *place) {
  int64_t strides[MVG_MAX_RANK];
  mvg_shape_get_strides(&place->shape, strides);
  const mvg_index *linear = mvg_index_make_const(pool, 0);
  for (uint32_t i = 0; i < place->shape.rank; ++i) {
    if (place->shape.dims[i] == 1) continue;
    linear = mvg_index_make_sum(pool, linear, 1, place->coords[i], strides[i]);
  }
  return linear;
}

void mvg_place_broadcast(mvg_index_pool *pool, const mvg_place *place, const mvg_shape *shape,
                         mvg_place *out) {
  *out = (mvg_place){.shape = *shape};
  uint32_t extra = place->shape.rank - shape->rank;
  for (uint32_t i = 0; i < shape->rank; ++i) {
    bool is_repeated = shape->dims[i] == 1;
    out->coords[i] = is_repeated ? mvg_index_make_const(pool, 0) : place->coords[i + extra];
  }
}

void mvg_place_through_view(mvg_index_pool *pool, const mvg_graph *graph, const mvg_node *node,
                            const mvg_place *place, mvg_place *out, const mvg_index **out_valid) {
  const mvg_shape *shape = &mvg_graph_get_type(graph, node->inputs[0])->shape;
  *out_valid = NULL;
  if (node->view.is_reshape) {
    mvg_place_from_linear(pool, shape, mvg_place_get_linear(pool, place), out);
    return;
  }
  if (node->view.valid) {
    const mvg_index *valid = mvg_index_from_expr(pool, node->view.valid, place->coords);
    bool is_always = valid->low > 0 || valid->high < 0;
    if (!is_always) *out_valid = valid;
  }
  *out = (mvg_place){.shape = *shape};
  for (uint32_t i = 0; i < shape->rank; ++i) {
    const mvg_index *coord = mvg_index_from_expr(pool, node->view.index[i], place->coords);
    out->coords[i] = mvg_index_make_assume(pool, coord, 0, shape->dims[i] ? shape->dims[i] - 1 : 0);
  }
}

void mvg_place_through_reduce(const mvg_graph *graph, const mvg_node *node, const mvg_place *place,
                              const mvg_index *const *vars, mvg_place *out) {
  *out = (mvg_place){.shape = mvg_graph_get_type(graph, node->inputs[0])->shape};
  uint32_t kept = 0, reduced = 0;
  for (uint32_t i = 0; i < out->shape.rank; ++i) {
    bool is_reduced = node->reduce.axes >> i & 1;
    out->coords[i] = is_reduced ? vars[reduced++] : place->coords[kept++];
  }
}

// Writes tapes: walks the values of a part as codegen does, and leaves steps where they run least.
#include "program/host_tape.h"

#include <math.h>
#include <string.h>

#include "program/host_emit.h"

#define MAX_UNROLLED 64 // nodes that a reduction without a loop may visit

// ---- values ----

static uint16_t emit_value(mvg_tape_emitter *e, mvg_value value, const mvg_place *place,
                           const mvg_index *guard, bool is_root);

static bool is_integer(const mvg_tape_emitter *e, mvg_value value) {
  return mvg_graph_get_type(e->graph, value)->dtype == MVG_DTYPE_I32;
}

static uint16_t emit_map(mvg_tape_emitter *e, const mvg_node *node, const mvg_place *place,
                         const mvg_index *guard) {
  uint16_t vars[MVG_MAX_OPERANDS + 1] = {0};
  const mvg_expr *expr = node->map.expr;
  bool is_output_integer = node->outputs[0].dtype == MVG_DTYPE_I32;
  bool is_copy = expr->op == MVG_EXPR_VAR && expr->var < node->input_count && is_output_integer &&
                 is_integer(e, node->inputs[expr->var]);
  for (uint32_t i = 0; i < node->input_count; ++i) {
    if (!mvg_expr_uses_var(expr, i)) continue;
    mvg_place inner;
    mvg_place_broadcast(&e->pool, place, &mvg_graph_get_type(e->graph, node->inputs[i])->shape,
                        &inner);
    vars[i] = emit_value(e, node->inputs[i], &inner, guard, false);
    if (is_copy) return vars[i]; // integers beyond 2^24 stay whole
    if (is_integer(e, node->inputs[i])) vars[i] = mvg_emit_unary(e, MVG_TAPE_TO_FLOAT, vars[i]);
  }
  if (mvg_expr_uses_var(expr, node->input_count)) {
    const mvg_index *linear = mvg_place_get_linear(&e->pool, place);
    uint16_t index = mvg_emit_index(e, linear, MVG_TAPE_LANES);
    vars[node->input_count] = mvg_emit_unary(e, MVG_TAPE_TO_FLOAT, index);
  }
  uint16_t result = mvg_emit_expr(e, expr, vars);
  return is_output_integer ? mvg_emit_unary(e, MVG_TAPE_TO_INT, result) : result;
}

// Whether a chain of views ends in a load of its own: its elements are 0 where the guard is, and
// need no mask. What is at hand already, a root of this part or a load for another reader, may have
// been computed without the guard.
static bool is_guarded_load(const mvg_tape_emitter *e, mvg_value value) {
  const mvg_node *node = mvg_graph_get_node(e->graph, value.node);
  while (!mvg_fusion_is_loaded(e->fusion, value) && node->kind == MVG_KIND_VIEW) {
    value = node->inputs[0];
    node = mvg_graph_get_node(e->graph, value.node);
  }
  uint32_t number = mvg_fusion_number(e->fusion, value);
  for (size_t i = 0; i < e->values.count; ++i) {
    if (e->values.items[i].value == number && !e->values.items[i].guard) return false;
  }
  return mvg_fusion_is_loaded(e->fusion, value);
}

static const mvg_index *join_guards(mvg_tape_emitter *e, const mvg_index *a, const mvg_index *b) {
  if (!a || a == b) return b;
  const mvg_expr vars[2] = {{.op = MVG_EXPR_VAR, .var = 0}, {.op = MVG_EXPR_VAR, .var = 1}};
  const mvg_expr both = {.op = MVG_EXPR_AND, .args = {&vars[0], &vars[1]}};
  const mvg_index *args[2] = {a, b};
  return mvg_index_from_expr(&e->pool, &both, args);
}

static uint16_t emit_view(mvg_tape_emitter *e, const mvg_node *node, const mvg_place *place,
                          const mvg_index *guard) {
  mvg_place inner;
  const mvg_index *valid;
  mvg_place_through_view(&e->pool, e->graph, node, place, &inner, &valid);
  if (!valid) return emit_value(e, node->inputs[0], &inner, guard, false);
  if (mvg_index_is_const(valid, 0)) return mvg_emit_bits(e, 0);
  const mvg_index *both = join_guards(e, guard, valid);
  if (mvg_index_is_const(both, 0)) return mvg_emit_bits(e, 0);
  uint16_t value = emit_value(e, node->inputs[0], &inner, both, false);
  if (e->failure || is_guarded_load(e, node->inputs[0])) return value;
  uint16_t args[2] = {value, mvg_emit_valid(e, valid)};
  return mvg_emit_op(e, MVG_TAPE_MASK, args, 2);
}

static uint16_t emit_leaf(mvg_tape_emitter *e, mvg_value value, const mvg_index *linear,
                          const mvg_index *guard) {
  uint32_t read = 0;
  const mvg_group *group = e->group;
  for (; read < group->read_count; ++read) {
    mvg_value held = group->reads[read].value;
    if (held.node == value.node && held.output == value.output) break;
  }
  bool is_extra = value.node == e->extra.node && value.output == e->extra.output;
  if (read == group->read_count && !is_extra) {
    return mvg_emit_unsupported(e, "an earlier root that is read in another order");
  }
  const mvg_type *type = mvg_graph_get_type(e->graph, value);
  if (mvg_shape_get_size(&type->shape) == 0) return mvg_emit_unsupported(e, "an empty tensor");
  bool is_widened =
      is_extra && mvg_dtype_is_half(type->dtype); // by the row kernel, see host_group.c
  return mvg_emit_load(e, read, is_widened ? MVG_DTYPE_F32 : type->dtype, linear, guard);
}

// ---- reductions ----

static int64_t get_length(const mvg_shape *shape, uint32_t axes) {
  int64_t length = 1;
  for (uint32_t i = 0; i < shape->rank; ++i)
    length *= axes >> i & 1 ? shape->dims[i] : 1;
  return length;
}

static bool is_var(const mvg_expr *expr, uint32_t var) {
  return expr->op == MVG_EXPR_VAR && expr->var == var;
}

// Rows of neighbouring elements, one a lane.
static bool can_take_rows(const mvg_tape_emitter *e, const mvg_node *node, const mvg_index *linear,
                          const mvg_index *guard) {
  const mvg_shape *shape = &mvg_graph_get_type(e->graph, node->inputs[0])->shape;
  const mvg_expr *combine = node->reduce.combine;
  bool is_known =
      combine->op == MVG_EXPR_ADD || combine->op == MVG_EXPR_MIN || combine->op == MVG_EXPR_MAX;
  if (!is_known || guard || linear != e->element) return false;
  if (!is_var(combine->args[0], 0) || !is_var(combine->args[1], 1)) return false;
  if (node->reduce.init->op != MVG_EXPR_CONST) return false;
  uint32_t last = shape->rank;
  while (last > 0 && shape->dims[last - 1] == 1)
    --last;
  return last > 0 && node->reduce.axes >> (last - 1) & 1;
}

static mvg_status open_emitter(mvg_tape_emitter *e, const mvg_fusion *fusion,
                               const mvg_group *group, int64_t count);
static uint16_t emit_lanes(mvg_tape_emitter *e, const mvg_node *node, const mvg_place *place,
                           const mvg_index *guard, int64_t length);
static mvg_status close_emitter(mvg_tape_emitter *e, mvg_status status, mvg_tape **out_tape);

static mvg_status make_rows_body(mvg_tape_emitter *outer, const mvg_node *node, int64_t length,
                                 mvg_tape_rows *rows) {
  mvg_tape_emitter e;
  int64_t count = outer->tape->count * length;
  mvg_status status = open_emitter(&e, outer->fusion, outer->group, count);
  e.extra = outer->extra;
  if (!status) {
    const mvg_shape *shape = &mvg_graph_get_type(e.graph, node->inputs[0])->shape;
    const mvg_index *row = mvg_index_make_digit(&e.pool, e.element, length, 0);
    const mvg_index *vars[MVG_MAX_RANK];
    int64_t stride = length;
    uint32_t k = 0;
    for (uint32_t i = 0; i < shape->rank; ++i) {
      if (!(node->reduce.axes >> i & 1)) continue;
      stride /= shape->dims[i];
      vars[k++] = mvg_index_make_digit(&e.pool, e.element, stride, shape->dims[i]);
    }
    mvg_place place, inner;
    mvg_place_from_linear(&e.pool, &node->outputs[0].shape, row, &place);
    mvg_place_through_reduce(e.graph, node, &place, vars, &inner);
    uint16_t value = emit_value(&e, node->inputs[0], &inner, NULL, false);
    if (!e.failure && is_integer(&e, node->inputs[0])) {
      value = mvg_emit_unary(&e, MVG_TAPE_TO_FLOAT, value);
    }
    rows->result = mvg_emit_widen(&e, value, MVG_TAPE_LANES);
    status = mvg_array_push(&e.tape->stores, ((mvg_tape_store){.source = rows->result}));
  }
  return close_emitter(&e, status, &rows->body);
}

static bool gathers(const mvg_tape *tape) {
  for (size_t i = 0; i < tape->loads.count; ++i) {
    if (tape->loads.items[i].pattern == MVG_TAPE_GATHER) return true;
  }
  return false;
}

// Whether a loop over lanes would be faster than rows that gather: tries it.
static bool is_faster_as_loop(const mvg_tape_emitter *outer, const mvg_node *node,
                              const mvg_tape_rows *rows) {
  mvg_tape_emitter e;
  mvg_status status = open_emitter(&e, outer->fusion, outer->group, outer->tape->count);
  e.extra = outer->extra;
  if (!status) {
    mvg_place place;
    mvg_place_from_linear(&e.pool, &node->outputs[0].shape, e.element, &place);
    emit_lanes(&e, node, &place, NULL, rows->length);
  }
  mvg_tape *tape;
  status = close_emitter(&e, status, &tape);
  double cost = status ? INFINITY : tape->cost / tape->block;
  mvg_status_destroy(status);
  mvg_tape_destroy(tape);
  return cost * rows->body->block < rows->body->cost * (double)rows->length;
}

// MVG_TAPE_NONE for rows that need what only a loop over lanes can give.
static uint16_t emit_rows(mvg_tape_emitter *e, const mvg_node *node, int64_t length) {
  if (e->tape->rows.count == MVG_TAPE_MAX_ROWS)
    return mvg_emit_unsupported(e, "so many row reductions");
  mvg_tape_rows rows = {.length = length,
                        .combine = node->reduce.combine->op,
                        .init = (float)node->reduce.init->value};
  mvg_status status = make_rows_body(e, node, length, &rows);
  if (status && mvg_status_get_code(status) == MVG_UNSUPPORTED) {
    mvg_status_destroy(status);
    return MVG_TAPE_NONE;
  }
  if (!status && gathers(rows.body) && is_faster_as_loop(e, node, &rows)) {
    mvg_tape_destroy(rows.body);
    return MVG_TAPE_NONE;
  }
  if (!status) {
    status = mvg_array_push(&e->tape->rows, rows);
    if (status) mvg_tape_destroy(rows.body);
  }
  if (status) return mvg_emit_give_up(e, status);
  return mvg_emit(e, &(mvg_tape_step){.op = MVG_TAPE_ROWS,
                                      .side = (uint32_t)e->tape->rows.count - 1,
                                      .width = MVG_TAPE_LANES});
}

static void forget_loop(mvg_tape_emitter *e) {
  size_t kept = 0;
  for (size_t i = 0; i < e->values.count; ++i) {
    uint16_t level = e->tape->registers.items[e->values.items[i].reg].level;
    if (level < MVG_TAPE_IN_LOOP) e->values.items[kept++] = e->values.items[i];
  }
  e->values.count = kept;
  kept = 0;
  for (size_t i = 0; i < e->indices.count; ++i) {
    uint16_t level = e->tape->registers.items[e->indices.items[i].reg].level;
    if (level < MVG_TAPE_IN_LOOP) e->indices.items[kept++] = e->indices.items[i];
  }
  e->indices.count = kept;
  e->loop_code = 0;
  e->loop_var_count = 0;
}

static void open_loop(mvg_tape_emitter *e, const mvg_node *node, mvg_tape_loop *loop) {
  const mvg_shape *shape = &mvg_graph_get_type(e->graph, node->inputs[0])->shape;
  for (uint32_t i = 0; i < shape->rank; ++i) {
    if (!(node->reduce.axes >> i & 1)) continue;
    uint32_t k = loop->count++;
    loop->sizes[k] = shape->dims[i];
    e->loop_vars[k] = shape->dims[i] == 1 ? mvg_index_make_const(&e->pool, 0)
                                          : mvg_index_make_var(&e->pool, shape->dims[i], 1);
  }
  e->loop_var_count = loop->count;
  loop->code = e->loop_code = (uint32_t)e->tape->codes.count;
  mvg_status status = mvg_array_push(&e->tape->codes, (mvg_tape_code){0});
  if (status) mvg_emit_give_up(e, status);
}

static void push_body(mvg_tape_emitter *e, const mvg_tape_step *step) {
  mvg_status status = mvg_array_push(&e->tape->codes.items[MVG_TAPE_BODY].steps, *step);
  if (status) mvg_emit_give_up(e, status);
}

// Nodes between a value and what is loaded for it, at most `limit`.
static int64_t count_nodes(const mvg_tape_emitter *e, mvg_value value, int64_t limit) {
  const mvg_node *node = mvg_graph_get_node(e->graph, value.node);
  int64_t count = 1;
  if (mvg_fusion_is_loaded(e->fusion, value)) return count;
  for (uint32_t i = 0; i < node->input_count && count < limit; ++i)
    count += count_nodes(e, node->inputs[i], limit - count);
  return count;
}

static bool can_unroll(const mvg_tape_emitter *e, const mvg_node *node, int64_t length) {
  if (length > MAX_UNROLLED) return false;
  return count_nodes(e, node->inputs[0], MAX_UNROLLED) * length <= MAX_UNROLLED;
}

// One element of a reduction after another, each with indices of its own: what is the same for
// several is computed once, and checks that always hold for one are left out.
static uint16_t emit_unrolled(mvg_tape_emitter *e, const mvg_node *node, const mvg_place *place,
                              const mvg_index *guard, int64_t length) {
  const mvg_shape *shape = &mvg_graph_get_type(e->graph, node->inputs[0])->shape;
  uint16_t vars[2] = {mvg_emit_expr(e, node->reduce.init, NULL), 0};
  for (int64_t k = 0; k < length && !e->failure; ++k) {
    const mvg_index *coords[MVG_MAX_RANK];
    int64_t stride = length;
    uint32_t count = 0;
    for (uint32_t i = 0; i < shape->rank; ++i) {
      if (!(node->reduce.axes >> i & 1)) continue;
      stride /= shape->dims[i];
      coords[count++] = mvg_index_make_const(&e->pool, k / stride % shape->dims[i]);
    }
    mvg_place inner;
    mvg_place_through_reduce(e->graph, node, place, coords, &inner);
    vars[1] = emit_value(e, node->inputs[0], &inner, guard, false);
    if (is_integer(e, node->inputs[0])) vars[1] = mvg_emit_unary(e, MVG_TAPE_TO_FLOAT, vars[1]);
    vars[0] = mvg_emit_expr(e, node->reduce.combine, vars);
  }
  return vars[0];
}

static uint16_t emit_loop(mvg_tape_emitter *e, const mvg_node *node, const mvg_place *place,
                          const mvg_index *guard) {
  if (e->loop_code) return mvg_emit_unsupported(e, "a reduction inside a reduction");
  uint16_t width = e->tape->count > 1 ? MVG_TAPE_LANES : MVG_TAPE_UNIFORM;
  uint16_t init = mvg_emit_widen(e, mvg_emit_expr(e, node->reduce.init, NULL), width);
  uint16_t total = mvg_emit_register(e, width, MVG_TAPE_IN_LOOP);
  push_body(e,
            &(mvg_tape_step){.op = MVG_TAPE_COPY, .target = total, .args = {init}, .width = width});
  mvg_tape_loop loop = {0};
  open_loop(e, node, &loop);
  if (e->failure) return 0;
  mvg_place inner;
  mvg_place_through_reduce(e->graph, node, place, e->loop_vars, &inner);
  uint16_t element = emit_value(e, node->inputs[0], &inner, guard, false);
  if (is_integer(e, node->inputs[0])) element = mvg_emit_unary(e, MVG_TAPE_TO_FLOAT, element);
  uint16_t vars[2] = {total, element};
  uint16_t sum = mvg_emit_widen(e, mvg_emit_expr(e, node->reduce.combine, vars), width);
  if (e->failure) return 0;
  mvg_tape_code *code = &e->tape->codes.items[loop.code];
  mvg_tape_step *last = code->steps.count ? &code->steps.items[code->steps.count - 1] : NULL;
  mvg_status status = NULL;
  if (last && last->target == sum && last->op < MVG_EXPR_OP_COUNT) {
    last->target = total;
  } else {
    mvg_tape_step copy = {.op = MVG_TAPE_COPY, .target = total, .args = {sum}, .width = width};
    status = mvg_array_push(&code->steps, copy);
  }
  if (!status) status = mvg_array_push(&e->tape->loops, loop);
  if (status) return mvg_emit_give_up(e, status);
  forget_loop(e);
  e->tape->registers.items[total].level = MVG_TAPE_BODY;
  push_body(e, &(mvg_tape_step){.op = MVG_TAPE_LOOP,
                                .target = total,
                                .side = (uint32_t)e->tape->loops.count - 1,
                                .width = width});
  return total;
}

// Every lane reduces elements of its own.
static uint16_t emit_lanes(mvg_tape_emitter *e, const mvg_node *node, const mvg_place *place,
                           const mvg_index *guard, int64_t length) {
  if (can_unroll(e, node, length)) return emit_unrolled(e, node, place, guard, length);
  return emit_loop(e, node, place, guard);
}

static uint16_t emit_reduce(mvg_tape_emitter *e, const mvg_node *node, const mvg_place *place,
                            const mvg_index *guard) {
  const mvg_shape *shape = &mvg_graph_get_type(e->graph, node->inputs[0])->shape;
  int64_t length = get_length(shape, node->reduce.axes);
  if (length == 0) return mvg_emit_unsupported(e, "an empty reduction");
  const mvg_index *linear = mvg_place_get_linear(&e->pool, place);
  bool is_rows = !e->loop_code && can_take_rows(e, node, linear, guard);
  uint16_t total = is_rows ? emit_rows(e, node, length) : MVG_TAPE_NONE;
  if (total == MVG_TAPE_NONE) total = emit_lanes(e, node, place, guard, length);
  uint16_t vars[2] = {total, mvg_emit_number(e, (double)length)};
  if (e->failure) return 0;
  uint16_t result = mvg_emit_expr(e, node->reduce.finish, vars);
  return node->outputs[0].dtype == MVG_DTYPE_I32 ? mvg_emit_unary(e, MVG_TAPE_TO_INT, result)
                                                 : result;
}

static uint16_t emit_constant(mvg_tape_emitter *e, const mvg_node *node) {
  uint32_t bits;
  memcpy(&bits, node->constant.data, sizeof bits);
  return mvg_emit_bits(e, bits);
}

static uint16_t emit_value(mvg_tape_emitter *e, mvg_value value, const mvg_place *place,
                           const mvg_index *guard, bool is_root) {
  if (e->failure) return 0;
  const mvg_node *node = mvg_graph_get_node(e->graph, value.node);
  bool is_loaded = mvg_fusion_is_loaded(e->fusion, value) && !is_root;
  if (node->kind == MVG_KIND_CONST && !is_loaded) return emit_constant(e, node);
  const mvg_index *linear = mvg_place_get_linear(&e->pool, place);
  uint32_t number = mvg_fusion_number(e->fusion, value);
  for (size_t i = e->values.count; i-- > 0;) {
    const mvg_tape_known_value *known = &e->values.items[i];
    bool is_same = known->value == number && known->linear == linear &&
                   (known->guard == guard || !known->guard);
    if (is_same) return known->reg;
  }
  uint16_t reg;
  if (is_loaded) {
    reg = emit_leaf(e, value, linear, guard);
  } else if (node->kind == MVG_KIND_MAP) {
    reg = emit_map(e, node, place, guard);
  } else if (node->kind == MVG_KIND_VIEW) {
    reg = emit_view(e, node, place, guard);
  } else if (node->kind == MVG_KIND_REDUCE) {
    reg = emit_reduce(e, node, place, guard);
  } else {
    return mvg_emit_unsupported(e, node->op);
  }
  mvg_tape_known_value known = {number, linear, guard, reg};
  mvg_status status = e->failure ? NULL : mvg_array_push(&e->values, known);
  return status ? mvg_emit_give_up(e, status) : reg;
}

// ---- parts ----

static mvg_status open_emitter(mvg_tape_emitter *e, const mvg_fusion *fusion,
                               const mvg_group *group, int64_t count) {
  *e = (mvg_tape_emitter){
      .fusion = fusion, .graph = fusion->graph, .group = group, .extra = MVG_NO_VALUE};
  MVG_RETURN_IF_ERROR(MVG_NEW(&e->tape));
  e->tape->count = count;
  e->element =
      count > 1 ? mvg_index_make_var(&e->pool, count, 0) : mvg_index_make_const(&e->pool, 0);
  MVG_RETURN_IF_ERROR(mvg_array_push(&e->tape->codes, (mvg_tape_code){0}));
  MVG_RETURN_IF_ERROR(mvg_array_push(&e->tape->codes, (mvg_tape_code){0}));
  MVG_RETURN_IF_ERROR(mvg_array_push(&e->tape->runs, 0));
  MVG_RETURN_IF_ERROR(mvg_array_push(&e->tape->runs, 1));
  return count > INT32_MAX ? MVG_ERROR(MVG_UNSUPPORTED, "a reduction of so many elements") : NULL;
}

static mvg_status close_emitter(mvg_tape_emitter *e, mvg_status status, mvg_tape **out_tape) {
  status = mvg_status_join(status, e->failure);
  status = mvg_status_join(status, mvg_index_pool_take_failure(&e->pool));
  mvg_index_pool_deinit(&e->pool);
  mvg_array_deinit(&e->values);
  mvg_array_deinit(&e->indices);
  mvg_array_deinit(&e->motions);
  if (!status && e->tape) status = mvg_tape_assign_slots(e->tape);
  *out_tape = e->tape;
  if (status) {
    mvg_tape_destroy(e->tape);
    *out_tape = NULL;
  }
  return status;
}

static uint32_t find_write(const mvg_group *group, mvg_value value) {
  uint32_t i = 0;
  while (group->writes[i].node != value.node || group->writes[i].output != value.output)
    ++i;
  return i;
}

// A store may overwrite memory that a register still lies in: such values are copied.
static void add_store(mvg_tape_emitter *e, uint16_t reg, uint32_t write, mvg_dtype dtype) {
  if (e->failure) return;
  reg = mvg_emit_widen(e, reg, e->tape->count > 1 ? MVG_TAPE_LANES : MVG_TAPE_UNIFORM);
  reg = mvg_emit(e, &(mvg_tape_step){.op = MVG_TAPE_COPY,
                                     .args = {reg},
                                     .width = e->tape->registers.items[reg].width});
  mvg_status status = mvg_array_push(&e->tape->stores, ((mvg_tape_store){reg, write, dtype}));
  if (status) mvg_emit_give_up(e, status);
}

static bool is_load(const mvg_tape *tape, uint16_t reg) {
  for (size_t c = 0; c < tape->codes.count; ++c) {
    const mvg_tape_code *code = &tape->codes.items[c];
    for (size_t i = 0; i < code->steps.count; ++i) {
      if (code->steps.items[i].target == reg) return code->steps.items[i].op == MVG_TAPE_LOAD;
    }
  }
  return false;
}

static void emit_roots(mvg_tape_emitter *e, const mvg_part *part, uint32_t first) {
  for (uint32_t i = first; i < part->root_count; ++i) {
    mvg_value value = part->roots[i].value;
    mvg_place place;
    mvg_place_from_linear(&e->pool, &mvg_graph_get_type(e->graph, value)->shape, e->element,
                          &place);
    uint16_t reg = emit_value(e, value, &place, NULL, true);
    if (e->failure) return;
    if (!part->roots[i].is_stored) continue;
    uint16_t width = e->tape->count > 1 ? MVG_TAPE_LANES : MVG_TAPE_UNIFORM;
    uint32_t write = find_write(e->group, value);
    mvg_dtype dtype = mvg_graph_get_type(e->graph, value)->dtype;
    bool is_in_memory = is_load(e->tape, reg) && part->root_count > 1;
    if (is_in_memory) {
      add_store(e, reg, write, dtype);
      continue;
    }
    reg = mvg_emit_widen(e, reg, width);
    mvg_status status = mvg_array_push(&e->tape->stores, ((mvg_tape_store){reg, write, dtype}));
    if (status) mvg_emit_give_up(e, status);
  }
}

mvg_status mvg_tape_create(const mvg_fusion *fusion, const mvg_group *group, uint32_t part,
                           mvg_tape **out_tape) {
  mvg_tape_emitter e;
  mvg_status status = open_emitter(&e, fusion, group, group->parts[part].count);
  if (!status) emit_roots(&e, &group->parts[part], 0);
  return close_emitter(&e, status, out_tape);
}

mvg_status mvg_tape_create_input(const mvg_fusion *fusion, const mvg_group *group, mvg_value input,
                                 mvg_tape **out_tape) {
  mvg_tape_emitter e;
  const mvg_shape *shape = &mvg_graph_get_type(fusion->graph, input)->shape;
  mvg_status status = open_emitter(&e, fusion, group, mvg_shape_get_size(shape));
  if (!status) {
    mvg_place place;
    mvg_place_from_linear(&e.pool, shape, e.element, &place);
    uint16_t reg = emit_value(&e, input, &place, NULL, false);
    add_store(&e, reg, 0, MVG_DTYPE_F32);
  }
  return close_emitter(&e, status, out_tape);
}

mvg_status mvg_tape_create_epilogue(const mvg_fusion *fusion, const mvg_group *group, uint32_t part,
                                    mvg_tape **out_tape) {
  *out_tape = NULL;
  const mvg_part *p = &group->parts[part];
  if (p->root_count < 2) return NULL;
  mvg_tape_emitter e;
  mvg_status status = open_emitter(&e, fusion, group, p->count);
  if (!status) {
    e.extra = p->roots[0].value;
    emit_roots(&e, p, 1);
  }
  return close_emitter(&e, status, out_tape);
}

void mvg_tape_destroy(mvg_tape *tape) {
  if (!tape) return;
  for (size_t i = 0; i < tape->codes.count; ++i)
    mvg_array_deinit(&tape->codes.items[i].steps);
  for (size_t i = 0; i < tape->rows.count; ++i)
    mvg_tape_destroy(tape->rows.items[i].body);
  mvg_array_deinit(&tape->codes);
  mvg_array_deinit(&tape->constants);
  mvg_array_deinit(&tape->loads);
  mvg_array_deinit(&tape->loops);
  mvg_array_deinit(&tape->rows);
  mvg_array_deinit(&tape->runs);
  mvg_array_deinit(&tape->registers);
  mvg_array_deinit(&tape->stores);
  mvg_free(tape);
}

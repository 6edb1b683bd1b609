// Writes tapes: walks the values of a part as codegen does, and leaves steps where they run least.
#include "program/host_tape.h"

#include <math.h>
#include <string.h>

#include "program/host_emit.h"

// ---- values ----

static uint16_t emit_map(mvg_tape_emitter *e, const mvg_node *node, const mvg_place *place,
                         const mvg_index *guard) {
  uint16_t vars[MVG_MAX_OPERANDS + 1] = {0};
  const mvg_expr *expr = node->map.expr;
  bool is_output_integer = node->outputs[0].dtype == MVG_DTYPE_I32;
  bool is_copy = expr->op == MVG_EXPR_VAR && expr->var < node->input_count && is_output_integer &&
                 mvg_emit_is_integer(e, node->inputs[expr->var]);
  for (uint32_t i = 0; i < node->input_count; ++i) {
    if (!mvg_expr_uses_var(expr, i)) continue;
    mvg_place inner;
    mvg_place_broadcast(&e->pool, place, &mvg_graph_get_type(e->graph, node->inputs[i])->shape,
                        &inner);
    vars[i] = mvg_emit_value(e, node->inputs[i], &inner, guard, false);
    if (is_copy) return vars[i]; // integers beyond 2^24 stay whole
    if (mvg_emit_is_integer(e, node->inputs[i]))
      vars[i] = mvg_emit_unary(e, MVG_TAPE_TO_FLOAT, vars[i]);
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
  if (!valid) return mvg_emit_value(e, node->inputs[0], &inner, guard, false);
  if (mvg_index_is_const(valid, 0)) return mvg_emit_bits(e, 0);
  const mvg_index *both = join_guards(e, guard, valid);
  if (mvg_index_is_const(both, 0)) return mvg_emit_bits(e, 0);
  uint16_t value = mvg_emit_value(e, node->inputs[0], &inner, both, false);
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

static uint16_t emit_constant(mvg_tape_emitter *e, const mvg_node *node) {
  uint32_t bits;
  memcpy(&bits, node->constant.data, sizeof bits);
  return mvg_emit_bits(e, bits);
}

uint16_t mvg_emit_value(mvg_tape_emitter *e, mvg_value value, const mvg_place *place,
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
    reg = mvg_emit_reduce(e, node, place, guard);
  } else {
    return mvg_emit_unsupported(e, node->op);
  }
  mvg_tape_known_value known = {number, linear, guard, reg};
  mvg_status status = e->failure ? NULL : mvg_array_push(&e->values, known);
  return status ? mvg_emit_give_up(e, status) : reg;
}

// ---- parts ----

mvg_status mvg_emit_open(mvg_tape_emitter *e, const mvg_fusion *fusion, const mvg_group *group,
                         int64_t count) {
  *e = (mvg_tape_emitter){
      .fusion = fusion, .graph = fusion->graph, .group = group, .extra = MVG_NO_VALUE};
  MVG_RETURN_IF_ERROR(MVG_NEW(&e->tape));
  e->tape->count = count;
  e->tape->period = 1;
  e->element =
      count > 1 ? mvg_index_make_var(&e->pool, count, 0) : mvg_index_make_const(&e->pool, 0);
  MVG_RETURN_IF_ERROR(mvg_array_push(&e->tape->codes, (mvg_tape_code){0}));
  MVG_RETURN_IF_ERROR(mvg_array_push(&e->tape->codes, (mvg_tape_code){0}));
  MVG_RETURN_IF_ERROR(mvg_array_push(&e->tape->runs, 0));
  MVG_RETURN_IF_ERROR(mvg_array_push(&e->tape->runs, 1));
  return count > INT32_MAX ? MVG_ERROR(MVG_UNSUPPORTED, "a reduction of so many elements") : NULL;
}

mvg_status mvg_emit_close(mvg_tape_emitter *e, mvg_status status, mvg_tape **out_tape) {
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
    uint16_t reg = mvg_emit_value(e, value, &place, NULL, true);
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
  mvg_status status = mvg_emit_open(&e, fusion, group, group->parts[part].count);
  e.has_sums = true;
  if (!status) emit_roots(&e, &group->parts[part], 0);
  return mvg_emit_close(&e, status, out_tape);
}

mvg_status mvg_tape_create_input(const mvg_fusion *fusion, const mvg_group *group, mvg_value input,
                                 int64_t alignment, mvg_tape **out_tape) {
  mvg_tape_emitter e;
  const mvg_shape *shape = &mvg_graph_get_type(fusion->graph, input)->shape;
  mvg_status status = mvg_emit_open(&e, fusion, group, mvg_shape_get_size(shape));
  e.alignment = alignment;
  if (!status) {
    mvg_place place;
    mvg_place_from_linear(&e.pool, shape, e.element, &place);
    uint16_t reg = mvg_emit_value(&e, input, &place, NULL, false);
    add_store(&e, reg, 0, MVG_DTYPE_F32);
  }
  return mvg_emit_close(&e, status, out_tape);
}

mvg_status mvg_tape_create_epilogue(const mvg_fusion *fusion, const mvg_group *group, uint32_t part,
                                    int64_t alignment, mvg_tape **out_tape) {
  *out_tape = NULL;
  const mvg_part *p = &group->parts[part];
  if (p->root_count < 2) return NULL;
  mvg_tape_emitter e;
  mvg_status status = mvg_emit_open(&e, fusion, group, p->count);
  e.alignment = alignment;
  if (!status) {
    e.extra = p->roots[0].value;
    emit_roots(&e, p, 1);
  }
  return mvg_emit_close(&e, status, out_tape);
}

void mvg_tape_destroy(mvg_tape *tape) {
  if (!tape) return;
  for (size_t i = 0; i < tape->codes.count; ++i)
    mvg_array_deinit(&tape->codes.items[i].steps);
  for (size_t i = 0; i < tape->rows.count; ++i)
    mvg_tape_destroy(tape->rows.items[i].body);
  for (size_t i = 0; i < tape->columns.count; ++i)
    mvg_tape_destroy(tape->columns.items[i].body);
  mvg_array_deinit(&tape->codes);
  mvg_array_deinit(&tape->constants);
  mvg_array_deinit(&tape->loads);
  mvg_array_deinit(&tape->loops);
  mvg_array_deinit(&tape->rows);
  mvg_array_deinit(&tape->columns);
  mvg_array_deinit(&tape->runs);
  mvg_array_deinit(&tape->registers);
  mvg_array_deinit(&tape->stores);
  mvg_free(tape);
}

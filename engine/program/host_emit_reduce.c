// Writes reductions into tapes: of rows, of columns, or of what each lane reads for itself.
#include <math.h>

#include "program/host_emit.h"
#include "program/host_math.h"

#define MAX_UNROLLED 64 // nodes that a reduction without a loop may visit

static int64_t get_length(const mvg_shape *shape, uint32_t axes) {
  int64_t length = 1;
  for (uint32_t i = 0; i < shape->rank; ++i)
    length *= axes >> i & 1 ? shape->dims[i] : 1;
  return length;
}

static bool is_var(const mvg_expr *expr, uint32_t var) {
  return expr->op == MVG_EXPR_VAR && expr->var == var;
}

// The total so far with an element, from a constant on.
static bool combines_plainly(const mvg_node *node) {
  const mvg_expr *combine = node->reduce.combine;
  return is_var(combine->args[0], 0) && is_var(combine->args[1], 1) &&
         node->reduce.init->op == MVG_EXPR_CONST;
}

// Of blocks of whole rows, or of blocks that each row is cut into.
static int64_t get_alignment(int64_t length) {
  return length <= MVG_TAPE_BLOCK ? length : mvg_host_common_divisor(length, MVG_TAPE_BLOCK);
}

// What is reduced, at a place of the input.
static uint16_t emit_summand(mvg_tape_emitter *e, const mvg_node *node, const mvg_place *place) {
  uint16_t value = mvg_emit_value(e, node->inputs[0], place, NULL, false);
  bool is_integer = !e->failure && mvg_emit_is_integer(e, node->inputs[0]);
  return is_integer ? mvg_emit_unary(e, MVG_TAPE_TO_FLOAT, value) : value;
}

// ---- rows ----

// Rows of neighbouring elements, one a lane.
static bool can_take_rows(const mvg_tape_emitter *e, const mvg_node *node, const mvg_index *linear,
                          const mvg_index *guard) {
  const mvg_shape *shape = &mvg_graph_get_type(e->graph, node->inputs[0])->shape;
  const mvg_expr *combine = node->reduce.combine;
  bool is_known =
      combine->op == MVG_EXPR_ADD || combine->op == MVG_EXPR_MIN || combine->op == MVG_EXPR_MAX;
  if (!is_known || guard || linear != e->element || !combines_plainly(node)) return false;
  uint32_t last = shape->rank;
  while (last > 0 && shape->dims[last - 1] == 1)
    --last;
  return last > 0 && node->reduce.axes >> (last - 1) & 1;
}

static uint16_t emit_lanes(mvg_tape_emitter *e, const mvg_node *node, const mvg_place *place,
                           const mvg_index *guard, int64_t length);

static mvg_status make_rows_body(mvg_tape_emitter *outer, const mvg_node *node, int64_t length,
                                 mvg_tape_rows *rows) {
  mvg_tape_emitter e;
  int64_t count = outer->tape->count * length;
  mvg_status status = mvg_emit_open(&e, outer->fusion, outer->group, count);
  e.extra = outer->extra;
  e.alignment = get_alignment(length);
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
    rows->result = mvg_emit_widen(&e, emit_summand(&e, node, &inner), MVG_TAPE_LANES);
    status = mvg_array_push(&e.tape->stores, ((mvg_tape_store){.source = rows->result}));
  }
  return mvg_emit_close(&e, status, &rows->body);
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
  mvg_status status = mvg_emit_open(&e, outer->fusion, outer->group, outer->tape->count);
  e.extra = outer->extra;
  if (!status) {
    mvg_place place;
    mvg_place_from_linear(&e.pool, &node->outputs[0].shape, e.element, &place);
    emit_lanes(&e, node, &place, NULL, rows->length);
  }
  mvg_tape *tape;
  status = mvg_emit_close(&e, status, &tape);
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

// ---- columns ----

#define MIN_WIDTH 8
#define MIN_LENGTH 16
#define MIN_SUMMED 16384 // elements; fewer are not worth a stage of their own
#define MAX_PARTIAL_SUMS (1 << 20)
#define CHUNK_ELEMENTS 32768 // fit the second-level cache
#define MAX_CHUNKS 64

// Sums over neighbouring axes, the last axis is not one of them.
static bool can_take_columns(const mvg_tape_emitter *e, const mvg_node *node,
                             const mvg_index *linear, const mvg_index *guard,
                             mvg_tape_columns *out) {
  if (!e->has_sums || guard || linear != e->element) return false;
  if (node->reduce.combine->op != MVG_EXPR_ADD || !combines_plainly(node)) return false;
  const mvg_shape *shape = &mvg_graph_get_type(e->graph, node->inputs[0])->shape;
  *out = (mvg_tape_columns){.outer = 1, .length = 1, .width = 1};
  out->count = 1;
  out->sums[0] = (mvg_tape_sum){.node = node, .init = (float)node->reduce.init->value};
  bool is_behind = false;
  for (uint32_t i = 0; i < shape->rank; ++i) {
    bool is_reduced = node->reduce.axes >> i & 1;
    if (shape->dims[i] == 1) continue;
    if (is_reduced && is_behind) return false;
    is_behind = is_behind || (!is_reduced && out->length > 1);
    *(is_reduced ? &out->length : is_behind ? &out->width : &out->outer) *= shape->dims[i];
  }
  int64_t rows = mvg_host_divide_up(CHUNK_ELEMENTS, out->width);
  int64_t least = mvg_host_divide_up(out->length, MAX_CHUNKS);
  out->chunk = rows > least ? rows : least;
  if (out->chunk < MIN_LENGTH) out->chunk = MIN_LENGTH;
  out->chunk_count = mvg_host_divide_up(out->length, out->chunk);
  int64_t sums = out->outer * out->chunk_count * out->width;
  return out->width >= MIN_WIDTH && out->length >= MIN_LENGTH && sums <= MAX_PARTIAL_SUMS &&
         out->outer * out->length * out->width >= MIN_SUMMED;
}

static void emit_sum(mvg_tape_emitter *e, mvg_tape_sum *sum) {
  mvg_place place;
  mvg_place_from_linear(&e->pool, &mvg_graph_get_type(e->graph, sum->node->inputs[0])->shape,
                        e->element, &place);
  sum->result = mvg_emit_widen(e, emit_summand(e, sum->node, &place), MVG_TAPE_LANES);
  mvg_status status = mvg_array_push(&e->tape->stores, ((mvg_tape_store){.source = sum->result}));
  if (status) mvg_emit_give_up(e, status);
}

static mvg_status make_columns_body(mvg_tape_emitter *outer, mvg_tape_columns *columns) {
  mvg_tape_emitter e;
  mvg_status status = mvg_emit_open(&e, outer->fusion, outer->group,
                                    columns->outer * columns->length * columns->width);
  e.alignment = get_alignment(columns->width);
  for (uint32_t i = 0; i < columns->count && !status; ++i)
    emit_sum(&e, &columns->sums[i]);
  return mvg_emit_close(&e, status, &columns->body);
}

static bool is_cut_alike(const mvg_tape_columns *a, const mvg_tape_columns *b) {
  return a->outer == b->outer && a->length == b->length && a->width == b->width;
}

// Sums of columns that are cut alike get one body: what several read or compute is so once.
static mvg_status join_columns(mvg_tape_emitter *e, const mvg_tape_columns *columns,
                               uint32_t *out_side) {
  for (uint32_t i = 0; i < e->tape->columns.count; ++i) {
    mvg_tape_columns *known = &e->tape->columns.items[i], both = *known;
    if (!is_cut_alike(known, columns) || known->count == MVG_TAPE_MAX_SUMS) continue;
    both.sums[both.count++] = columns->sums[0];
    MVG_RETURN_IF_ERROR(make_columns_body(e, &both));
    mvg_tape_destroy(known->body);
    *known = both;
    *out_side = i;
    return NULL;
  }
  mvg_tape_columns alone = *columns;
  MVG_RETURN_IF_ERROR(make_columns_body(e, &alone));
  mvg_status status = mvg_array_push(&e->tape->columns, alone);
  if (status) mvg_tape_destroy(alone.body);
  *out_side = (uint32_t)e->tape->columns.count - 1;
  return status;
}

// MVG_TAPE_NONE for columns that need what only a loop over lanes can give.
static uint16_t emit_columns(mvg_tape_emitter *e, const mvg_tape_columns *columns) {
  uint32_t side;
  mvg_status status = join_columns(e, columns, &side);
  if (status && mvg_status_get_code(status) == MVG_UNSUPPORTED) {
    mvg_status_destroy(status);
    return MVG_TAPE_NONE;
  }
  if (status) return mvg_emit_give_up(e, status);
  return mvg_emit(e, &(mvg_tape_step){.op = MVG_TAPE_COLUMNS,
                                      .inner = (uint16_t)(e->tape->columns.items[side].count - 1),
                                      .side = side,
                                      .width = MVG_TAPE_LANES});
}

// ---- what each lane reads for itself ----

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
    vars[1] = mvg_emit_value(e, node->inputs[0], &inner, guard, false);
    if (mvg_emit_is_integer(e, node->inputs[0]))
      vars[1] = mvg_emit_unary(e, MVG_TAPE_TO_FLOAT, vars[1]);
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
  uint16_t element = mvg_emit_value(e, node->inputs[0], &inner, guard, false);
  if (mvg_emit_is_integer(e, node->inputs[0]))
    element = mvg_emit_unary(e, MVG_TAPE_TO_FLOAT, element);
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

uint16_t mvg_emit_reduce(mvg_tape_emitter *e, const mvg_node *node, const mvg_place *place,
                         const mvg_index *guard) {
  const mvg_shape *shape = &mvg_graph_get_type(e->graph, node->inputs[0])->shape;
  int64_t length = get_length(shape, node->reduce.axes);
  if (length == 0) return mvg_emit_unsupported(e, "an empty reduction");
  const mvg_index *linear = mvg_place_get_linear(&e->pool, place);
  bool is_rows = !e->loop_code && can_take_rows(e, node, linear, guard);
  uint16_t total = is_rows ? emit_rows(e, node, length) : MVG_TAPE_NONE;
  mvg_tape_columns columns;
  if (!e->loop_code && can_take_columns(e, node, linear, guard, &columns)) {
    total = emit_columns(e, &columns);
  }
  if (total == MVG_TAPE_NONE) total = emit_lanes(e, node, place, guard, length);
  uint16_t vars[2] = {total, mvg_emit_number(e, (double)length)};
  if (e->failure) return 0;
  uint16_t result = mvg_emit_expr(e, node->reduce.finish, vars);
  return node->outputs[0].dtype == MVG_DTYPE_I32 ? mvg_emit_unary(e, MVG_TAPE_TO_INT, result)
                                                 : result;
}

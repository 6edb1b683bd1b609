// Steps of a tape: equal ones are written once, each in the outermost code where it can stand.
#include "program/host_emit.h"

#include <string.h>

uint16_t mvg_emit_give_up(mvg_tape_emitter *e, mvg_status status) {
  e->failure = mvg_status_join(e->failure, status);
  return 0;
}

uint16_t mvg_emit_unsupported(mvg_tape_emitter *e, const char *what) {
  if (e->failure) return 0;
  return mvg_emit_give_up(e, MVG_ERROR(MVG_UNSUPPORTED, "%s cannot run on the host", what));
}

uint16_t mvg_emit_register(mvg_tape_emitter *e, uint16_t width, uint16_t level) {
  if (e->tape->registers.count == MVG_TAPE_MAX_REGISTERS)
    return mvg_emit_unsupported(e, "so large a part");
  mvg_tape_register reg = {.width = width, .level = level};
  mvg_status status = mvg_array_push(&e->tape->registers, reg);
  return status ? mvg_emit_give_up(e, status) : (uint16_t)(e->tape->registers.count - 1);
}

uint16_t mvg_emit_bits(mvg_tape_emitter *e, uint32_t bits) {
  for (size_t i = 0; i < e->tape->constants.count; ++i) {
    if (e->tape->constants.items[i].bits == bits) return e->tape->constants.items[i].target;
  }
  uint16_t reg = mvg_emit_register(e, MVG_TAPE_UNIFORM, MVG_TAPE_PROLOGUE);
  mvg_status status = mvg_array_push(&e->tape->constants, ((mvg_tape_constant){reg, bits}));
  return status ? mvg_emit_give_up(e, status) : reg;
}

uint16_t mvg_emit_number(mvg_tape_emitter *e, double value) {
  float number = (float)value;
  uint32_t bits;
  memcpy(&bits, &number, sizeof bits);
  return mvg_emit_bits(e, bits);
}

static bool is_equal_step(const mvg_tape_step *a, const mvg_tape_step *b) {
  return a->op == b->op && a->inner == b->inner && a->width == b->width && a->side == b->side &&
         a->factor == b->factor && a->offset == b->offset && a->divisor == b->divisor &&
         memcmp(a->args, b->args, sizeof a->args) == 0;
}

// Whatever its operands are.
static bool differs_between_blocks(const mvg_tape_emitter *e, const mvg_tape_step *step) {
  switch (step->op) {
  case MVG_TAPE_LOAD:
    return e->tape->loads.items[step->side].pattern != MVG_TAPE_PERIODIC;
  case MVG_TAPE_COPY:
  case MVG_TAPE_EXPAND:
  case MVG_TAPE_IOTA:
  case MVG_TAPE_ROWS:
  case MVG_TAPE_COLUMNS:
    return true;
  default:
    return false;
  }
}

static uint16_t get_level(const mvg_tape_emitter *e, const mvg_tape_step *step) {
  uint16_t level = MVG_TAPE_PROLOGUE;
  if (step->op == MVG_TAPE_LOOP_VAR) level = MVG_TAPE_IN_LOOP;
  // What is of lanes may be computed for all blocks at once only when it is the same in all.
  if (step->width != MVG_TAPE_UNIFORM && differs_between_blocks(e, step)) level = MVG_TAPE_BODY;
  uint32_t count = mvg_tape_count_args(step);
  for (uint32_t i = 0; i < count; ++i) {
    if (step->args[i] == MVG_TAPE_NONE) continue;
    uint16_t arg = e->tape->registers.items[step->args[i]].level;
    if (arg > level) level = arg;
  }
  return level;
}

uint16_t mvg_emit(mvg_tape_emitter *e, const mvg_tape_step *step) {
  if (e->failure) return 0;
  uint16_t level = get_level(e, step);
  uint32_t number = level == MVG_TAPE_IN_LOOP ? e->loop_code : level;
  mvg_tape_code *code = &e->tape->codes.items[number];
  for (size_t i = code->steps.count; i-- > 0;) {
    if (is_equal_step(&code->steps.items[i], step)) return code->steps.items[i].target;
  }
  mvg_tape_step kept = *step;
  kept.target = mvg_emit_register(e, step->width, level);
  mvg_status status = mvg_array_push(&code->steps, kept);
  return status ? mvg_emit_give_up(e, status) : kept.target;
}

uint16_t mvg_emit_widen(mvg_tape_emitter *e, uint16_t reg, uint16_t width) {
  if (e->failure || e->tape->registers.items[reg].width == width) return reg;
  return mvg_emit(e, &(mvg_tape_step){.op = MVG_TAPE_SPLAT, .args = {reg}, .width = width});
}

uint16_t mvg_emit_op(mvg_tape_emitter *e, uint16_t op, const uint16_t *args, uint32_t count) {
  mvg_tape_step step = {.op = op, .width = MVG_TAPE_UNIFORM};
  for (uint32_t i = 0; i < count && !e->failure; ++i) {
    if (e->tape->registers.items[args[i]].width != MVG_TAPE_UNIFORM) step.width = MVG_TAPE_LANES;
  }
  for (uint32_t i = 0; i < count; ++i)
    step.args[i] = mvg_emit_widen(e, args[i], step.width);
  return mvg_emit(e, &step);
}

uint16_t mvg_emit_unary(mvg_tape_emitter *e, uint16_t op, uint16_t a) {
  return mvg_emit_op(e, op, &a, 1);
}

static bool is_number(const mvg_expr *expr, double value) {
  return expr->op == MVG_EXPR_CONST && expr->value == value;
}

// The integer behind a float, which stays whole beyond 2^24, or the float rounded towards 0.
static uint16_t emit_integer(mvg_tape_emitter *e, uint16_t reg) {
  for (size_t i = 0; i < e->tape->codes.count; ++i) {
    const mvg_tape_code *code = &e->tape->codes.items[i];
    for (size_t k = 0; k < code->steps.count; ++k) {
      const mvg_tape_step *step = &code->steps.items[k];
      if (step->target == reg && step->op == MVG_TAPE_TO_FLOAT) return step->args[0];
    }
  }
  return mvg_emit_unary(e, MVG_TAPE_TO_INT, reg);
}

uint16_t mvg_emit_expr(mvg_tape_emitter *e, const mvg_expr *expr, const uint16_t *vars) {
  if (expr->op == MVG_EXPR_CONST) return mvg_emit_number(e, expr->value);
  if (expr->op == MVG_EXPR_VAR) return vars[expr->var];
  uint16_t args[4] = {0};
  uint32_t arity = mvg_expr_get_arity(expr->op);
  for (uint32_t i = 0; i < arity; ++i)
    args[i] = mvg_emit_expr(e, expr->args[i], vars);
  if (expr->op == MVG_EXPR_RANDOM) args[3] = emit_integer(e, args[3]);
  if (expr->op == MVG_EXPR_POW && is_number(expr->args[1], 2)) {
    return mvg_emit_op(e, MVG_EXPR_MUL, (uint16_t[]){args[0], args[0]}, 2);
  }
  return mvg_emit_op(e, (uint16_t)expr->op, args, arity);
}

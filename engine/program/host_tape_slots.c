// Where the registers of a tape lie: registers that do not live at the same time share a slot, so
// that a block's worth of them stays in the first-level cache.
#include <string.h>

#include "program/host_tape.h"

#define MIN_BLOCK 16
#define VECTOR 16           // lanes
#define MAX_BLOCK_COST 40e3 // nanoseconds; dearer blocks are made smaller
#define ENOUGH_BLOCKS 16    // unless there are as many
#define REGISTER_TABLE_ALIGNMENT 64

uint32_t mvg_tape_count_args(const mvg_tape_step *step) {
  switch (step->op) {
  case MVG_TAPE_LOAD:
    return 3;
  case MVG_TAPE_MASK:
  case MVG_TAPE_SCALE_ADD:
    return 2;
  case MVG_TAPE_COPY:
  case MVG_TAPE_SPLAT:
  case MVG_TAPE_EXPAND:
  case MVG_TAPE_TO_FLOAT:
  case MVG_TAPE_TO_INT:
  case MVG_TAPE_SCALE:
  case MVG_TAPE_DIVIDE:
  case MVG_TAPE_MODULO:
  case MVG_TAPE_SHIFT:
  case MVG_TAPE_BITS:
    return 1;
  case MVG_TAPE_INT_OP:
    return mvg_expr_get_arity((mvg_expr_op)step->inner);
  default:
    return step->op < MVG_EXPR_OP_COUNT ? mvg_expr_get_arity((mvg_expr_op)step->op) : 0;
  }
}

typedef struct {
  mvg_tape *tape;
  uint32_t *first, *last; // places where a register is written first and needed last
  MVG_ARRAY(uint16_t) active;
  MVG_ARRAY(uint32_t) free_slots;
  uint32_t place, loop_first, loop_last; // loop_last 0: outside
  bool is_assigning;
} allocator;

static void use(allocator *a, uint16_t reg) {
  uint32_t place = a->place;
  if (a->loop_last && a->first[reg] < a->loop_first) place = a->loop_last;
  if (place > a->last[reg]) a->last[reg] = place;
}

static mvg_status expire(allocator *a) {
  size_t kept = 0;
  for (size_t i = 0; i < a->active.count; ++i) {
    uint16_t reg = a->active.items[i];
    if (a->last[reg] >= a->place) {
      a->active.items[kept++] = reg;
    } else {
      MVG_RETURN_IF_ERROR(mvg_array_push(&a->free_slots, a->tape->registers.items[reg].slot));
    }
  }
  a->active.count = kept;
  return NULL;
}

static mvg_status assign(allocator *a, uint16_t reg) {
  if (a->first[reg] != a->place) return NULL;
  uint32_t *slot = &a->tape->registers.items[reg].slot;
  *slot = a->free_slots.count ? a->free_slots.items[--a->free_slots.count] : a->tape->slot_count++;
  return mvg_array_push(&a->active, reg);
}

static mvg_status visit(allocator *a, const mvg_tape_step *step) {
  ++a->place;
  if (a->is_assigning) {
    MVG_RETURN_IF_ERROR(expire(a));
    return step->op == MVG_TAPE_LOOP ? NULL : assign(a, step->target);
  }
  for (uint32_t i = 0; i < mvg_tape_count_args(step); ++i) {
    if (step->args[i] != MVG_TAPE_NONE) use(a, step->args[i]);
  }
  if (a->first[step->target] == UINT32_MAX) a->first[step->target] = a->place;
  use(a, step->target);
  return NULL;
}

static mvg_status visit_body(allocator *a) {
  a->place = 1;
  a->loop_last = 0;
  const mvg_tape_code *body = &a->tape->codes.items[MVG_TAPE_BODY];
  for (size_t i = 0; i < body->steps.count; ++i) {
    const mvg_tape_step *step = &body->steps.items[i];
    MVG_RETURN_IF_ERROR(visit(a, step));
    if (step->op != MVG_TAPE_LOOP) continue;
    const mvg_tape_loop *loop = &a->tape->loops.items[step->side];
    const mvg_tape_code *inner = &a->tape->codes.items[loop->code];
    a->loop_first = a->place;
    a->loop_last = a->place + (uint32_t)inner->steps.count;
    for (size_t k = 0; k < inner->steps.count; ++k)
      MVG_RETURN_IF_ERROR(visit(a, &inner->steps.items[k]));
    a->loop_last = 0;
  }
  ++a->place;
  for (size_t i = 0; i < a->tape->stores.count && !a->is_assigning; ++i) {
    use(a, a->tape->stores.items[i].source);
  }
  return NULL;
}

// What the prologue leaves stays to the end.
static void assign_prologue(mvg_tape *tape) {
  for (size_t i = 0; i < tape->registers.count; ++i) {
    mvg_tape_register *reg = &tape->registers.items[i];
    if (reg->level == MVG_TAPE_PROLOGUE) reg->slot = tape->slot_count++;
  }
}

// ---- cost ----

static double get_step_cost(const mvg_tape *tape, const mvg_tape_step *step) {
  if (step->width == MVG_TAPE_UNIFORM) return 8;
  if (step->width > MVG_TAPE_LANES) return 8 + 50.0 / (double)tape->runs.items[step->width];
  if (step->op == MVG_TAPE_LOAD) {
    const mvg_tape_load *load = &tape->loads.items[step->side];
    if (mvg_tape_load_is_in_place(load)) return 10;
    if (load->pattern == MVG_TAPE_LINEAR) return load->stride == 1 ? 40 : 120;
    if (load->pattern == MVG_TAPE_GATHER) return 200;
    double each = load->stride >= 0 && load->stride <= 1 ? 0.1 : 0.5;
    return MVG_TAPE_BLOCK * (each + 4.0 / (double)tape->runs.items[load->width]);
  }
  if (step->op == MVG_EXPR_RANDOM) return 1500;
  if (step->op >= MVG_EXPR_POW && step->op <= MVG_EXPR_ATAN2) return 2000;
  if (step->op >= MVG_EXPR_EXP && step->op <= MVG_EXPR_SIGMOID) return 200;
  if (step->op == MVG_TAPE_DIVIDE || step->op == MVG_TAPE_MODULO) return 70;
  return 25;
}

static double get_code_cost(const mvg_tape *tape, uint32_t code) {
  double cost = 0;
  for (size_t i = 0; i < tape->codes.items[code].steps.count; ++i) {
    const mvg_tape_step *step = &tape->codes.items[code].steps.items[i];
    if (step->op == MVG_TAPE_LOOP) {
      const mvg_tape_loop *loop = &tape->loops.items[step->side];
      double repeats = 1;
      for (uint32_t k = 0; k < loop->count; ++k)
        repeats *= (double)loop->sizes[k];
      cost += repeats * get_code_cost(tape, loop->code);
    } else if (step->op == MVG_TAPE_ROWS) {
      const mvg_tape_rows *rows = &tape->rows.items[step->side];
      double blocks = (double)rows->length * MVG_TAPE_BLOCK / rows->body->block;
      cost += blocks * (rows->body->cost + 40);
    } else if (step->op == MVG_TAPE_COLUMNS) {
      cost += 25 * (double)tape->columns.items[step->side].chunk_count;
    } else {
      cost += get_step_cost(tape, step);
    }
  }
  return cost;
}

// The largest that divides the runs that are longer, so that those are read in place.
static uint32_t get_largest_block(const mvg_tape *tape) {
  uint32_t largest = (uint32_t)(MVG_TAPE_BLOCK / tape->period * tape->period);
  for (uint32_t block = MVG_TAPE_BLOCK; block >= MVG_TAPE_BLOCK / 2; block -= VECTOR) {
    bool divides_all = block % tape->period == 0;
    for (size_t w = MVG_TAPE_LANES + 1; w < tape->runs.count && divides_all; ++w) {
      int64_t run = tape->runs.items[w];
      divides_all = run < MVG_TAPE_BLOCK || run >= tape->count || run % block == 0;
    }
    if (divides_all) return block;
  }
  return largest;
}

static void choose_block(mvg_tape *tape) {
  tape->block = get_largest_block(tape);
  tape->cost = 40 + get_code_cost(tape, MVG_TAPE_BODY) * tape->block / MVG_TAPE_BLOCK;
  for (size_t i = 0; i < tape->stores.count; ++i)
    tape->cost += 25;
  bool has_loops = tape->loops.count > 0 || tape->rows.count > 0;
  while (has_loops && tape->cost > MAX_BLOCK_COST && tape->block > MIN_BLOCK &&
         tape->count < ENOUGH_BLOCKS * (int64_t)tape->block &&
         tape->block / 2 % tape->period == 0) {
    tape->block /= 2;
    tape->cost /= tape->rows.count ? 2 : 1.6;
  }
  size_t bytes = tape->registers.count * sizeof(void *) + REGISTER_TABLE_ALIGNMENT;
  bytes += tape->slot_count * (size_t)MVG_TAPE_SLOT_FLOATS * sizeof(float);
  for (size_t i = 0; i < tape->rows.count; ++i)
    bytes += tape->rows.items[i].body->scratch_bytes;
  for (size_t i = 0; i < tape->columns.count; ++i) {
    size_t of_body = tape->columns.items[i].body->scratch_bytes;
    if (of_body > bytes) bytes = of_body; // runs before
  }
  tape->scratch_bytes =
      (bytes + REGISTER_TABLE_ALIGNMENT) / REGISTER_TABLE_ALIGNMENT * REGISTER_TABLE_ALIGNMENT;
}

mvg_status mvg_tape_assign_slots(mvg_tape *tape) {
  size_t count = tape->registers.count;
  allocator a = {.tape = tape};
  mvg_status status = MVG_NEW_ARRAY(count + 1, &a.first);
  if (!status) status = MVG_NEW_ARRAY(count + 1, &a.last);
  if (!status) {
    memset(a.first, 0xFF, count * sizeof *a.first);
    assign_prologue(tape);
    for (size_t i = 0; i < count; ++i) {
      if (tape->registers.items[i].level == MVG_TAPE_PROLOGUE) a.first[i] = 0;
    }
    status = visit_body(&a);
    a.is_assigning = true;
  }
  if (!status) status = visit_body(&a);
  mvg_free(a.first);
  mvg_free(a.last);
  mvg_array_deinit(&a.active);
  mvg_array_deinit(&a.free_slots);
  if (!status) choose_block(tape);
  return status;
}

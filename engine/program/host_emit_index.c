// Indices of a tape: which run together with the lanes, and the integer steps that compute the
// rest.
#include "codegen/index_word.h"
#include "program/host_emit.h"
#include "program/host_math.h"

#define MIN_RUN 4           // shorter runs are gathered element by element
#define MIN_EXPANDED_RUN 32 // indices of longer runs are computed once a run

// A part of one element has no variable.
static bool is_element(const mvg_tape_emitter *e, const mvg_index *index) {
  return index == e->element && index->kind == MVG_INDEX_VAR;
}

// ---- motion ----

// The same motion seen in shorter runs.
static mvg_index_motion shorten(mvg_index_motion motion, int64_t run) {
  if (run == motion.run) return motion;
  motion.align = mvg_host_common_divisor(motion.align, run * motion.slope);
  motion.run = run;
  return motion;
}

static mvg_index_motion move_by_lane(mvg_index_motion motion) {
  motion.run = 1;
  motion.slope = 0;
  motion.align = 1;
  return motion;
}

static mvg_index_motion get_digit_motion(mvg_index_motion base, int64_t divisor, int64_t modulus) {
  mvg_index_motion motion = base;
  if (base.slope == 0) {
    motion.align = 1;
    return motion;
  }
  if (base.slope < 0) return move_by_lane(motion);
  int64_t period = divisor > 1 ? divisor : modulus;
  int64_t common =
      mvg_host_common_divisor(mvg_host_common_divisor(base.align, period), base.run * base.slope);
  if (common % base.slope != 0 || common == base.slope) return move_by_lane(motion);
  motion = shorten(base, common / base.slope);
  motion.slope = divisor > 1 ? 0 : base.slope;
  motion.align = divisor > 1 ? 1 : mvg_host_common_divisor(motion.align, modulus);
  return motion;
}

static mvg_index_motion get_sum_motion(mvg_tape_emitter *e, const mvg_index *index) {
  mvg_index_motion motion = {.align = index->constant};
  for (uint32_t i = 0; i < index->term_count; ++i) {
    mvg_index_motion term = mvg_emit_get_motion(e, index->terms[i].index);
    motion.is_of_lane = motion.is_of_lane || term.is_of_lane;
    motion.is_of_loop = motion.is_of_loop || term.is_of_loop;
    motion.run = mvg_host_common_divisor(motion.run, term.run);
  }
  for (uint32_t i = 0; i < index->term_count; ++i) {
    int64_t c = index->terms[i].coefficient;
    mvg_index_motion term = mvg_emit_get_motion(e, index->terms[i].index);
    term = shorten(term, motion.run);
    motion.slope += c * term.slope;
    motion.align = mvg_host_common_divisor(motion.align, c * term.align);
  }
  return motion;
}

static mvg_index_motion get_op_motion(mvg_tape_emitter *e, const mvg_index *index) {
  mvg_index_motion motion = {.align = 1};
  bool is_level = true;
  for (uint32_t i = 0; i < mvg_expr_get_arity(index->op); ++i) {
    mvg_index_motion arg = mvg_emit_get_motion(e, index->args[i]);
    motion.is_of_lane = motion.is_of_lane || arg.is_of_lane;
    motion.is_of_loop = motion.is_of_loop || arg.is_of_loop;
    motion.run = mvg_host_common_divisor(motion.run, arg.run);
    is_level = is_level && arg.slope == 0;
  }
  return is_level ? motion : move_by_lane(motion);
}

mvg_index_motion mvg_emit_get_motion(mvg_tape_emitter *e, const mvg_index *index) {
  while (e->motions.count <= index->id && !e->failure) {
    mvg_status status = mvg_array_push(&e->motions, (mvg_index_motion){0});
    if (status) mvg_emit_give_up(e, status);
  }
  if (e->failure) return (mvg_index_motion){.run = 1};
  if (e->motions.items[index->id].is_known) return e->motions.items[index->id];
  mvg_index_motion motion = {0};
  if (is_element(e, index)) {
    motion = (mvg_index_motion){.is_of_lane = true, .slope = 1};
  } else if (index->kind == MVG_INDEX_VAR) {
    motion = (mvg_index_motion){.is_of_loop = true, .align = 1};
  } else if (index->kind == MVG_INDEX_SUM) {
    motion = get_sum_motion(e, index);
  } else if (index->kind == MVG_INDEX_DIGIT) {
    motion =
        get_digit_motion(mvg_emit_get_motion(e, index->args[0]), index->divisor, index->modulus);
  } else if (index->kind == MVG_INDEX_ASSUME) {
    motion = mvg_emit_get_motion(e, index->args[0]);
  } else {
    motion = get_op_motion(e, index);
  }
  motion.is_known = true;
  e->motions.items[index->id] = motion;
  return motion;
}

// ---- integer steps ----

static uint16_t get_width(mvg_tape_emitter *e, int64_t run) {
  mvg_tape *tape = e->tape;
  for (uint16_t w = MVG_TAPE_LANES; w < tape->runs.count; ++w) {
    if (tape->runs.items[w] == run) return w;
  }
  if (tape->runs.count == MVG_TAPE_MAX_WIDTHS) return MVG_TAPE_LANES;
  mvg_status status = mvg_array_push(&tape->runs, run);
  if (status) mvg_emit_give_up(e, status);
  return status ? MVG_TAPE_LANES : (uint16_t)(tape->runs.count - 1);
}

static uint16_t emit_iota(mvg_tape_emitter *e, uint16_t width, int64_t factor, int64_t offset) {
  return mvg_emit(e, &(mvg_tape_step){.op = MVG_TAPE_IOTA,
                                      .width = width,
                                      .factor = (int32_t)(factor * e->tape->runs.items[width]),
                                      .offset = (int32_t)offset});
}

static uint16_t scale(mvg_tape_emitter *e, uint16_t a, int64_t factor, int64_t offset) {
  if (factor == 1 && offset == 0) return a;
  return mvg_emit(e, &(mvg_tape_step){.op = MVG_TAPE_SCALE,
                                      .args = {a},
                                      .width = e->tape->registers.items[a].width,
                                      .factor = (int32_t)factor,
                                      .offset = (int32_t)offset});
}

// Terms that are the same for all lanes come first, and are added before they are widened.
static uint16_t emit_sum(mvg_tape_emitter *e, const mvg_index *index, uint16_t width) {
  uint16_t sum = MVG_TAPE_NONE;
  int64_t rest = index->constant;
  for (int of_lane = 0; of_lane < 2; ++of_lane) {
    for (uint32_t i = 0; i < index->term_count && !e->failure; ++i) {
      const mvg_index *term = index->terms[i].index;
      int64_t c = index->terms[i].coefficient;
      if (mvg_emit_get_motion(e, term).is_of_lane != (of_lane == 1)) continue;
      if (sum == MVG_TAPE_NONE) {
        sum = is_element(e, term) ? emit_iota(e, width, c, rest)
                                  : scale(e, mvg_emit_index(e, term, width), c, rest);
        continue;
      }
      uint16_t a = mvg_emit_index(e, term, width);
      sum = mvg_emit_widen(e, sum, e->tape->registers.items[a].width);
      sum = mvg_emit(e, &(mvg_tape_step){.op = MVG_TAPE_SCALE_ADD,
                                         .args = {a, sum},
                                         .width = e->tape->registers.items[a].width,
                                         .factor = (int32_t)c});
    }
  }
  return sum == MVG_TAPE_NONE ? mvg_emit_bits(e, (uint32_t)(int32_t)rest) : sum;
}

static int32_t get_power(int64_t value) {
  int32_t power = 0;
  while (INT64_C(1) << power < value)
    ++power;
  return INT64_C(1) << power == value ? power : -1;
}

#define SMALL (1 << 21) // x * (1 / d) in single precision is off by less than half of 1 / d

// How many divisors make dividends positive.
static int64_t get_shift(int64_t low, int64_t divisor) {
  return low < 0 ? (-low + divisor - 1) / divisor : 0;
}

static bool has_room_for_shift(int64_t low, int64_t high, int64_t divisor) {
  if (low >= 0) return true;
  return low >= INT32_MIN && high <= INT32_MAX - get_shift(low, divisor) * divisor;
}

static uint16_t emit_division(mvg_tape_emitter *e, uint16_t a, int64_t divisor, int64_t low,
                              int64_t high) {
  mvg_tape_step step = {.args = {a}, .width = e->tape->registers.items[a].width};
  int64_t shift = get_shift(low, divisor);
  if (get_power(divisor) >= 0) {
    step.op = MVG_TAPE_SHIFT; // rounds downwards whatever the sign
    step.factor = get_power(divisor);
    return mvg_emit(e, &step);
  }
  if (!has_room_for_shift(low, high, divisor)) return mvg_emit_unsupported(e, "so wide an index");
  step.op = MVG_TAPE_DIVIDE;
  step.divisor = (int32_t)divisor;
  step.inverse = 1.0 / (double)divisor;
  step.factor = (int32_t)shift;
  step.offset = (int32_t)(shift * divisor);
  step.is_small = high + shift * divisor < SMALL;
  return mvg_emit(e, &step);
}

static uint16_t emit_modulo(mvg_tape_emitter *e, uint16_t a, int64_t divisor, int64_t low,
                            int64_t high) {
  mvg_tape_step step = {.args = {a}, .width = e->tape->registers.items[a].width};
  if (get_power(divisor) >= 0) {
    step.op = MVG_TAPE_BITS;
    step.factor = (int32_t)(divisor - 1);
    return mvg_emit(e, &step);
  }
  if (!has_room_for_shift(low, high, divisor)) return mvg_emit_unsupported(e, "so wide an index");
  int64_t shift = get_shift(low, divisor);
  step.op = MVG_TAPE_MODULO;
  step.divisor = (int32_t)divisor;
  step.inverse = 1.0 / (double)divisor;
  step.offset = (int32_t)(shift * divisor);
  step.is_small = high + shift * divisor < SMALL;
  return mvg_emit(e, &step);
}

static uint16_t emit_digit(mvg_tape_emitter *e, const mvg_index *index, uint16_t width) {
  const mvg_index *base = index->args[0];
  uint16_t a = mvg_emit_index(e, base, width);
  int64_t d = index->divisor, m = index->modulus, low = base->low, high = base->high;
  if (e->failure) return 0;
  if (d > 1) {
    a = emit_division(e, a, d, low, high);
    low = low < 0 ? -(-low / d) - 1 : low / d;
    high = high < 0 ? 0 : high / d;
  }
  return m && !e->failure ? emit_modulo(e, a, m, low, high) : a;
}

static uint16_t emit_int_op(mvg_tape_emitter *e, const mvg_index *index, uint16_t width) {
  mvg_tape_step step = {
      .op = MVG_TAPE_INT_OP, .inner = (uint16_t)index->op, .width = MVG_TAPE_UNIFORM};
  uint32_t arity = mvg_expr_get_arity(index->op);
  for (uint32_t i = 0; i < arity; ++i) {
    step.args[i] = mvg_emit_index(e, index->args[i], width);
    uint16_t w = e->tape->registers.items[step.args[i]].width;
    if (w != MVG_TAPE_UNIFORM) step.width = w;
  }
  for (uint32_t i = 0; i < arity; ++i)
    step.args[i] = mvg_emit_widen(e, step.args[i], step.width);
  return mvg_emit(e, &step);
}

static uint16_t emit_loop_var(mvg_tape_emitter *e, const mvg_index *index) {
  for (uint32_t i = 0; i < e->loop_var_count; ++i) {
    if (e->loop_vars[i] != index) continue;
    return mvg_emit(
        e, &(mvg_tape_step){.op = MVG_TAPE_LOOP_VAR, .side = i, .width = MVG_TAPE_UNIFORM});
  }
  return mvg_emit_give_up(e, MVG_ERROR(MVG_INTERNAL, "an index variable has no loop"));
}

// What moves evenly within runs: computed at their beginnings, and carried on from there.
static uint16_t emit_expanded(mvg_tape_emitter *e, const mvg_index *index, int64_t run,
                              int64_t slope) {
  uint16_t width = get_width(e, run);
  if (width == MVG_TAPE_LANES) return MVG_TAPE_NONE;
  return mvg_emit(e, &(mvg_tape_step){.op = MVG_TAPE_EXPAND,
                                      .inner = width,
                                      .args = {mvg_emit_index(e, index, width)},
                                      .width = MVG_TAPE_LANES,
                                      .factor = (int32_t)slope});
}

static uint16_t emit_new_index(mvg_tape_emitter *e, const mvg_index *index, uint16_t width) {
  mvg_status status = mvg_index_check_operands(index, INT32_MAX);
  if (status) return mvg_emit_give_up(e, status);
  mvg_index_motion motion = mvg_emit_get_motion(e, index);
  if (width == MVG_TAPE_LANES && motion.run >= MIN_EXPANDED_RUN) {
    uint16_t reg = emit_expanded(e, index, motion.run, motion.slope);
    if (reg != MVG_TAPE_NONE) return reg;
  }
  switch (index->kind) {
  case MVG_INDEX_VAR:
    return is_element(e, index) ? emit_iota(e, width, 1, 0) : emit_loop_var(e, index);
  case MVG_INDEX_SUM:
    return emit_sum(e, index, width);
  case MVG_INDEX_DIGIT:
    return emit_digit(e, index, width);
  default:
    return emit_int_op(e, index, width);
  }
}

uint16_t mvg_emit_index(mvg_tape_emitter *e, const mvg_index *index, uint16_t width) {
  if (e->failure) return 0;
  if (index->kind == MVG_INDEX_ASSUME) return mvg_emit_index(e, index->args[0], width);
  if (!mvg_emit_get_motion(e, index).is_of_lane) width = MVG_TAPE_UNIFORM;
  for (size_t i = e->indices.count; i-- > 0;) {
    const mvg_tape_known_index *known = &e->indices.items[i];
    if (known->index == index && known->width == width) return known->reg;
  }
  uint16_t reg = emit_new_index(e, index, width);
  mvg_status status =
      e->failure ? NULL : mvg_array_push(&e->indices, ((mvg_tape_known_index){index, width, reg}));
  return status ? mvg_emit_give_up(e, status) : reg;
}

uint16_t mvg_emit_valid(mvg_tape_emitter *e, const mvg_index *valid) {
  return mvg_emit_index(e, valid, MVG_TAPE_LANES);
}

// ---- loads ----

// The same sum of terms without what is assumed of them, which served to simplify digits.
static const mvg_index *drop_assumptions(mvg_tape_emitter *e, const mvg_index *index) {
  while (index->kind == MVG_INDEX_ASSUME)
    index = index->args[0];
  if (index->kind != MVG_INDEX_SUM) return index;
  const mvg_index *sum = mvg_index_make_const(&e->pool, index->constant);
  for (uint32_t i = 0; i < index->term_count; ++i) {
    const mvg_index *term = drop_assumptions(e, index->terms[i].index);
    sum = mvg_index_make_sum(&e->pool, sum, 1, term, index->terms[i].coefficient);
  }
  return sum;
}

// index = *lanes + *same + the constant returned, *same (or NULL) being the same for all lanes.
static int64_t split(mvg_tape_emitter *e, const mvg_index *index, const mvg_index **lanes,
                     const mvg_index **same) {
  *lanes = index;
  *same = NULL;
  if (index->kind != MVG_INDEX_SUM) return 0;
  const mvg_index *kept = mvg_index_make_const(&e->pool, 0);
  const mvg_index *moved = mvg_index_make_const(&e->pool, 0);
  for (uint32_t i = 0; i < index->term_count; ++i) {
    const mvg_index *term = index->terms[i].index;
    const mvg_index **into = mvg_emit_get_motion(e, term).is_of_lane ? &kept : &moved;
    *into = mvg_index_make_sum(&e->pool, *into, 1, term, index->terms[i].coefficient);
  }
  *lanes = kept;
  if (!mvg_index_is_const(moved, 0)) *same = moved;
  return index->constant;
}

static uint16_t emit_load(mvg_tape_emitter *e, const mvg_tape_load *load) {
  mvg_tape_step step = {.op = MVG_TAPE_LOAD,
                        .args = {load->index, load->shift, load->valid, MVG_TAPE_NONE},
                        .side = (uint32_t)e->tape->loads.count,
                        .width =
                            load->pattern == MVG_TAPE_SINGLE ? MVG_TAPE_UNIFORM : MVG_TAPE_LANES};
  mvg_status status = mvg_array_push(&e->tape->loads, *load);
  return status ? mvg_emit_give_up(e, status) : mvg_emit(e, &step);
}

// Whether blocks can begin at multiples of `period`, which the tape then asks for.
static bool take_period(mvg_tape_emitter *e, int64_t period) {
  int64_t common = e->tape->period / mvg_host_common_divisor(e->tape->period, period) * period;
  if (common > MVG_TAPE_BLOCK || (e->alignment && e->alignment % period != 0)) return false;
  e->tape->period = common;
  return true;
}

// A multiple of the element's number modulo something, and nothing else.
static const mvg_index *get_cycle(const mvg_tape_emitter *e, const mvg_index *index) {
  bool is_product = index->kind == MVG_INDEX_SUM && index->term_count == 1 && index->constant == 0;
  if (is_product) index = index->terms[0].index;
  bool is_cycle = index->kind == MVG_INDEX_DIGIT && index->divisor == 1 && index->modulus > 1 &&
                  is_element(e, index->args[0]);
  return is_cycle ? index : NULL;
}

static void choose_pattern(mvg_tape_emitter *e, const mvg_index *lanes, const mvg_index *guard,
                           mvg_tape_load *load) {
  mvg_index_motion motion = mvg_emit_get_motion(e, lanes);
  if (!motion.is_of_lane && !guard) {
    load->pattern = MVG_TAPE_SINGLE;
    if (!mvg_index_is_const(lanes, 0)) load->shift = mvg_emit_index(e, lanes, MVG_TAPE_UNIFORM);
    return;
  }
  if (motion.is_of_lane && motion.run == 0 && !motion.is_of_loop && !guard) {
    load->pattern = MVG_TAPE_LINEAR;
    load->stride = motion.slope;
    return;
  }
  const mvg_index *cycle = load->shift == MVG_TAPE_NONE && !guard ? get_cycle(e, lanes) : NULL;
  if (cycle && take_period(e, cycle->modulus)) {
    load->pattern = MVG_TAPE_PERIODIC;
    load->width = get_width(e, cycle->modulus);
    load->stride = motion.slope;
    if (load->width != MVG_TAPE_LANES) return;
  }
  int64_t run = motion.run;
  mvg_index_motion check = {0};
  if (guard) {
    check = mvg_emit_get_motion(e, guard);
    int64_t both = mvg_host_common_divisor(run, check.run);
    if (both >= MIN_RUN && check.slope == 0) run = both;
    if (run == 0) run = INT64_C(1) << 31; // one run holds all elements
  }
  load->pattern = run >= MIN_RUN ? MVG_TAPE_RUNS : MVG_TAPE_GATHER;
  load->width = run >= MIN_RUN ? get_width(e, run) : MVG_TAPE_LANES;
  if (load->width == MVG_TAPE_LANES) load->pattern = MVG_TAPE_GATHER;
  load->stride = motion.slope;
  load->index = mvg_emit_widen(e, mvg_emit_index(e, lanes, load->width), load->width);
  if (!guard) return;
  bool is_of_runs = load->pattern == MVG_TAPE_RUNS && check.slope == 0 &&
                    (check.run == 0 || check.run % run == 0);
  load->valid_width = is_of_runs ? load->width : MVG_TAPE_LANES;
  load->valid = mvg_emit_widen(e, mvg_emit_index(e, guard, load->valid_width), load->valid_width);
}

uint16_t mvg_emit_load(mvg_tape_emitter *e, uint32_t read, mvg_dtype dtype, const mvg_index *linear,
                       const mvg_index *guard) {
  mvg_tape_load load = {.read = read,
                        .dtype = dtype,
                        .index = MVG_TAPE_NONE,
                        .shift = MVG_TAPE_NONE,
                        .valid = MVG_TAPE_NONE,
                        .width = MVG_TAPE_LANES};
  const mvg_index *lanes, *same;
  load.offset = split(e, drop_assumptions(e, linear), &lanes, &same);
  if (same && !mvg_emit_get_motion(e, lanes).is_of_lane) { // nothing to split
    lanes = same;
    same = NULL;
  }
  if (same) load.shift = mvg_emit_index(e, same, MVG_TAPE_UNIFORM);
  choose_pattern(e, lanes, guard, &load);
  return e->failure ? 0 : emit_load(e, &load);
}

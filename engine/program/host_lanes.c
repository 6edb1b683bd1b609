// Steps of tapes: each is one loop over the lanes of a block, compiled several times where
// processors differ in the width of their vectors. The variants give the same bits; those of
// host_function.c may not.
#include "program/host_lanes.h"

#include "base/half.h"
#include "program/host_function.h"
#include "program/host_math.h"

#define EACH MVG_INDEPENDENT for (int32_t i = 0; i < n; ++i)

MVG_HOST_INLINE void run_int_op(uint16_t op, int32_t *t, const int32_t *a, const int32_t *b,
                                const int32_t *c, int32_t n) {
  switch (op) {
  case MVG_EXPR_NEG:
    EACH t[i] = -a[i];
    break;
  case MVG_EXPR_NOT:
    EACH t[i] = a[i] == 0;
    break;
  case MVG_EXPR_ADD:
    EACH t[i] = a[i] + b[i];
    break;
  case MVG_EXPR_SUB:
    EACH t[i] = a[i] - b[i];
    break;
  case MVG_EXPR_MUL:
    EACH t[i] = a[i] * b[i];
    break;
  case MVG_EXPR_DIV:
    for (int32_t i = 0; i < n; ++i) {
      int32_t d = b[i] ? b[i] : 1;
      t[i] = a[i] / d - (a[i] % d != 0 && (a[i] < 0) != (d < 0));
    }
    break;
  case MVG_EXPR_MOD:
    for (int32_t i = 0; i < n; ++i) {
      int32_t d = b[i] ? b[i] : 1, rest = a[i] % d;
      t[i] = rest != 0 && (rest < 0) != (d < 0) ? rest + d : rest;
    }
    break;
  case MVG_EXPR_LT:
    EACH t[i] = a[i] < b[i];
    break;
  case MVG_EXPR_LE:
    EACH t[i] = a[i] <= b[i];
    break;
  case MVG_EXPR_GT:
    EACH t[i] = a[i] > b[i];
    break;
  case MVG_EXPR_GE:
    EACH t[i] = a[i] >= b[i];
    break;
  case MVG_EXPR_EQ:
    EACH t[i] = a[i] == b[i];
    break;
  case MVG_EXPR_NE:
    EACH t[i] = a[i] != b[i];
    break;
  case MVG_EXPR_AND:
    EACH t[i] = (a[i] != 0) & (b[i] != 0);
    break;
  case MVG_EXPR_OR:
    EACH t[i] = (a[i] != 0) | (b[i] != 0);
    break;
  case MVG_EXPR_MIN:
    EACH t[i] = a[i] < b[i] ? a[i] : b[i];
    break;
  case MVG_EXPR_MAX:
    EACH t[i] = a[i] > b[i] ? a[i] : b[i];
    break;
  case MVG_EXPR_ABS:
    EACH t[i] = a[i] < 0 ? -a[i] : a[i];
    break;
  case MVG_EXPR_SIGN:
    EACH t[i] = (a[i] > 0) - (a[i] < 0);
    break;
  case MVG_EXPR_SELECT:
    EACH t[i] = a[i] != 0 ? b[i] : c[i];
    break;
  default:
    EACH t[i] = 0;
  }
}

static float power(float x, float y) {
  if (y == 0) return 1;
  if (y == 1) return x;
  return powf(x, y);
}

// Where library calls are made anyway.
static void run_rare(uint16_t op, float *t, const float *a, const float *b, int32_t n) {
  for (int32_t i = 0; i < n; ++i) {
    switch (op) {
    case MVG_EXPR_POW:
      t[i] = power(a[i], b[i]);
      break;
    case MVG_EXPR_TAN:
      t[i] = tanf(a[i]);
      break;
    case MVG_EXPR_ASIN:
      t[i] = asinf(a[i]);
      break;
    case MVG_EXPR_ACOS:
      t[i] = acosf(a[i]);
      break;
    case MVG_EXPR_ATAN:
      t[i] = atanf(a[i]);
      break;
    case MVG_EXPR_ATAN2:
      t[i] = atan2f(a[i], b[i]);
      break;
    case MVG_EXPR_MOD:
      t[i] = a[i] - b[i] * floorf(a[i] / b[i]);
      break;
    default:
      t[i] = 0;
    }
  }
}

MVG_HOST_INLINE void run_op(const mvg_tape_step *step, const mvg_lanes *r, int32_t n) {
  float *t = r[step->target].f;
  const float *a = r[step->args[0]].f, *b = r[step->args[1]].f, *c = r[step->args[2]].f;
  switch (step->op) {
  case MVG_EXPR_NEG:
    EACH t[i] = -a[i];
    break;
  case MVG_EXPR_NOT:
    EACH t[i] = a[i] == 0 ? 1.0f : 0.0f;
    break;
  case MVG_EXPR_ADD:
    EACH t[i] = a[i] + b[i];
    break;
  case MVG_EXPR_SUB:
    EACH t[i] = a[i] - b[i];
    break;
  case MVG_EXPR_MUL:
    EACH t[i] = a[i] * b[i];
    break;
  case MVG_EXPR_DIV:
    EACH t[i] = a[i] / b[i];
    break;
  case MVG_EXPR_LT:
    EACH t[i] = a[i] < b[i] ? 1.0f : 0.0f;
    break;
  case MVG_EXPR_LE:
    EACH t[i] = a[i] <= b[i] ? 1.0f : 0.0f;
    break;
  case MVG_EXPR_GT:
    EACH t[i] = a[i] > b[i] ? 1.0f : 0.0f;
    break;
  case MVG_EXPR_GE:
    EACH t[i] = a[i] >= b[i] ? 1.0f : 0.0f;
    break;
  case MVG_EXPR_EQ:
    EACH t[i] = a[i] == b[i] ? 1.0f : 0.0f;
    break;
  case MVG_EXPR_NE:
    EACH t[i] = a[i] != b[i] ? 1.0f : 0.0f;
    break;
  case MVG_EXPR_AND:
    EACH t[i] = ((a[i] != 0) & (b[i] != 0)) ? 1.0f : 0.0f;
    break;
  case MVG_EXPR_OR:
    EACH t[i] = ((a[i] != 0) | (b[i] != 0)) ? 1.0f : 0.0f;
    break;
  case MVG_EXPR_SELECT:
    EACH t[i] = a[i] != 0 ? b[i] : c[i];
    break;
  case MVG_EXPR_MIN:
    EACH t[i] = mvg_host_min(a[i], b[i]);
    break;
  case MVG_EXPR_MAX:
    EACH t[i] = mvg_host_max(a[i], b[i]);
    break;
  case MVG_EXPR_ABS:
    EACH t[i] = fabsf(a[i]);
    break;
  case MVG_EXPR_FLOOR:
    EACH t[i] = floorf(a[i]);
    break;
  case MVG_EXPR_CEIL:
    EACH t[i] = ceilf(a[i]);
    break;
  case MVG_EXPR_ROUND:
    EACH t[i] = rintf(a[i]);
    break;
  case MVG_EXPR_SIGN:
    EACH t[i] = a[i] > 0 ? 1.0f : a[i] < 0 ? -1.0f : 0.0f;
    break;
  case MVG_EXPR_SQRT:
    EACH t[i] = sqrtf(a[i]);
    break;
  case MVG_EXPR_RSQRT:
    EACH t[i] = 1.0f / sqrtf(a[i]);
    break;
  case MVG_EXPR_ISNAN:
    EACH t[i] = a[i] != a[i] ? 1.0f : 0.0f;
    break;
  case MVG_EXPR_RANDOM: {
    const int32_t *d = r[step->args[3]].i;
    EACH t[i] = mvg_host_random(a[i], b[i], c[i], d[i]);
    break;
  }
  default:
    if (!mvg_host_function(step->op, a, n, t)) run_rare(step->op, t, a, b, n);
  }
}

// ---- memory ----

// Every function below is compiled once an element type, which is constant where it is called.
MVG_HOST_INLINE uint32_t fetch(const void *source, int64_t i, const mvg_dtype dtype) {
  if (dtype == MVG_DTYPE_BF16) return (uint32_t)((const uint16_t *)source)[i] << 16;
  if (dtype == MVG_DTYPE_F16) {
    return mvg_float_to_bits(mvg_float_from_f16(((const uint16_t *)source)[i]));
  }
  return ((const uint32_t *)source)[i];
}

// Element 0 is read, and dropped, where an element is not valid: that needs no branch.
MVG_HOST_INLINE void copy_valid_run(uint32_t *t, const void *source, int32_t first, int32_t stride,
                                    const int32_t *valid, int32_t n, const mvg_dtype dtype) {
  EACH {
    uint32_t mask = valid[i] ? UINT32_MAX : 0;
    t[i] = fetch(source, (uint32_t)(first + i * stride) & mask, dtype) & mask;
  }
}

MVG_HOST_INLINE void copy_run(uint32_t *t, const void *source, int64_t first, int64_t stride,
                              int32_t n, const mvg_dtype dtype) {
  if (stride == 1) {
    EACH t[i] = fetch(source, first + i, dtype);
  } else if (stride == 0) {
    uint32_t same = fetch(source, first, dtype);
    EACH t[i] = same;
  } else {
    for (int32_t i = 0; i < n; ++i)
      t[i] = fetch(source, first + i * stride, dtype);
  }
}

// A register's own memory, which it leaves for that of a tensor.
MVG_HOST_INLINE uint32_t *get_slot(const mvg_lane_machine *m, uint16_t reg) {
  size_t slot = m->tape->registers.items[reg].slot;
  return (uint32_t *)(void *)(m->slots + slot * MVG_TAPE_SLOT_FLOATS);
}

MVG_HOST_INLINE void load_runs(const mvg_lane_machine *m, const mvg_tape_load *load,
                               uint16_t target, const void *source, int32_t offset,
                               const mvg_dtype dtype) {
  uint32_t *t = get_slot(m, target);
  int64_t run = m->tape->runs.items[load->width], position = m->first % run;
  int32_t n = m->counts[MVG_TAPE_LANES];
  const int32_t *index = m->registers[load->index].i;
  const int32_t *valid = load->valid == MVG_TAPE_NONE ? NULL : m->registers[load->valid].i;
  bool is_each = valid && load->valid_width == MVG_TAPE_LANES;
  bool is_valid = !valid || (!is_each && valid[0]);
  if (load->stride == 1 && is_valid && position + n <= run && !mvg_dtype_is_half(dtype)) {
    m->registers[target].u = (uint32_t *)(uintptr_t)source + index[0] + offset + position;
    return;
  }
  m->registers[target].u = t;
  for (int32_t done = 0, k = 0; done < n; ++k) {
    int32_t rest = n - done, size = run - position < rest ? (int32_t)(run - position) : rest;
    int64_t from = index[k] + offset + position * load->stride;
    if (is_each) {
      copy_valid_run(t + done, source, (int32_t)from, (int32_t)load->stride, valid + done, size,
                     dtype);
    } else if (valid && !valid[k]) {
      for (int32_t i = 0; i < size; ++i)
        t[done + i] = 0;
    } else {
      copy_run(t + done, source, from, load->stride, size, dtype);
    }
    done += size;
    position = 0;
  }
}

MVG_HOST_INLINE void load_cycle(uint32_t *t, const void *source, int64_t first, int64_t stride,
                                int64_t period, int32_t n, const mvg_dtype dtype) {
  for (int32_t i = 0; i < n; ++i)
    t[i] = fetch(source, first + i % period * stride, dtype);
}

MVG_HOST_INLINE void gather(const void *source, const int32_t *index, const int32_t *valid,
                            int32_t offset, uint32_t *t, int32_t n, const mvg_dtype dtype) {
  if (!valid) {
    const void *from = (const char *)source + offset * (int64_t)mvg_dtype_get_size(dtype);
    for (int32_t i = 0; i < n; ++i)
      t[i] = fetch(from, index[i], dtype);
    return;
  }
  EACH {
    uint32_t mask = valid[i] ? UINT32_MAX : 0;
    t[i] = fetch(source, (uint32_t)(index[i] + offset) & mask, dtype) & mask;
  }
}

MVG_HOST_INLINE void load_elements(const mvg_lane_machine *m, const mvg_tape_step *step,
                                   const mvg_dtype dtype) {
  const mvg_tape_load *load = &m->tape->loads.items[step->side];
  mvg_lanes *r = m->registers, *t = &r[step->target];
  int32_t n = m->counts[MVG_TAPE_LANES], offset = (int32_t)load->offset;
  const void *source = m->reads[load->read];
  if (load->shift != MVG_TAPE_NONE) offset += r[load->shift].i[0];
  if (load->pattern == MVG_TAPE_SINGLE) {
    t->u[0] = fetch(source, offset, dtype);
  } else if (load->pattern == MVG_TAPE_RUNS) {
    load_runs(m, load, step->target, source, offset, dtype);
  } else if (load->pattern == MVG_TAPE_PERIODIC) {
    load_cycle(t->u, source, offset, load->stride, m->tape->runs.items[load->width], n, dtype);
  } else if (load->pattern == MVG_TAPE_GATHER) {
    const int32_t *valid = load->valid == MVG_TAPE_NONE ? NULL : r[load->valid].i;
    gather(source, r[load->index].i, valid, offset, t->u, n, dtype);
  } else if (mvg_tape_load_is_in_place(load)) {
    t->u = (uint32_t *)(uintptr_t)source + m->first + offset;
  } else {
    copy_run(t->u, source, m->first * load->stride + offset, load->stride, n, dtype);
  }
}

MVG_HOST_INLINE void run_load(const mvg_lane_machine *m, const mvg_tape_step *step) {
  switch (m->tape->loads.items[step->side].dtype) {
  case MVG_DTYPE_F16:
    load_elements(m, step, MVG_DTYPE_F16);
    break;
  case MVG_DTYPE_BF16:
    load_elements(m, step, MVG_DTYPE_BF16);
    break;
  default:
    load_elements(m, step, MVG_DTYPE_F32);
  }
}

// ---- steps ----

// Products with the inverse; the half keeps quotients away from integers.
MVG_HOST_INLINE void run_division(const mvg_tape_step *step, int32_t *t, const int32_t *a,
                                  int32_t n) {
  int32_t factor = step->factor, offset = step->offset;
  if (step->is_small) {
    float inverse = (float)step->inverse;
    EACH t[i] = (int32_t)(((float)(a[i] + offset) + 0.5f) * inverse) - factor;
  } else {
    double inverse = step->inverse;
    EACH t[i] = (int32_t)(((double)a[i] + (double)offset + 0.5) * inverse) - factor;
  }
}

MVG_HOST_INLINE void run_modulo(const mvg_tape_step *step, int32_t *t, const int32_t *a,
                                int32_t n) {
  int32_t divisor = step->divisor, offset = step->offset;
  if (step->is_small) {
    float inverse = (float)step->inverse;
    EACH {
      int32_t x = a[i] + offset;
      t[i] = x - (int32_t)(((float)x + 0.5f) * inverse) * divisor;
    }
  } else {
    double inverse = step->inverse;
    EACH {
      int32_t x = a[i] + offset;
      t[i] = x - (int32_t)(((double)x + 0.5) * inverse) * divisor;
    }
  }
}

MVG_HOST_INLINE void run_expand(const mvg_lane_machine *m, const mvg_tape_step *step) {
  int64_t run = m->tape->runs.items[step->inner], position = m->first % run;
  int32_t n = m->counts[MVG_TAPE_LANES], factor = step->factor;
  const int32_t *a = m->registers[step->args[0]].i;
  int32_t *t = m->registers[step->target].i;
  for (int32_t done = 0, k = 0; done < n; ++k) {
    int32_t rest = n - done, size = run - position < rest ? (int32_t)(run - position) : rest;
    int32_t begin = a[k] + (int32_t)position * factor;
    MVG_INDEPENDENT for (int32_t i = 0; i < size; ++i) t[done + i] = begin + i * factor;
    done += size;
    position = 0;
  }
}

MVG_HOST_INLINE void run_step(mvg_lane_machine *m, const mvg_tape_step *step) {
  if (step->op == MVG_TAPE_LOAD) {
    run_load(m, step);
    return;
  }
  mvg_lanes *r = m->registers;
  int32_t n = m->counts[step->width];
  int32_t *t = r[step->target].i;
  const int32_t *a = r[step->args[0]].i;
  switch (step->op) {
  case MVG_TAPE_COPY:
    EACH t[i] = a[i];
    break;
  case MVG_TAPE_SPLAT: {
    int32_t same = a[0];
    EACH t[i] = same;
    break;
  }
  case MVG_TAPE_EXPAND:
    run_expand(m, step);
    break;
  case MVG_TAPE_MASK: {
    const int32_t *b = r[step->args[1]].i;
    EACH t[i] = b[i] != 0 ? a[i] : 0;
    break;
  }
  case MVG_TAPE_TO_FLOAT: {
    float *f = r[step->target].f;
    EACH f[i] = (float)a[i];
    break;
  }
  case MVG_TAPE_TO_INT: {
    const float *f = r[step->args[0]].f;
    EACH t[i] = (int32_t)f[i];
    break;
  }
  case MVG_TAPE_IOTA: {
    int32_t start = (int32_t)m->starts[step->width] * step->factor + step->offset;
    int32_t factor = step->factor;
    EACH t[i] = start + i * factor;
    break;
  }
  case MVG_TAPE_SCALE: {
    int32_t factor = step->factor, offset = step->offset;
    EACH t[i] = a[i] * factor + offset;
    break;
  }
  case MVG_TAPE_SCALE_ADD: {
    const int32_t *b = r[step->args[1]].i;
    int32_t factor = step->factor;
    EACH t[i] = a[i] * factor + b[i];
    break;
  }
  case MVG_TAPE_SHIFT: {
    int32_t factor = step->factor;
    EACH t[i] = a[i] >> factor;
    break;
  }
  case MVG_TAPE_BITS: {
    int32_t factor = step->factor;
    EACH t[i] = a[i] & factor;
    break;
  }
  case MVG_TAPE_DIVIDE:
    run_division(step, t, a, n);
    break;
  case MVG_TAPE_MODULO:
    run_modulo(step, t, a, n);
    break;
  case MVG_TAPE_INT_OP:
    run_int_op(step->inner, t, a, r[step->args[1]].i, r[step->args[2]].i, n);
    break;
  case MVG_TAPE_LOOP_VAR:
    t[0] = m->loop_vars[step->side];
    break;
  default:
    run_op(step, r, n);
  }
}

MVG_HOST_INLINE size_t run_steps(mvg_lane_machine *m, const mvg_tape_code *code, size_t begin) {
  size_t i = begin;
  for (; i < code->steps.count; ++i) {
    const mvg_tape_step *step = &code->steps.items[i];
    if (step->op >= MVG_TAPE_LOOP) break;
    run_step(m, step);
    mvg_lanes_look_ahead(&m->ahead, m->ahead.share);
  }
  return i;
}

MVG_HOST_INLINE void add_lanes(float *to, const float *x, int64_t rows, int64_t count) {
  for (; rows > 0; --rows, x += count) {
    MVG_INDEPENDENT for (int64_t i = 0; i < count; ++i) to[i] += x[i];
  }
}

static size_t run_plainly(mvg_lane_machine *m, const mvg_tape_code *code, size_t begin) {
  return run_steps(m, code, begin);
}

#if defined(__x86_64__) && defined(__GNUC__)
__attribute__((target("avx2"))) static size_t run_wide(mvg_lane_machine *m,
                                                       const mvg_tape_code *code, size_t begin) {
  return run_steps(m, code, begin);
}

MVG_WIDEST("avx2,avx512f,avx512bw,avx512dq,avx512vl")
static size_t run_widest(mvg_lane_machine *m, const mvg_tape_code *code, size_t begin) {
  return run_steps(m, code, begin);
}

__attribute__((target("avx2"))) static void add_wide(float *to, const float *x, int64_t rows,
                                                     int64_t count) {
  add_lanes(to, x, rows, count);
}

void mvg_lanes_add(float *to, const float *x, int64_t rows, int64_t count) {
  if (__builtin_cpu_supports("avx2")) {
    add_wide(to, x, rows, count);
  } else {
    add_lanes(to, x, rows, count);
  }
}

size_t mvg_lanes_run(mvg_lane_machine *m, const mvg_tape_code *code, size_t begin) {
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    return run_widest(m, code, begin);
  }
  return __builtin_cpu_supports("avx2") ? run_wide(m, code, begin) : run_plainly(m, code, begin);
}
#else
void mvg_lanes_add(float *to, const float *x, int64_t rows, int64_t count) {
  add_lanes(to, x, rows, count);
}

size_t mvg_lanes_run(mvg_lane_machine *m, const mvg_tape_code *code, size_t begin) {
  return run_plainly(m, code, begin);
}
#endif

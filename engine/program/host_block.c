// Runs tapes block by block: loops and rows around the steps of host_lanes.c.
#include "program/host_half.h"
#include "program/host_lanes.h"
#include "program/host_math.h"

// Eight sums side by side, added in one order whatever the length.
static inline void add_to_sums(float sums[8], const float *x, int32_t n) {
  float s[8];
  int32_t i = 0;
  for (int k = 0; k < 8; ++k)
    s[k] = sums[k];
  for (; i + 8 <= n; i += 8) {
    for (int k = 0; k < 8; ++k)
      s[k] += x[i + k];
  }
  for (int k = 0; i < n; ++i, ++k)
    s[k] += x[i];
  for (int k = 0; k < 8; ++k)
    sums[k] = s[k];
}

static inline float combine_row(mvg_expr_op combine, float total, const float *x, int32_t n) {
  for (int32_t i = 0; i < n; ++i) {
    total = combine == MVG_EXPR_MIN ? mvg_host_min(total, x[i]) : mvg_host_max(total, x[i]);
  }
  return total;
}

static inline float finish_sums(const float s[8]) {
  return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

static void set_block(mvg_lane_machine *m, int64_t first, int32_t count) {
  const mvg_tape *tape = m->tape;
  m->first = first;
  m->starts[MVG_TAPE_UNIFORM] = 0;
  m->counts[MVG_TAPE_UNIFORM] = 1;
  m->starts[MVG_TAPE_LANES] = first;
  m->counts[MVG_TAPE_LANES] = count;
  for (size_t w = MVG_TAPE_LANES + 1; w < tape->runs.count; ++w) {
    int64_t run = tape->runs.items[w];
    m->starts[w] = first / run;
    m->counts[w] = (int32_t)((first + count - 1) / run - m->starts[w] + 1);
  }
}

static void run_code(mvg_lane_machine *m, const mvg_tape_code *code);

// Rows longer than a block, one after another.
static void run_long_rows(const mvg_lane_machine *m, mvg_lane_machine *sub,
                          const mvg_tape_rows *rows, float *t) {
  const mvg_tape_code *code = &rows->body->codes.items[MVG_TAPE_BODY];
  for (int32_t k = 0; k < m->counts[MVG_TAPE_LANES]; ++k) {
    int64_t begin = (m->first + k) * rows->length;
    float sums[8] = {0}, total = rows->init;
    for (int64_t done = 0; done < rows->length; done += MVG_TAPE_BLOCK) {
      int64_t rest = rows->length - done;
      int32_t n = rest < MVG_TAPE_BLOCK ? (int32_t)rest : MVG_TAPE_BLOCK;
      set_block(sub, begin + done, n);
      run_code(sub, code);
      const float *x = sub->registers[rows->result].f;
      if (rows->combine == MVG_EXPR_ADD) {
        add_to_sums(sums, x, n);
      } else {
        total = combine_row(rows->combine, total, x, n);
      }
    }
    t[k] = rows->combine == MVG_EXPR_ADD ? rows->init + finish_sums(sums) : total;
  }
}

static void run_short_rows(const mvg_lane_machine *m, mvg_lane_machine *sub,
                           const mvg_tape_rows *rows, float *t) {
  const mvg_tape_code *code = &rows->body->codes.items[MVG_TAPE_BODY];
  int32_t length = (int32_t)rows->length, batch = MVG_TAPE_BLOCK / length;
  int32_t count = m->counts[MVG_TAPE_LANES];
  for (int32_t done = 0; done < count; done += batch) {
    int32_t n = count - done < batch ? count - done : batch;
    set_block(sub, (m->first + done) * length, n * length);
    run_code(sub, code);
    const float *x = sub->registers[rows->result].f;
    for (int32_t k = 0; k < n; ++k, x += length) {
      float sums[8] = {0};
      if (rows->combine != MVG_EXPR_ADD) {
        t[done + k] = combine_row(rows->combine, rows->init, x, length);
      } else if (length < 8) {
        float total = rows->init;
        for (int32_t i = 0; i < length; ++i)
          total += x[i];
        t[done + k] = total;
      } else {
        add_to_sums(sums, x, length);
        t[done + k] = rows->init + finish_sums(sums);
      }
    }
  }
}

static void run_rows(mvg_lane_machine *m, const mvg_tape_step *step) {
  const mvg_tape_rows *rows = &m->tape->rows.items[step->side];
  float *t = m->registers[step->target].f;
  bool is_long = rows->length > MVG_TAPE_BLOCK;
  (is_long ? run_long_rows : run_short_rows)(m, m->rows[step->side], rows, t);
}

static void run_loop(mvg_lane_machine *m, const mvg_tape_loop *loop) {
  const mvg_tape_code *code = &m->tape->codes.items[loop->code];
  for (uint32_t k = 0; k < loop->count; ++k)
    m->loop_vars[k] = 0;
  for (;;) {
    mvg_lanes_run(m, code, 0);
    uint32_t k = loop->count;
    while (k > 0 && ++m->loop_vars[k - 1] == loop->sizes[k - 1])
      m->loop_vars[--k] = 0;
    if (k == 0) return;
  }
}

// Adds the partial sums of the lanes' columns.
static void finish_columns(const mvg_lane_machine *m, const mvg_tape_step *step) {
  const mvg_tape_columns *c = &m->tape->columns.items[step->side];
  const float *sums = m->sums + c->at + step->inner * mvg_tape_columns_get_size(c);
  int64_t lane = m->first, last = m->first + m->counts[MVG_TAPE_LANES];
  while (lane < last) {
    int64_t outer = lane / c->width, column = lane % c->width;
    int64_t count = mvg_host_smaller(last - lane, c->width - column);
    const float *from = sums + outer * c->chunk_count * c->width + column;
    float *t = m->registers[step->target].f + (lane - m->first);
    for (int64_t k = 0; k < count; ++k)
      t[k] = c->sums[step->inner].init;
    for (int64_t i = 0; i < c->chunk_count; ++i)
      mvg_lanes_add(t, from + i * c->width, 1, count);
    lane += count;
  }
}

static void run_code(mvg_lane_machine *m, const mvg_tape_code *code) {
  size_t i = 0;
  while ((i = mvg_lanes_run(m, code, i)) < code->steps.count) {
    const mvg_tape_step *step = &code->steps.items[i++];
    if (step->op == MVG_TAPE_LOOP) {
      run_loop(m, &m->tape->loops.items[step->side]);
    } else if (step->op == MVG_TAPE_COLUMNS) {
      finish_columns(m, step);
    } else {
      run_rows(m, step);
    }
  }
}

// Lays registers and what a machine needs into the scratch memory, and runs the prologue over a
// whole block.
static char *start(mvg_lane_machine *m, const mvg_tape *tape, const void *const *reads,
                   char *scratch) {
  m->tape = tape;
  m->reads = reads;
  float *slots = m->slots = (float *)(void *)scratch;
  scratch += tape->slot_count * (size_t)MVG_TAPE_SLOT_FLOATS * sizeof(float);
  m->registers = (mvg_lanes *)(void *)scratch;
  for (size_t i = 0; i < tape->registers.count; ++i) {
    m->registers[i].f = slots + tape->registers.items[i].slot * (size_t)MVG_TAPE_SLOT_FLOATS;
  }
  for (size_t i = 0; i < tape->constants.count; ++i) {
    m->registers[tape->constants.items[i].target].u[0] = tape->constants.items[i].bits;
  }
  for (size_t w = 0; w < tape->runs.count; ++w) {
    m->starts[w] = 0;
    m->counts[w] = w == MVG_TAPE_UNIFORM ? 1 : MVG_TAPE_BLOCK + 1;
  }
  m->first = 0;
  m->ahead.count = m->ahead.current = 0;
  m->ahead.share = 0;
  run_code(m, &tape->codes.items[MVG_TAPE_PROLOGUE]);
  size_t used = tape->registers.count * sizeof(mvg_lanes);
  return scratch + (used + 63) / 64 * 64;
}

static void store(const mvg_lane_machine *m, void *const *writes) {
  for (size_t i = 0; i < m->tape->stores.count; ++i) {
    const mvg_tape_store *s = &m->tape->stores.items[i];
    size_t size = mvg_dtype_get_size(s->dtype);
    void *target = (char *)writes[s->write] + m->first * (int64_t)size;
    const float *source = m->registers[s->source].f;
    int32_t count = m->counts[MVG_TAPE_LANES];
    if (mvg_dtype_is_half(s->dtype)) {
      mvg_host_narrow(s->dtype, source, count, target);
    } else if (target != source) {
      memcpy(target, source, (size_t)count * size);
    }
  }
}

#define LINES_AHEAD 64 // lines to be under way, if there are as many

static void add_stream(mvg_lane_lookahead *ahead, const void *base, int64_t bytes,
                       bool is_written) {
  if (ahead->count == MVG_LANES_MAX_STREAMS) return;
  ahead->streams[ahead->count++] = (mvg_lane_stream){base, bytes, is_written};
}

// Steps go through a block one after another, too slowly for processors to see where they read on.
static void find_streams(mvg_lane_machine *m, void *const *writes) {
  const mvg_tape *tape = m->tape;
  mvg_lane_lookahead *ahead = &m->ahead;
  ahead->count = ahead->current = 0;
  for (size_t i = 0; i < tape->loads.count; ++i) {
    const mvg_tape_load *load = &tape->loads.items[i];
    bool is_even = load->pattern == MVG_TAPE_LINEAR && load->stride == 1;
    int64_t bytes = (int64_t)mvg_dtype_get_size(load->dtype);
    if (is_even && load->shift == MVG_TAPE_NONE)
      add_stream(ahead, (const char *)m->reads[load->read] + load->offset * bytes, bytes, false);
  }
  for (size_t i = 0; writes && i < tape->stores.count; ++i) {
    const mvg_tape_store *s = &tape->stores.items[i];
    add_stream(ahead, writes[s->write], (int64_t)mvg_dtype_get_size(s->dtype), true);
  }
  int64_t lines = MVG_TAPE_BLOCK * sizeof(float) / MVG_LANES_LINE * ahead->count;
  int64_t steps = (int64_t)tape->codes.items[MVG_TAPE_BODY].steps.count;
  ahead->share = mvg_host_divide_up(lines, steps + 1);
  ahead->distance = lines ? mvg_host_divide_up(LINES_AHEAD, lines) : 1;
}

// What the block `distance` after this one reads and writes is asked for between the steps: all at
// once, it would take all ways to memory, and the steps would wait.
static void set_ahead(mvg_lane_machine *m, int64_t at, int64_t block, int64_t last) {
  mvg_lane_lookahead *ahead = &m->ahead;
  ahead->first = at + ahead->distance * block;
  ahead->lanes = mvg_host_smaller(block, last - ahead->first);
  ahead->current = ahead->lanes > 0 ? 0 : ahead->count;
  ahead->done = 0;
}

void mvg_tape_run(const mvg_tape *tape, const void *const *reads, void *const *writes,
                  const float *sums, int64_t first, int64_t last, void *scratch) {
  mvg_lane_machine machine, subs[MVG_TAPE_MAX_ROWS];
  char *rest = start(&machine, tape, reads, scratch);
  machine.sums = sums;
  for (size_t i = 0; i < tape->rows.count; ++i) {
    machine.rows[i] = &subs[i];
    rest = start(&subs[i], tape->rows.items[i].body, reads, rest);
  }
  find_streams(&machine, writes);
  for (int64_t at = first; at < last; at += tape->block) {
    int64_t left = last - at;
    set_block(&machine, at, left < tape->block ? (int32_t)left : (int32_t)tape->block);
    set_ahead(&machine, at, tape->block, last);
    run_code(&machine, &tape->codes.items[MVG_TAPE_BODY]);
    mvg_lanes_look_ahead(&machine.ahead, INT64_MAX);
    store(&machine, writes);
  }
}

void mvg_tape_sum_columns(const mvg_tape_columns *c, int64_t index, const void *const *reads,
                          float *sums, void *scratch) {
  mvg_lane_machine m;
  start(&m, c->body, reads, scratch);
  find_streams(&m, NULL);
  int64_t row = index % c->chunk_count * c->chunk, width = c->width;
  int64_t rows = mvg_host_smaller(c->chunk, c->length - row);
  int64_t first = (index / c->chunk_count * c->length + row) * width, last = first + rows * width;
  int64_t whole = width <= MVG_TAPE_BLOCK ? MVG_TAPE_BLOCK / width * width : 0;
  int64_t size = mvg_tape_columns_get_size(c);
  float *to = sums + c->at + index * width;
  for (uint32_t i = 0; i < c->count; ++i)
    memset(to + i * size, 0, (size_t)width * sizeof *to);
  for (int64_t at = first, column = 0; at < last;) {
    int64_t rest = whole ? last - at : width - column;
    int64_t n = mvg_host_smaller(rest, whole ? whole : MVG_TAPE_BLOCK);
    set_block(&m, at, (int32_t)n);
    set_ahead(&m, at, n, last);
    run_code(&m, &c->body->codes.items[MVG_TAPE_BODY]);
    mvg_lanes_look_ahead(&m.ahead, INT64_MAX);
    for (uint32_t i = 0; i < c->count; ++i) {
      mvg_lanes_add(to + i * size + column, m.registers[c->sums[i].result].f, whole ? n / width : 1,
                    whole ? width : n);
    }
    at += n;
    column = whole ? 0 : (column + n) % width;
  }
}

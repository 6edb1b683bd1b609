// Shared by the files that write a tape: the emitter of its steps.
#ifndef MVGRAPH_PROGRAM_HOST_EMIT_H_
#define MVGRAPH_PROGRAM_HOST_EMIT_H_

#include "program/host_tape.h"

// How an index moves with the lanes: within a run of `run` lanes (0: all of them) it grows by
// `slope` a lane; at the runs' beginnings it is a multiple of `align` (0: it is 0).
typedef struct {
  bool is_known, is_of_lane, is_of_loop;
  int64_t run, slope, align;
} mvg_index_motion;

typedef struct {
  uint32_t value;
  const mvg_index *linear, *guard;
  uint16_t reg;
} mvg_tape_known_value;

typedef struct {
  const mvg_index *index;
  uint16_t width, reg;
} mvg_tape_known_index;

typedef struct {
  const mvg_fusion *fusion;
  const mvg_graph *graph;
  const mvg_group *group;
  mvg_tape *tape;
  mvg_index_pool pool;
  const mvg_index *element;
  bool has_sums;      // column sums can run before the tape
  int64_t alignment;  // blocks begin at multiples of it; 0: of what the tape asks for
  mvg_value extra;    // read from reads[group->read_count]; MVG_NO_VALUE
  uint32_t loop_code; // of the loop that is open; 0: none
  const mvg_index *loop_vars[MVG_MAX_RANK];
  uint32_t loop_var_count;
  MVG_ARRAY(mvg_tape_known_value) values;
  MVG_ARRAY(mvg_tape_known_index) indices;
  MVG_ARRAY(mvg_index_motion) motions; // by id
  mvg_status failure;                  // the first; asked for at the end
} mvg_tape_emitter;

// Pushes a step into the innermost code that its operands allow; returns its target, which may be
// that of an equal step before.
uint16_t mvg_emit(mvg_tape_emitter *e, const mvg_tape_step *step);
uint16_t mvg_emit_widen(mvg_tape_emitter *e, uint16_t reg, uint16_t width);
uint16_t mvg_emit_bits(mvg_tape_emitter *e, uint32_t bits);
uint16_t mvg_emit_register(mvg_tape_emitter *e, uint16_t width, uint16_t level);
uint16_t mvg_emit_number(mvg_tape_emitter *e, double value);
// Operands are widened to the widest of them.
uint16_t mvg_emit_op(mvg_tape_emitter *e, uint16_t op, const uint16_t *args, uint32_t count);
uint16_t mvg_emit_unary(mvg_tape_emitter *e, uint16_t op, uint16_t a);
uint16_t mvg_emit_expr(mvg_tape_emitter *e, const mvg_expr *expr, const uint16_t *vars);
// Keeps the first failure; returns a register that must not be looked at.
uint16_t mvg_emit_give_up(mvg_tape_emitter *e, mvg_status status);
uint16_t mvg_emit_unsupported(mvg_tape_emitter *e, const char *what);

mvg_status mvg_emit_open(mvg_tape_emitter *e, const mvg_fusion *fusion, const mvg_group *group,
                         int64_t count) MVG_MUST_USE;
// Ends a tape, or destroys it after the first failure, `status` included.
mvg_status mvg_emit_close(mvg_tape_emitter *e, mvg_status status, mvg_tape **out_tape) MVG_MUST_USE;

// The element of a value at a place; nothing is loaded where the guard is 0. Roots are computed,
// other readers would load them.
uint16_t mvg_emit_value(mvg_tape_emitter *e, mvg_value value, const mvg_place *place,
                        const mvg_index *guard, bool is_root);
static inline bool mvg_emit_is_integer(const mvg_tape_emitter *e, mvg_value value) {
  return mvg_graph_get_type(e->graph, value)->dtype == MVG_DTYPE_I32;
}

// host_emit_reduce.c
uint16_t mvg_emit_reduce(mvg_tape_emitter *e, const mvg_node *node, const mvg_place *place,
                         const mvg_index *guard);

// host_emit_index.c
mvg_index_motion mvg_emit_get_motion(mvg_tape_emitter *e, const mvg_index *index);
uint16_t mvg_emit_index(mvg_tape_emitter *e, const mvg_index *index, uint16_t width);
uint16_t mvg_emit_load(mvg_tape_emitter *e, uint32_t read, mvg_dtype dtype, const mvg_index *linear,
                       const mvg_index *guard);
uint16_t mvg_emit_valid(mvg_tape_emitter *e, const mvg_index *valid); // lanes or uniform

#endif // MVGRAPH_PROGRAM_HOST_EMIT_H_

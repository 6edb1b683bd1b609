// The state of a running tape, and its steps over the lanes of one block.
#ifndef MVGRAPH_PROGRAM_HOST_LANES_H_
#define MVGRAPH_PROGRAM_HOST_LANES_H_

#include "program/host_tape.h"

typedef union {
  float *f;
  int32_t *i;
  uint32_t *u;
} mvg_lanes;

typedef struct mvg_lane_machine {
  const mvg_tape *tape;
  const void *const *reads;
  const float *sums; // partial sums of columns
  mvg_lanes *registers;
  float *slots;
  struct mvg_lane_machine *rows[MVG_TAPE_MAX_ROWS]; // one a row reduction
  int64_t first;                                    // element of the first lane
  int64_t starts[MVG_TAPE_MAX_WIDTHS];              // by width: number of the first run
  int32_t counts[MVG_TAPE_MAX_WIDTHS];              // by width: lanes
  int32_t loop_vars[MVG_MAX_RANK];
} mvg_lane_machine;

// Runs steps from `begin` up to the next LOOP, ROWS or COLUMNS, or to the end; returns where it
// stopped.
size_t mvg_lanes_run(mvg_lane_machine *machine, const mvg_tape_code *code, size_t begin);
// to[i] += x[row][i], row after row
void mvg_lanes_add(float *to, const float *x, int64_t rows, int64_t count);

#endif // MVGRAPH_PROGRAM_HOST_LANES_H_

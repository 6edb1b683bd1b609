// The state of a running tape, and its steps over the lanes of one block.
#ifndef MVGRAPH_PROGRAM_HOST_LANES_H_
#define MVGRAPH_PROGRAM_HOST_LANES_H_

#include "program/host_tape.h"

typedef union {
  float *f;
  int32_t *i;
  uint32_t *u;
} mvg_lanes;

// What blocks read or write at even pace, and so is asked for before they come to it.
typedef struct {
  const char *base; // of element 0
  int64_t element_bytes;
  bool is_written;
} mvg_lane_stream;

#define MVG_LANES_MAX_STREAMS 24

typedef struct {
  mvg_lane_stream streams[MVG_LANES_MAX_STREAMS];
  uint32_t count, current;
  int64_t distance;     // in blocks
  int64_t first, lanes; // asked for now
  int64_t done;         // bytes of the current stream
  int64_t share;        // cache lines that go with a step
} mvg_lane_lookahead;

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
  mvg_lane_lookahead ahead;
} mvg_lane_machine;

#define MVG_LANES_LINE 64 // bytes of a cache line

// Asks for the next cache lines, `count` at most.
static inline void mvg_lanes_look_ahead(mvg_lane_lookahead *ahead, int64_t count) {
  while (count > 0 && ahead->current < ahead->count) {
    const mvg_lane_stream *s = &ahead->streams[ahead->current];
    int64_t end = ahead->lanes * s->element_bytes, at = ahead->done;
    const char *from = s->base + ahead->first * s->element_bytes;
    if (s->is_written) {
      for (; at < end && count > 0; at += MVG_LANES_LINE, --count)
        __builtin_prefetch(from + at, 1);
    } else {
      for (; at < end && count > 0; at += MVG_LANES_LINE, --count)
        __builtin_prefetch(from + at, 0);
    }
    bool is_through = at >= end;
    ahead->done = is_through ? 0 : at;
    ahead->current += is_through;
  }
}

// Runs steps from `begin` up to the next LOOP, ROWS or COLUMNS, or to the end; returns where it
// stopped.
size_t mvg_lanes_run(mvg_lane_machine *machine, const mvg_tape_code *code, size_t begin);
// to[i] += x[row][i], row after row
void mvg_lanes_add(float *to, const float *x, int64_t rows, int64_t count);

#endif // MVGRAPH_PROGRAM_HOST_LANES_H_

// Hazards between steps, tracked on byte ranges since the last barrier.
#ifndef MVGRAPH_PLAN_BARRIER_H_
#define MVGRAPH_PLAN_BARRIER_H_

#include "plan/plan.h"

typedef struct {
  mvg_span span;
  uint32_t step;
  bool is_write;
} mvg_access;

typedef struct {
  MVG_ARRAY(mvg_access) accesses; // since the last barrier
} mvg_barrier_tracker;

void mvg_barrier_tracker_deinit(mvg_barrier_tracker *tracker);

// Enters a step: finds the hazard with what is pending (a barrier then empties it), and adds the
// step's accesses. A host step waits for everything before it: the tracker is emptied without a
// barrier.
mvg_status mvg_barrier_enter(mvg_barrier_tracker *tracker, mvg_step *step,
                             uint32_t number) MVG_MUST_USE;

#endif // MVGRAPH_PLAN_BARRIER_H_

// The order of groups, and which state updates may be written in place.
#ifndef MVGRAPH_PLAN_SCHEDULE_H_
#define MVGRAPH_PLAN_SCHEDULE_H_

#include "passes/fuse.h"

typedef struct {
  uint32_t *order;     // groups in running order
  uint32_t *producer;  // per value: group that writes it; UINT32_MAX
  bool *is_in_place;   // per value: an update written straight to its state
  uint32_t *target_of; // per value: target index; UINT32_MAX
} mvg_schedule;

void mvg_schedule_deinit(mvg_schedule *schedule);
mvg_status mvg_schedule_create(const mvg_fusion *fusion, mvg_schedule *out_schedule) MVG_MUST_USE;

#endif // MVGRAPH_PLAN_SCHEDULE_H_

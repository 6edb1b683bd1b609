// Where the time of a program goes, step by step: device timestamps and the host clock, joined with
// script lines.
#ifndef MVGRAPH_PROGRAM_PROFILE_H_
#define MVGRAPH_PROGRAM_PROFILE_H_

#include "plan/plan.h"

typedef struct {
  double *step_ns;    // per step, summed over runs; NULL: not profiled
  double wall_ns;     // whole runs
  uint64_t run_count; // without the first, in which drivers compile
  bool is_warm;
} mvg_profile;

// Enabled by the environment: MVGRAPH_PROFILE=1.
mvg_status mvg_profile_init(mvg_profile *profile, const mvg_plan *plan) MVG_MUST_USE;
void mvg_profile_deinit(mvg_profile *profile);

double mvg_profile_now_ns(void);

// A table of the steps, the longest first.
void mvg_profile_print(const mvg_profile *profile, const mvg_plan *plan, mvg_str *out);

#endif // MVGRAPH_PROGRAM_PROFILE_H_

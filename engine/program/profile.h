// Where the time of a program goes, step by step: device timestamps and the host clock, joined with
// script lines.
#ifndef MVGRAPH_PROGRAM_PROFILE_H_
#define MVGRAPH_PROGRAM_PROFILE_H_

#include "plan/plan.h"

typedef struct {
  double begin_ns, end_ns; // since the run began
} mvg_profile_span;

typedef struct mvg_profile {
  double *step_ns;        // per step, summed over runs; NULL: not profiled
  mvg_profile_span *last; // per step, of the last run
  double wall_ns;         // whole runs
  double last_wall_ns;    // of the last run
  uint64_t run_count;     // without the first, in which drivers compile
  bool is_warm;
  bool is_printed; // at the program's end
} mvg_profile;

// Enabled by `is_wanted`, or by the environment: MVGRAPH_PROFILE=1, which also prints it at the
// end.
mvg_status mvg_profile_init(mvg_profile *profile, const mvg_plan *plan,
                            bool is_wanted) MVG_MUST_USE;
void mvg_profile_deinit(mvg_profile *profile);

double mvg_profile_now_ns(void);

// What a step moves at least and computes.
typedef struct {
  uint64_t read_bytes, write_bytes;
  double operations; // floating point: of kernels as declared, of fused groups about; < 0: unknown
} mvg_cost;
mvg_cost mvg_profile_get_cost(const mvg_plan *plan, uint32_t step);

void mvg_profile_add(mvg_profile *profile, uint32_t step, double begin_ns, double end_ns);

// A table of the steps, the longest first.
void mvg_profile_print(const mvg_profile *profile, const mvg_plan *plan, mvg_str *out);

#endif // MVGRAPH_PROGRAM_PROFILE_H_

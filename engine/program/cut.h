// Where a run is cut into submissions, so that no driver's watchdog fires (Windows takes a device
// away after 2 s, amdgpu after about 10 s) and a lost device is found near its cause. A function of
// what steps cost, and of nothing else.
#ifndef MVGRAPH_PROGRAM_CUT_H_
#define MVGRAPH_PROGRAM_CUT_H_

#include <stdbool.h>
#include <stdint.h>

#define MVG_CUT_LIST_NS 100e6     // what a submission aims at
#define MVG_CUT_DISPATCH_NS 200e6 // a dispatch above is split by its grid
#define MVG_CUT_MAX_STEPS 100     // of a submission whose steps have not been measured

// Of one step, on a device that has not run it: 2 TFLOP/s, so that a submission has 200 GFLOP, and
// 50 GB/s. `operations` < 0: unknown.
double mvg_cut_estimate_ns(double operations, uint64_t bytes);

// Into how many dispatches of one submission each a step is split; at most `max_parts`.
uint32_t mvg_cut_count_parts(double step_ns, uint32_t max_parts);

// The open submission. Zeroed storage is none.
typedef struct {
  bool is_measured; // else submissions start small, and double
  bool is_open;
  double ns; // of its steps
  uint32_t step_count;
  double limit_ns; // not measured: of the submission
} mvg_cut;

// For each step, or part of one, in order: true if it does not fit into the open submission, and
// begins another.
bool mvg_cut_add(mvg_cut *cut, double ns);
// The open submission ends here, whatever the next step is.
void mvg_cut_close(mvg_cut *cut);

#endif // MVGRAPH_PROGRAM_CUT_H_

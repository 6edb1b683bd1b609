// Shared by the files of the executor: a program, its segments and launches.
#ifndef MVGRAPH_PROGRAM_PROGRAM_INTERNAL_H_
#define MVGRAPH_PROGRAM_PROGRAM_INTERNAL_H_

#include "base/alloc.h"
#include "base/array.h"
#include "plan/plan.h"
#include "program/guard.h"
#include "program/host_group.h"
#include "program/kernel_set.h"
#include "program/profile.h"
#include "program/program.h"
#include "program/tile_choice.h"

#define MVG_MAX_STEP_BINDINGS 64

// Consecutive steps that run without a look from outside: one submission, or host steps. A step
// that is split ends one segment and begins the next.
typedef struct {
  mvg_commands *commands; // NULL: host steps
  uint32_t first_step, step_count;
} mvg_segment;

typedef struct {
  uint32_t kernel; // of dispatches; UINT32_MAX: an empty grid
  uint32_t push[MVG_SHADER_MAX_PUSH];
  uint32_t push_count;
  uint32_t groups[3];
  bool is_whole; // the kernel asks how large its grid is, so no part may stand for it
} mvg_launch;

struct mvg_program {
  mvg_device *device;
  mvg_plan *plan;
  mvg_state **states;
  size_t state_count;
  mvg_buffer *regions[MVG_REGION_COUNT]; // of ARENA: unused
  MVG_ARRAY(mvg_buffer *) pieces;        // of the arena
  mvg_buffer *upload, *download; // staging, where kernels should not touch host memory; else NULL
  mvg_tile_chooser chooser;
  mvg_kernel_set kernels;
  mvg_launch *launches;         // per step
  mvg_host_group **host_groups; // per step; NULL: runs on the device
  mvg_host_scratch host_scratch;
  double *cost_ns; // per step: estimated, then measured
  bool is_measured;
  uint32_t run_count; // up to what measuring needs
  MVG_ARRAY(mvg_segment) segments;
  bool is_recorded;
  uint32_t flight_first, flight_end; // while running: segments that may not have finished
  mvg_profile profile;
  bool is_checked, is_guarded;
  bool is_started; // a run waits to be finished
  mvg_guard guard; // empty unless guarded
};

// program_memory.c
mvg_status mvg_program_check_states(const mvg_program *program) MVG_MUST_USE;
mvg_status mvg_program_create_regions(mvg_program *program) MVG_MUST_USE;
mvg_status mvg_program_write_constants(mvg_program *program) MVG_MUST_USE;
void mvg_program_release_memory(mvg_program *program);
mvg_buffer *mvg_program_get_buffer(const mvg_program *program, const mvg_span *span); // borrowed

// program_transfer.c: what crosses to the host before and after a run.
mvg_status mvg_program_write_inputs(mvg_program *program, const mvg_ndarray *const *inputs,
                                    size_t count) MVG_MUST_USE;
mvg_status mvg_program_check_outputs(const mvg_program *program, mvg_ndarray *const *outputs,
                                     size_t count) MVG_MUST_USE;
mvg_status mvg_program_read_outputs(mvg_program *program, mvg_ndarray *const *outputs) MVG_MUST_USE;

// program_host.c
mvg_status mvg_program_create_host_groups(mvg_program *program) MVG_MUST_USE;
mvg_status mvg_program_run_host_step(mvg_program *program, uint32_t step) MVG_MUST_USE;

// program_times.c: what steps cost, for the profile and for where runs are cut.
mvg_status mvg_program_estimate_costs(mvg_program *program) MVG_MUST_USE;
bool mvg_program_is_stamped(const mvg_program *program); // lists that are recorded now take times
// After a segment of a profiled program; times since the run began.
mvg_status mvg_program_profile_segment(mvg_program *program, const mvg_segment *segment,
                                       double begin_ns, double end_ns) MVG_MUST_USE;
// After each run: the second, in which drivers do not compile, is measured.
mvg_status mvg_program_measure_costs(mvg_program *program) MVG_MUST_USE;

// program_loss.c: adds to a lost device's status which steps were in flight; others pass through.
mvg_status mvg_program_explain_loss(const mvg_program *program, mvg_status status) MVG_MUST_USE;

// program_record.c
mvg_status mvg_program_create_kernels(mvg_program *program) MVG_MUST_USE;
mvg_status mvg_program_record(mvg_program *program) MVG_MUST_USE; // anew, if it was recorded
void mvg_program_release_segments(mvg_program *program);
// True if each step has a segment of its own: it is looked at, or timed by the host's clock.
bool mvg_program_runs_alone(const mvg_program *program);

#endif // MVGRAPH_PROGRAM_PROGRAM_INTERNAL_H_

// The frozen plan of a program: ordered steps, where every value lies, and the barriers between.
// Host data only: printable and testable without a device.
#ifndef MVGRAPH_PLAN_PLAN_H_
#define MVGRAPH_PLAN_PLAN_H_

#include "base/str.h"
#include "passes/fuse.h"

typedef enum {
  MVG_REGION_ARENA,  // values that live within a run; `slot` is the piece of the arena
  MVG_REGION_INPUT,  // written by the host before a run
  MVG_REGION_OUTPUT, // read by the host after a run
  MVG_REGION_CONST,  // written once
  MVG_REGION_STATE,  // `slot` says whose buffer
  MVG_REGION_COUNT,
} mvg_region;

typedef struct {
  mvg_region region;
  uint32_t slot;
  uint64_t offset, size_bytes;
} mvg_span;

typedef enum { MVG_STEP_DISPATCH, MVG_STEP_HOST, MVG_STEP_COPY } mvg_step_kind;

typedef enum { MVG_HAZARD_NONE, MVG_HAZARD_RAW, MVG_HAZARD_WAR, MVG_HAZARD_WAW } mvg_hazard;

typedef struct {
  mvg_step_kind kind;
  const mvg_group *group; // NULL for copies
  const char *name;       // copies: the state's name
  const mvg_span *spans;  // reads, then writes, as the group lists them; copies: source, target
  uint32_t read_count, write_count;
  mvg_hazard barrier;    // why a barrier stands before this step
  uint32_t barrier_step; // the earlier step of the hazard
} mvg_step;

typedef struct {
  const char *name;
  mvg_type type;
  mvg_span span;
  uint32_t slot;    // inputs: slot of the leaf
  const void *data; // constants
} mvg_placed;

typedef struct mvg_plan {
  mvg_arena arena;
  mvg_fusion *fusion; // owned
  const mvg_step *steps;
  uint32_t step_count;
  const mvg_placed *inputs, *outputs, *constants;
  uint32_t input_count, output_count, constant_count;
  uint64_t region_bytes[MVG_REGION_COUNT]; // of STATE: unused
  uint64_t piece_bytes; // the arena is allocated in pieces of this size, the last one shorter
  uint32_t peak_step;   // where the arena is fullest
  uint64_t live_bytes;  // held by values at that step
  const uint64_t *step_live_bytes; // the same of every step
  uint64_t total_bytes;            // what the arena would take without reuse
  bool prefers_host; // steps that the host has code for run there: the device is the same CPU
} mvg_plan;

#define MVG_GUARD_BYTES 256 // of a guard band

// Takes ownership of `fusion` even on failure. Of a guarded plan every value has MVG_GUARD_BYTES
// that belong to nobody on both sides (states lie alone in their buffers), and no memory is used
// twice.
mvg_status mvg_plan_create(mvg_fusion *fusion, const mvg_caps *caps, bool is_guarded,
                           mvg_plan **out_plan) MVG_MUST_USE;
void mvg_plan_destroy(mvg_plan *plan);

// The span of a value in memory, for tests; false when it has none.
bool mvg_plan_find(const mvg_plan *plan, mvg_value value, mvg_span *out_span);

typedef struct {
  mvg_value value;
  uint64_t bytes;
} mvg_holder;

// Values that the arena holds at its peak, at most `max`, the largest first; returns how many.
uint32_t mvg_plan_find_holders(const mvg_plan *plan, mvg_holder *holders, uint32_t max);

// Stable text: steps with kernels, bytes and barriers, then the peak and who holds it.
void mvg_plan_print(const mvg_plan *plan, mvg_str *out);
// "fused mul+sum (4096)" of one step.
void mvg_plan_print_step_name(const mvg_plan *plan, uint32_t step, mvg_str *out);
// "ops.lua:12 (net.head) mul" or "input 'x'".
void mvg_plan_print_value_name(const mvg_plan *plan, mvg_value value, mvg_str *out);
// "peak of 12.3 MiB at step 7, held by ...": the lines that an out-of-memory error shares with the
// text form.
void mvg_plan_print_peak(const mvg_plan *plan, mvg_str *out);

#endif // MVGRAPH_PLAN_PLAN_H_

// Guard bands: what lies on both sides of every value of a guarded program, filled with a pattern
// that is NaN to who reads it and is looked at after every step. A state has one, behind it, if it
// was made for that.
#ifndef MVGRAPH_PROGRAM_GUARD_H_
#define MVGRAPH_PROGRAM_GUARD_H_

#include "base/array.h"
#include "device/device.h"
#include "plan/plan.h"

typedef struct {
  mvg_buffer *buffer; // borrowed
  mvg_span span;      // of the value
  mvg_type type;
  uint32_t step, index; // where the plan has it: span `index` of this step
} mvg_guarded;

// Zeroed storage is empty.
typedef struct {
  const mvg_plan *plan;
  MVG_ARRAY(mvg_guarded) values; // each once
} mvg_guard;

void mvg_guard_deinit(mvg_guard *guard);

// Adds span `index` of a step, unless it is known.
mvg_status mvg_guard_add(mvg_guard *guard, uint32_t step, uint32_t index, const mvg_type *type,
                         mvg_buffer *buffer) MVG_MUST_USE;

// Fills the bands, and what is not yet written of arena and outputs. `upload` is copied over the
// inputs before each run and gets the same bands; NULL where inputs are written in place.
mvg_status mvg_guard_fill(const mvg_guard *guard, mvg_buffer *upload) MVG_MUST_USE;

// After a step: INTERNAL when a band has changed, naming the step, its operators, the value
// whose band it is and the first element that does not exist.
mvg_status mvg_guard_check(const mvg_guard *guard, uint32_t step) MVG_MUST_USE;

#endif // MVGRAPH_PROGRAM_GUARD_H_

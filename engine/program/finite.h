// The search for the first node that makes a NaN or an infinity.
#ifndef MVGRAPH_PROGRAM_FINITE_H_
#define MVGRAPH_PROGRAM_FINITE_H_

#include "device/device.h"
#include "graph/ndarray.h"
#include "plan/plan.h"

#define MVG_FINITE_MAX_READS 64 // of a step, as many as it has bindings

// What a step reads and then overwrites, as it was before; zeroed storage is empty.
typedef struct {
  mvg_ndarray *reads[MVG_FINITE_MAX_READS]; // NULL: still in its buffer
  uint32_t count;
} mvg_finite_kept;

// Copies the reads that the step will write over. buffers[i] holds span i.
mvg_status mvg_finite_keep(const mvg_plan *plan, uint32_t step, mvg_buffer *const *buffers,
                           mvg_finite_kept *kept) MVG_MUST_USE;
void mvg_finite_release(mvg_finite_kept *kept);

// After the step has run: fails when what it wrote is not finite, naming the node that made the
// first such element, with its script line, module path and statistics of what was read. An
// infinity that comes from a constant of the script is meant, and passes.
mvg_status mvg_finite_check(const mvg_plan *plan, uint32_t step, mvg_buffer *const *buffers,
                            const mvg_finite_kept *kept) MVG_MUST_USE;

#endif // MVGRAPH_PROGRAM_FINITE_H_

// The executor: a plan bound to a device, command lists recorded once and replayed at each run.
#ifndef MVGRAPH_PROGRAM_PROGRAM_H_
#define MVGRAPH_PROGRAM_PROGRAM_H_

#include "device/device.h"
#include "graph/graph.h"
#include "graph/ndarray.h"
#include "program/state.h"

typedef struct mvg_plan mvg_plan;
typedef struct mvg_program mvg_program;

typedef struct mvg_profile mvg_profile;

// How matrix products of operands in shaders are multiplied; sums are f32 in all.
typedef enum {
  MVG_PRODUCTS_F32,   // in f32
  MVG_PRODUCTS_HALF,  // where an operand is stored in 16 bits, the other is rounded to that type
  MVG_PRODUCTS_SPLIT, // likewise exact ones, others in two bf16 parts: about 16 bits of a mantissa
} mvg_products;

typedef struct {
  bool is_timed;   // every step is timed; see mvg_program_get_profile
  bool is_checked; // after every step its results are searched: the first that is not finite fails
                   // the run and is explained
  bool is_guarded; // a write outside of a value fails the run, a read there finds NaN; takes more
                   // memory. For tests
  mvg_products products;              // on devices with matrix units that pass their self-test
  const struct mvg_matmul_tile *tile; // of all products, untested; NULL: the best known
} mvg_program_options;

// Builds kernels, allocates the arena and records. Takes ownership of `plan` even on failure;
// retains states and device. `states[slot]` is the state of each STATE leaf and update target;
// `options` may be NULL.
mvg_status mvg_program_create(mvg_device *device, mvg_plan *plan, mvg_state *const *states,
                              size_t state_count, const mvg_program_options *options,
                              mvg_program **out_program) MVG_MUST_USE;
void mvg_program_destroy(mvg_program *program);

// Begins a run: inputs[slot] feeds each INPUT leaf (dtype and element count must match). What the
// host has to do is done when it returns; the device may still be at work. A run that was not
// finished is given up, whatever it wrote to states.
mvg_status mvg_program_start(mvg_program *program, const mvg_ndarray *const *inputs,
                             size_t input_count) MVG_MUST_USE;
// Waits for the run: outputs[i] receives the i-th non-update target, or NULL to skip reading it
// back. On the null device outputs are zero-filled. FAILED_PRECONDITION without a started run.
mvg_status mvg_program_finish(mvg_program *program, mvg_ndarray *const *outputs,
                              size_t output_count) MVG_MUST_USE;
// Both.
mvg_status mvg_program_run(mvg_program *program, const mvg_ndarray *const *inputs,
                           size_t input_count, mvg_ndarray *const *outputs,
                           size_t output_count) MVG_MUST_USE;

const mvg_plan *mvg_program_get_plan(const mvg_program *program);
const mvg_profile *mvg_program_get_profile(const mvg_program *program); // empty unless timed
// True when the host runs this step, be it by host code that stands for a shader.
bool mvg_program_is_on_host(const mvg_program *program, uint32_t step);

#endif // MVGRAPH_PROGRAM_PROGRAM_H_

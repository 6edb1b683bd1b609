// Steps that run on the host between submissions: host operators, and kernels bound to host code.
#ifndef MVGRAPH_PROGRAM_HOST_STEP_H_
#define MVGRAPH_PROGRAM_HOST_STEP_H_

#include "device/device.h"
#include "plan/plan.h"

// True for kernel nodes that the engine has host code for which replaces the node alone.
bool mvg_host_step_accepts(const mvg_node *node);

// `buffers[i]` holds span i of the step. The device is idle.
mvg_status mvg_host_step_run(const mvg_plan *plan, const mvg_step *step,
                             mvg_buffer *const *buffers) MVG_MUST_USE;

#endif // MVGRAPH_PROGRAM_HOST_STEP_H_

// Named tensors that outlive a run: parameters, buffers, optimizer moments. They live on the
// device.
#ifndef MVGRAPH_PROGRAM_STATE_H_
#define MVGRAPH_PROGRAM_STATE_H_

#include "device/device.h"
#include "graph/graph.h"
#include "graph/ndarray.h"

typedef struct mvg_state mvg_state;

// Zero-filled; retains the device.
mvg_status mvg_state_create(mvg_device *device, const char *name, const mvg_type *type,
                            mvg_state **out_state) MVG_MUST_USE;
// The same, with room behind the tensor for the band of guarded programs.
mvg_status mvg_state_create_guarded(mvg_device *device, const char *name, const mvg_type *type,
                                    mvg_state **out_state) MVG_MUST_USE;
void mvg_state_retain(mvg_state *state);
void mvg_state_release(mvg_state *state);
const char *mvg_state_get_name(const mvg_state *state);
const mvg_type *mvg_state_get_type(const mvg_state *state);
mvg_buffer *mvg_state_get_buffer(const mvg_state *state); // borrowed; it begins with the tensor

// The array's dtype and element count must be the state's.
mvg_status mvg_state_write(mvg_state *state, const mvg_ndarray *array) MVG_MUST_USE;
mvg_status mvg_state_read(mvg_state *state, mvg_ndarray *array) MVG_MUST_USE;

#endif // MVGRAPH_PROGRAM_STATE_H_

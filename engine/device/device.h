// The device abstraction: buffers, kernels and recorded command lists behind one vtable, with
// argument checks here, once, for every backend. Device, buffer and kernel are retained and
// released; command lists have one owner.
#ifndef MVGRAPH_DEVICE_DEVICE_H_
#define MVGRAPH_DEVICE_DEVICE_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "device/caps.h"

typedef struct mvg_device mvg_device;
typedef struct mvg_buffer mvg_buffer;
typedef struct mvg_kernel mvg_kernel;
typedef struct mvg_commands mvg_commands;

// ---- devices ----

// One line a device that could be opened, the null device last. Never fails for want of a driver:
// then only the null device is listed and *out_note (static text) says why.
typedef struct {
  mvg_caps caps;
  char selector[32]; // what --device takes: "0", "1", ..., "null"
  char kind[16];     // "discrete", "integrated", "cpu", "null"
} mvg_device_info;
mvg_status mvg_device_list(mvg_device_info **out_infos, size_t *out_count,
                           const char **out_note) MVG_MUST_USE; // free infos with mvg_free

// selector: NULL or "auto" (discrete, else integrated, else CPU), an index from the list, a part of
// a name, "cpu", "null", or "null:" and one of the others: a null device that plans as that one
// would. Fails with the reason and the remedy (install a driver, choose from
// `mvgraph devices`).
mvg_status mvg_device_create(const char *selector, mvg_device **out_device) MVG_MUST_USE;
void mvg_device_retain(mvg_device *device);
void mvg_device_release(mvg_device *device);
const mvg_caps *mvg_device_get_caps(const mvg_device *device);
// True once a call has failed with DEVICE_LOST. All that is left to do with it is to release it.
bool mvg_device_is_lost(const mvg_device *device);

// Warnings and errors of the validation layers since the process began, each of them logged. The
// layers watch devices opened with MVGRAPH_VALIDATION=1 in the environment, see caps.is_validated.
uint64_t mvg_validation_get_count(void);

// ---- buffers ----

typedef enum {
  MVG_MEMORY_DEVICE,   // fast for kernels; mapped too where caps.is_cpu (or unified memory) says so
  MVG_MEMORY_UPLOAD,   // host writes, device reads; always mapped
  MVG_MEMORY_DOWNLOAD, // device writes, host reads; always mapped
} mvg_memory;

// What living buffers of one kind of memory take, as the driver rounds them.
uint64_t mvg_device_get_held_bytes(const mvg_device *device, mvg_memory memory);

// Contents start as zeros.
mvg_status mvg_buffer_create(mvg_device *device, mvg_memory memory, uint64_t size_bytes,
                             mvg_buffer **out_buffer) MVG_MUST_USE;
void mvg_buffer_retain(mvg_buffer *buffer);
void mvg_buffer_release(mvg_buffer *buffer);
uint64_t mvg_buffer_get_size(const mvg_buffer *buffer);
void *
mvg_buffer_get_mapped(const mvg_buffer *buffer); // persistent, coherent; NULL if not host-visible

// Blocking transfers that work for any memory (staged where needed). They wait for what the device
// was handed before.
mvg_status mvg_buffer_write(mvg_buffer *buffer, uint64_t offset, const void *data,
                            uint64_t size_bytes) MVG_MUST_USE;
mvg_status mvg_buffer_read(mvg_buffer *buffer, uint64_t offset, void *data,
                           uint64_t size_bytes) MVG_MUST_USE;

// ---- kernels ----

typedef struct {
  uint32_t binding_count; // storage buffers at set 0, bindings 0..binding_count-1
  uint32_t push_bytes;    // of push constants; 0: none
  uint32_t subgroup_size; // 0, or caps.subgroup_size: subgroups are full and of that size
} mvg_kernel_layout;

// A compute pipeline from SPIR-V: entry "main". `name` is for debug labels and errors.
mvg_status mvg_kernel_create(mvg_device *device, const char *name, const uint32_t *spirv,
                             size_t word_count, const mvg_kernel_layout *layout,
                             mvg_kernel **out_kernel) MVG_MUST_USE;
void mvg_kernel_retain(mvg_kernel *kernel);
void mvg_kernel_release(mvg_kernel *kernel);

// ---- command lists ----

typedef struct {
  mvg_buffer *buffer;
  uint64_t offset, size_bytes; // offset a multiple of caps.storage_alignment_bytes; size > 0
} mvg_binding;

// Recorded once, submitted any number of times. Recording retains what it uses.
mvg_status mvg_commands_create(mvg_device *device, const char *name,
                               mvg_commands **out_commands) MVG_MUST_USE; // begins recording
void mvg_commands_destroy(mvg_commands *commands);
mvg_status mvg_commands_dispatch(mvg_commands *commands, mvg_kernel *kernel,
                                 const mvg_binding *bindings, uint32_t binding_count,
                                 const void *push, uint32_t push_bytes,
                                 const uint32_t groups[3]) MVG_MUST_USE;
// The same of a part of a grid: `groups` workgroups from workgroup `first` on. A kernel sees them
// numbered as in the whole; gl_NumWorkGroups is the part's, so a grid is best cut along its last
// axis of more than one.
mvg_status mvg_commands_dispatch_part(mvg_commands *commands, mvg_kernel *kernel,
                                      const mvg_binding *bindings, uint32_t binding_count,
                                      const void *push, uint32_t push_bytes,
                                      const uint32_t first[3],
                                      const uint32_t groups[3]) MVG_MUST_USE;
mvg_status mvg_commands_copy(mvg_commands *commands, const mvg_binding *source,
                             const mvg_binding *target) MVG_MUST_USE; // equal sizes, multiples of 4
// Everything recorded before happens before, and is visible to, everything recorded after
// (compute and transfer, reads and writes).
mvg_status mvg_commands_barrier(mvg_commands *commands) MVG_MUST_USE;
// Timestamp `index` (0..max set at create: 4096); read back in nanoseconds after the list has run.
mvg_status mvg_commands_timestamp(mvg_commands *commands, uint32_t index) MVG_MUST_USE;
mvg_status mvg_commands_end(mvg_commands *commands) MVG_MUST_USE; // adds the host-read barrier

// Hands a list to the device, to run after those before it; a full queue waits for its first. A
// list may be in it once, and lives until it is waited for. Fails with DEVICE_LOST and a list's
// name, as all that waits.
#define MVG_MAX_QUEUED 2
mvg_status mvg_device_enqueue(mvg_device *device, mvg_commands *list) MVG_MUST_USE;
// Waits until at most `left` lists have not finished.
mvg_status mvg_device_wait(mvg_device *device, uint32_t left) MVG_MUST_USE;
// Runs the lists in order and waits for them.
mvg_status mvg_device_submit(mvg_device *device, mvg_commands *const *lists,
                             size_t count) MVG_MUST_USE;
// Timestamps of the last run, in nanoseconds; zeros where the device has none.
mvg_status mvg_commands_read_timestamps(mvg_commands *commands, uint64_t *out_ns,
                                        uint32_t count) MVG_MUST_USE;

#endif // MVGRAPH_DEVICE_DEVICE_H_

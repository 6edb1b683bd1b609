// What a device backend provides: the vtable and the shared heads of its objects. Only device.c and
// the backends include this.
#ifndef MVGRAPH_DEVICE_DEVICE_IMPL_H_
#define MVGRAPH_DEVICE_DEVICE_IMPL_H_

#include <stdatomic.h>

#include "base/array.h"
#include "base/str.h"
#include "device/device.h"

#define MVG_MAX_TIMESTAMPS 4096
#define MVG_MAX_BINDINGS 64 // caps.max_bindings never exceeds it

// Arguments are already checked. create functions allocate the backend's object, whose first member
// is the head below; device.c fills the head afterwards, except for what is marked.
typedef struct {
  void (*destroy)(mvg_device *device);

  mvg_status (*buffer_create)(mvg_device *device, mvg_memory memory, uint64_t size_bytes,
                              mvg_buffer **out_buffer);
  void (*buffer_destroy)(mvg_buffer *buffer);
  // Only called for buffers that are not mapped.
  mvg_status (*buffer_write)(mvg_buffer *buffer, uint64_t offset, const void *data,
                             uint64_t size_bytes);
  mvg_status (*buffer_read)(mvg_buffer *buffer, uint64_t offset, void *data, uint64_t size_bytes);

  mvg_status (*kernel_create)(mvg_device *device, const char *name, const uint32_t *spirv,
                              size_t word_count, const mvg_kernel_layout *layout,
                              mvg_kernel **out_kernel);
  void (*kernel_destroy)(mvg_kernel *kernel);

  mvg_status (*commands_create)(mvg_device *device, const char *name, mvg_commands **out_commands);
  void (*commands_destroy)(mvg_commands *commands);
  mvg_status (*commands_dispatch)(mvg_commands *commands, mvg_kernel *kernel,
                                  const mvg_binding *bindings, uint32_t binding_count,
                                  const void *push, uint32_t push_bytes, const uint32_t first[3],
                                  const uint32_t groups[3]);
  mvg_status (*commands_copy)(mvg_commands *commands, const mvg_binding *source,
                              const mvg_binding *target);
  mvg_status (*commands_barrier)(mvg_commands *commands);
  mvg_status (*commands_timestamp)(mvg_commands *commands, uint32_t index);
  mvg_status (*commands_end)(mvg_commands *commands);
  mvg_status (*enqueue)(mvg_device *device, mvg_commands *list);
  mvg_status (*wait)(mvg_device *device, uint32_t left);
  mvg_status (*read_timestamps)(mvg_commands *commands, uint64_t *out_ns, uint32_t count);
  void (*describe_fault)(mvg_device *device, mvg_str *out); // of a lost device; may be NULL
} mvg_device_vtable;

struct mvg_device {
  const mvg_device_vtable *vtable; // set by the backend
  atomic_uint references;          // set by the backend to 1
  mvg_caps caps;                   // set by the backend
  atomic_bool is_lost;
  atomic_ullong held_bytes[MVG_MEMORY_DOWNLOAD + 1]; // by kind of memory
};

struct mvg_buffer {
  mvg_device *device; // retained
  atomic_uint references;
  mvg_memory memory;
  uint64_t size_bytes;
  uint64_t held_bytes; // set by the backend where it takes more than size_bytes; else 0
  void *mapped;        // set by the backend
};

struct mvg_kernel {
  mvg_device *device; // retained
  atomic_uint references;
  char *name;
  uint32_t binding_count;
  uint32_t push_bytes;
};

struct mvg_commands {
  mvg_device *device; // retained
  char *name;
  bool is_ended;
  MVG_ARRAY(mvg_buffer *) buffers; // retained
  MVG_ARRAY(mvg_kernel *) kernels; // retained
};

mvg_status mvg_null_device_create(mvg_device **out_device) MVG_MUST_USE;
// A null device that plans as a device with these limits would.
mvg_status mvg_null_device_create_rehearsal(const mvg_caps *caps,
                                            mvg_device **out_device) MVG_MUST_USE;
void mvg_null_device_get_info(mvg_device_info *out_info);

// The devices that can be used, in selector order; *out_infos is NULL and *out_note set when there
// is no driver.
mvg_status mvg_vk_device_list(mvg_device_info **out_infos, size_t *out_count,
                              const char **out_note) MVG_MUST_USE;
mvg_status mvg_vk_device_create(const char *selector, mvg_device **out_device) MVG_MUST_USE;
// Limits of the device that would be created.
mvg_status mvg_vk_device_find_caps(const char *selector, mvg_caps *out_caps) MVG_MUST_USE;

// Of the validation layers, by all instances.
uint64_t mvg_vk_get_message_count(void);

#endif // MVGRAPH_DEVICE_DEVICE_IMPL_H_

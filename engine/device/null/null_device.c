// The null device: accepts and records everything, transfers work, kernels compute nothing. For
// planning and tests on machines without Vulkan.
#include <string.h>

#include "base/alloc.h"
#include "device/device_impl.h"

#define GIB (1024ull * 1024 * 1024)

typedef struct {
  mvg_binding source, target;
} copy_record;

typedef struct {
  struct mvg_commands head;
  MVG_ARRAY(copy_record) copies;
} null_commands;

static void device_destroy(mvg_device *device) {
  mvg_free(device);
}

static mvg_status buffer_create(mvg_device *device, mvg_memory memory, uint64_t size_bytes,
                                mvg_buffer **out_buffer) {
  (void)device;
  (void)memory;
  MVG_RETURN_IF_ERROR(MVG_NEW(out_buffer));
  mvg_status status = mvg_alloc_zeroed((size_t)size_bytes, 1, &(*out_buffer)->mapped);
  if (status) {
    mvg_free(*out_buffer);
    *out_buffer = NULL;
  }
  return status;
}

static void buffer_destroy(mvg_buffer *buffer) {
  mvg_free(buffer->mapped);
  mvg_free(buffer);
}

static mvg_status kernel_create(mvg_device *device, const char *name, const uint32_t *spirv,
                                size_t word_count, const mvg_kernel_layout *layout,
                                mvg_kernel **out_kernel) {
  (void)device, (void)name, (void)spirv, (void)word_count, (void)layout;
  return MVG_NEW(out_kernel);
}

static void kernel_destroy(mvg_kernel *kernel) {
  mvg_free(kernel);
}

static mvg_status commands_create(mvg_device *device, const char *name,
                                  mvg_commands **out_commands) {
  (void)device, (void)name;
  null_commands *commands = NULL;
  MVG_RETURN_IF_ERROR(MVG_NEW(&commands));
  *out_commands = &commands->head;
  return NULL;
}

static void commands_destroy(mvg_commands *base) {
  null_commands *commands = (null_commands *)base;
  mvg_array_deinit(&commands->copies);
  mvg_free(commands);
}

static mvg_status commands_dispatch(mvg_commands *commands, mvg_kernel *kernel,
                                    const mvg_binding *bindings, uint32_t binding_count,
                                    const void *push, uint32_t push_bytes, const uint32_t first[3],
                                    const uint32_t groups[3]) {
  (void)commands, (void)kernel, (void)bindings, (void)binding_count;
  (void)push, (void)push_bytes, (void)first, (void)groups;
  return NULL;
}

static mvg_status commands_copy(mvg_commands *base, const mvg_binding *source,
                                const mvg_binding *target) {
  null_commands *commands = (null_commands *)base;
  return mvg_array_push(&commands->copies, (copy_record){*source, *target});
}

static mvg_status commands_barrier(mvg_commands *commands) {
  (void)commands;
  return NULL;
}

static mvg_status commands_timestamp(mvg_commands *commands, uint32_t index) {
  (void)commands, (void)index;
  return NULL;
}

static mvg_status enqueue(mvg_device *device, mvg_commands *list) {
  (void)device;
  const null_commands *commands = (const null_commands *)list;
  for (size_t i = 0; i < commands->copies.count; ++i) {
    const copy_record *copy = &commands->copies.items[i];
    memcpy((char *)copy->target.buffer->mapped + copy->target.offset,
           (const char *)copy->source.buffer->mapped + copy->source.offset,
           (size_t)copy->source.size_bytes);
  }
  return NULL;
}

static mvg_status wait_for_lists(mvg_device *device, uint32_t left) {
  (void)device, (void)left;
  return NULL;
}

static mvg_status read_timestamps(mvg_commands *commands, uint64_t *out_ns, uint32_t count) {
  (void)commands, (void)out_ns, (void)count;
  return NULL;
}

static const mvg_device_vtable vtable = {
    .destroy = device_destroy,
    .buffer_create = buffer_create,
    .buffer_destroy = buffer_destroy,
    .kernel_create = kernel_create,
    .kernel_destroy = kernel_destroy,
    .commands_create = commands_create,
    .commands_destroy = commands_destroy,
    .commands_dispatch = commands_dispatch,
    .commands_copy = commands_copy,
    .commands_barrier = commands_barrier,
    .commands_timestamp = commands_timestamp,
    .commands_end = commands_barrier,
    .enqueue = enqueue,
    .wait = wait_for_lists,
    .read_timestamps = read_timestamps,
};

void mvg_null_device_get_info(mvg_device_info *out_info) {
  *out_info = (mvg_device_info){
      .caps = {.name = "null",
               .driver = "null device, computes nothing",
               .is_cpu = true,
               .is_null = true,
               .has_half_storage = true,
               .memory_bytes = 64 * GIB,
               .max_storage_range_bytes = 4 * GIB,
               .max_allocation_bytes = 64 * GIB,
               .storage_alignment_bytes = 64,
               .max_bindings = 32,
               .max_push_bytes = 128,
               .max_group_count = {65535, 65535, 65535},
               .max_local_size = 1024,
               .max_shared_bytes = 32768,
               .subgroup_size = 8},
      .selector = "null",
      .kind = "null",
  };
}

static mvg_status create(const mvg_caps *caps, mvg_device **out_device) {
  mvg_device *device = NULL;
  MVG_RETURN_IF_ERROR(MVG_NEW(&device));
  device->vtable = &vtable;
  device->caps = *caps;
  atomic_init(&device->references, 1);
  *out_device = device;
  return NULL;
}

mvg_status mvg_null_device_create(mvg_device **out_device) {
  mvg_device_info info;
  mvg_null_device_get_info(&info);
  return create(&info.caps, out_device);
}

mvg_status mvg_null_device_create_rehearsal(const mvg_caps *caps, mvg_device **out_device) {
  mvg_caps own = *caps;
  own.is_null = own.is_rehearsal = true;
  return create(&own, out_device);
}

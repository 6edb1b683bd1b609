// The public face of devices: argument checks, reference counts and dispatch to the backend.
#include "device/device.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "device/device_impl.h"

// ---- devices ----

mvg_status mvg_device_list(mvg_device_info **out_infos, size_t *out_count, const char **out_note) {
  *out_infos = NULL;
  *out_count = 0;
  if (out_note) *out_note = NULL;
  const char *note = NULL;
  mvg_device_info *infos = NULL;
  size_t count = 0;
  MVG_RETURN_IF_ERROR(mvg_vk_device_list(&infos, &count, &note));
  mvg_status status = mvg_alloc_resize((void **)&infos, count + 1, sizeof *infos);
  if (status) {
    mvg_free(infos);
    return status;
  }
  mvg_null_device_get_info(&infos[count]);
  *out_infos = infos;
  *out_count = count + 1;
  if (out_note) *out_note = note;
  return NULL;
}

mvg_status mvg_device_create(const char *selector, mvg_device **out_device) {
  *out_device = NULL;
  if (selector && strcmp(selector, "null") == 0) return mvg_null_device_create(out_device);
  if (selector && strncmp(selector, "null:", 5) == 0) {
    mvg_caps caps;
    MVG_RETURN_IF_ERROR(mvg_vk_device_find_caps(selector + 5, &caps));
    return mvg_null_device_create_rehearsal(&caps, out_device);
  }
  return mvg_vk_device_create(selector, out_device);
}

void mvg_device_retain(mvg_device *device) {
  atomic_fetch_add_explicit(&device->references, 1, memory_order_relaxed);
}

void mvg_device_release(mvg_device *device) {
  if (device && atomic_fetch_sub_explicit(&device->references, 1, memory_order_acq_rel) == 1) {
    device->vtable->destroy(device);
  }
}

const mvg_caps *mvg_device_get_caps(const mvg_device *device) {
  return &device->caps;
}

bool mvg_device_is_lost(const mvg_device *device) {
  return atomic_load(&device->is_lost);
}

// What a backend returns passes here. A loss is told once in full; what fails because of it later
// says no more than that.
static mvg_status watch(mvg_device *device, mvg_status status) {
  if (mvg_status_get_code(status) != MVG_DEVICE_LOST) return status;
  if (atomic_exchange(&device->is_lost, true)) return status;
  mvg_str fault = {0};
  if (device->vtable->describe_fault) device->vtable->describe_fault(device, &fault);
  mvg_status full = MVG_ERROR(MVG_DEVICE_LOST, "the driver gave up device '%s' (%s)%s%s",
                              device->caps.name, mvg_status_get_message(status),
                              fault.text ? "\n  it says: " : "", fault.text ? fault.text : "");
  mvg_str_deinit(&fault);
  mvg_status_destroy(status);
  return full;
}

uint64_t mvg_validation_get_count(void) {
  return mvg_vk_get_message_count();
}

// ---- buffers ----

uint64_t mvg_device_get_held_bytes(const mvg_device *device, mvg_memory memory) {
  return atomic_load_explicit(&device->held_bytes[memory], memory_order_relaxed);
}

// What a backend returns of buffers passes here, after watch. The null device's memory is the
// host's.
static mvg_status explain_shortage(const mvg_device *device, mvg_status status) {
  const mvg_caps *caps = &device->caps;
  if (mvg_status_get_code(status) != MVG_OUT_OF_MEMORY || caps->is_null) return status;
  uint64_t held = mvg_device_get_held_bytes(device, MVG_MEMORY_DEVICE);
  if (caps->is_cpu) {
    held += mvg_device_get_held_bytes(device, MVG_MEMORY_UPLOAD) +
            mvg_device_get_held_bytes(device, MVG_MEMORY_DOWNLOAD);
  }
  mvg_status full =
      MVG_ERROR(MVG_OUT_OF_MEMORY,
                "%s; the device has %" PRIu64 " bytes, %" PRIu64
                " of them held here; use a smaller batch, image or model (`mvgraph plan` forecasts "
                "what it takes) or end what else uses the device",
                mvg_status_get_message(status), caps->memory_bytes, held);
  mvg_status_destroy(status);
  return full;
}

mvg_status mvg_buffer_create(mvg_device *device, mvg_memory memory, uint64_t size_bytes,
                             mvg_buffer **out_buffer) {
  *out_buffer = NULL;
  if (size_bytes == 0) return MVG_ERROR(MVG_INVALID_ARGUMENT, "a buffer of 0 bytes");
  if ((unsigned)memory > MVG_MEMORY_DOWNLOAD) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT, "unknown memory kind %d", (int)memory);
  }
  if (size_bytes > device->caps.max_allocation_bytes) {
    return MVG_ERROR(MVG_OUT_OF_MEMORY,
                     "a buffer of %" PRIu64
                     " bytes is more than device '%s' allocates at once (%" PRIu64
                     " bytes); use a smaller batch, image or model",
                     size_bytes, device->caps.name, device->caps.max_allocation_bytes);
  }
  mvg_buffer *buffer = NULL;
  MVG_RETURN_IF_ERROR(explain_shortage(
      device, watch(device, device->vtable->buffer_create(device, memory, size_bytes, &buffer))));
  mvg_device_retain(device);
  buffer->device = device;
  buffer->memory = memory;
  buffer->size_bytes = size_bytes;
  if (buffer->held_bytes == 0) buffer->held_bytes = size_bytes;
  atomic_fetch_add_explicit(&device->held_bytes[memory], buffer->held_bytes, memory_order_relaxed);
  atomic_init(&buffer->references, 1);
  *out_buffer = buffer;
  return NULL;
}

void mvg_buffer_retain(mvg_buffer *buffer) {
  atomic_fetch_add_explicit(&buffer->references, 1, memory_order_relaxed);
}

void mvg_buffer_release(mvg_buffer *buffer) {
  if (buffer && atomic_fetch_sub_explicit(&buffer->references, 1, memory_order_acq_rel) == 1) {
    mvg_device *device = buffer->device;
    atomic_fetch_sub_explicit(&device->held_bytes[buffer->memory], buffer->held_bytes,
                              memory_order_relaxed);
    device->vtable->buffer_destroy(buffer);
    mvg_device_release(device);
  }
}

uint64_t mvg_buffer_get_size(const mvg_buffer *buffer) {
  return buffer->size_bytes;
}

void *mvg_buffer_get_mapped(const mvg_buffer *buffer) {
  return buffer->mapped;
}

static mvg_status check_range(const char *what, const mvg_buffer *buffer, uint64_t offset,
                              uint64_t size_bytes) {
  if (offset > buffer->size_bytes || size_bytes > buffer->size_bytes - offset) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT,
                     "%s: bytes %" PRIu64 " to %" PRIu64 " of a buffer of %" PRIu64 " bytes", what,
                     offset, offset + size_bytes, buffer->size_bytes);
  }
  return NULL;
}

mvg_status mvg_buffer_write(mvg_buffer *buffer, uint64_t offset, const void *data,
                            uint64_t size_bytes) {
  MVG_RETURN_IF_ERROR(check_range("write", buffer, offset, size_bytes));
  if (size_bytes == 0) return NULL;
  MVG_RETURN_IF_ERROR(mvg_device_wait(buffer->device, 0));
  if (!buffer->mapped) {
    mvg_device *device = buffer->device;
    return explain_shortage(
        device, watch(device, device->vtable->buffer_write(buffer, offset, data, size_bytes)));
  }
  memcpy((char *)buffer->mapped + offset, data, (size_t)size_bytes);
  return NULL;
}

mvg_status mvg_buffer_read(mvg_buffer *buffer, uint64_t offset, void *data, uint64_t size_bytes) {
  MVG_RETURN_IF_ERROR(check_range("read", buffer, offset, size_bytes));
  if (size_bytes == 0) return NULL;
  MVG_RETURN_IF_ERROR(mvg_device_wait(buffer->device, 0));
  if (!buffer->mapped) {
    mvg_device *device = buffer->device;
    return explain_shortage(
        device, watch(device, device->vtable->buffer_read(buffer, offset, data, size_bytes)));
  }
  memcpy(data, (const char *)buffer->mapped + offset, (size_t)size_bytes);
  return NULL;
}

// ---- kernels ----

#define SPIRV_MAGIC 0x07230203u
#define SPIRV_HEADER_WORDS 5

mvg_status mvg_kernel_create(mvg_device *device, const char *name, const uint32_t *spirv,
                             size_t word_count, const mvg_kernel_layout *layout,
                             mvg_kernel **out_kernel) {
  *out_kernel = NULL;
  if (!spirv || word_count < SPIRV_HEADER_WORDS || spirv[0] != SPIRV_MAGIC) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT, "kernel '%s': this is not SPIR-V", name);
  }
  if (layout->binding_count > device->caps.max_bindings) {
    return MVG_ERROR(MVG_UNSUPPORTED, "kernel '%s': %u bindings, device '%s' has at most %u", name,
                     layout->binding_count, device->caps.name, device->caps.max_bindings);
  }
  if (layout->push_bytes % 4 != 0 || layout->push_bytes > device->caps.max_push_bytes) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT,
                     "kernel '%s': %u bytes of push constants; need a multiple of 4, at most %u",
                     name, layout->push_bytes, device->caps.max_push_bytes);
  }
  if (layout->subgroup_size && layout->subgroup_size != device->caps.subgroup_size) {
    return MVG_ERROR(MVG_UNSUPPORTED, "kernel '%s': subgroups of %u, device '%s' has %u", name,
                     layout->subgroup_size, device->caps.name, device->caps.subgroup_size);
  }
  char *name_copy = NULL;
  MVG_RETURN_IF_ERROR(mvg_alloc_string(name, &name_copy));
  mvg_kernel *kernel = NULL;
  mvg_status status = watch(
      device, device->vtable->kernel_create(device, name, spirv, word_count, layout, &kernel));
  if (status) {
    mvg_free(name_copy);
    return mvg_status_annotate(status, "kernel '%s'", name);
  }
  mvg_device_retain(device);
  kernel->device = device;
  kernel->name = name_copy;
  kernel->binding_count = layout->binding_count;
  kernel->push_bytes = layout->push_bytes;
  atomic_init(&kernel->references, 1);
  *out_kernel = kernel;
  return NULL;
}

void mvg_kernel_retain(mvg_kernel *kernel) {
  atomic_fetch_add_explicit(&kernel->references, 1, memory_order_relaxed);
}

void mvg_kernel_release(mvg_kernel *kernel) {
  if (kernel && atomic_fetch_sub_explicit(&kernel->references, 1, memory_order_acq_rel) == 1) {
    mvg_device *device = kernel->device;
    mvg_free(kernel->name);
    device->vtable->kernel_destroy(kernel);
    mvg_device_release(device);
  }
}

// ---- command lists ----

mvg_status mvg_commands_create(mvg_device *device, const char *name, mvg_commands **out_commands) {
  *out_commands = NULL;
  char *name_copy = NULL;
  MVG_RETURN_IF_ERROR(mvg_alloc_string(name, &name_copy));
  mvg_commands *commands = NULL;
  mvg_status status = watch(device, device->vtable->commands_create(device, name, &commands));
  if (status) {
    mvg_free(name_copy);
    return mvg_status_annotate(status, "command list '%s'", name);
  }
  mvg_device_retain(device);
  commands->device = device;
  commands->name = name_copy;
  *out_commands = commands;
  return NULL;
}

void mvg_commands_destroy(mvg_commands *commands) {
  if (!commands) return;
  mvg_device *device = commands->device;
  for (size_t i = 0; i < commands->buffers.count; ++i) {
    mvg_buffer_release(commands->buffers.items[i]);
  }
  for (size_t i = 0; i < commands->kernels.count; ++i) {
    mvg_kernel_release(commands->kernels.items[i]);
  }
  mvg_array_deinit(&commands->buffers);
  mvg_array_deinit(&commands->kernels);
  mvg_free(commands->name);
  device->vtable->commands_destroy(commands);
  mvg_device_release(device);
}

static mvg_status check_recording(const mvg_commands *commands) {
  if (commands->is_ended) {
    return MVG_ERROR(MVG_FAILED_PRECONDITION, "command list '%s' has ended", commands->name);
  }
  return NULL;
}

static mvg_status check_binding(const mvg_commands *commands, const char *what, uint32_t index,
                                const mvg_binding *binding) {
  const mvg_caps *caps = &commands->device->caps;
  if (!binding->buffer) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT, "%s, binding %u: no buffer", what, index);
  }
  if (binding->buffer->device != commands->device) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT, "%s, binding %u: buffer of another device", what, index);
  }
  if (binding->size_bytes == 0) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT, "%s, binding %u: 0 bytes", what, index);
  }
  if (binding->offset % caps->storage_alignment_bytes != 0) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT,
                     "%s, binding %u: offset %" PRIu64 " is not a multiple of %u", what, index,
                     binding->offset, caps->storage_alignment_bytes);
  }
  if (binding->size_bytes > caps->max_storage_range_bytes) {
    return MVG_ERROR(MVG_UNSUPPORTED,
                     "%s, binding %u: %" PRIu64 " bytes, device '%s' binds at most %" PRIu64
                     "; use a smaller batch, image or model",
                     what, index, binding->size_bytes, caps->name, caps->max_storage_range_bytes);
  }
  return mvg_status_annotate(
      check_range("binding", binding->buffer, binding->offset, binding->size_bytes),
      "%s, binding %u", what, index);
}

static mvg_status check_dispatch(const mvg_commands *commands, const mvg_kernel *kernel,
                                 const mvg_binding *bindings, uint32_t binding_count,
                                 uint32_t push_bytes, const uint32_t first[3],
                                 const uint32_t groups[3]) {
  const mvg_caps *caps = &commands->device->caps;
  if (kernel->device != commands->device) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT, "kernel '%s' is of another device", kernel->name);
  }
  if (binding_count != kernel->binding_count) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT, "kernel '%s' has %u bindings, %u were given",
                     kernel->name, kernel->binding_count, binding_count);
  }
  if (push_bytes != kernel->push_bytes) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT,
                     "kernel '%s' has %u bytes of push constants, %u were given", kernel->name,
                     kernel->push_bytes, push_bytes);
  }
  for (int axis = 0; axis < 3; ++axis) {
    uint32_t limit = caps->max_group_count[axis];
    if (groups[axis] == 0 || groups[axis] > limit || first[axis] > limit - groups[axis]) {
      return MVG_ERROR(MVG_INVALID_ARGUMENT,
                       "kernel '%s': %u workgroups from %u on axis %d; need 1 to %u in all",
                       kernel->name, groups[axis], first[axis], axis, limit);
    }
  }
  for (uint32_t i = 0; i < binding_count; ++i) {
    MVG_RETURN_IF_ERROR(check_binding(commands, kernel->name, i, &bindings[i]));
  }
  return NULL;
}

static mvg_status retain_buffer(mvg_commands *commands, mvg_buffer *buffer) {
  for (size_t i = 0; i < commands->buffers.count; ++i) {
    if (commands->buffers.items[i] == buffer) return NULL;
  }
  MVG_RETURN_IF_ERROR(mvg_array_push(&commands->buffers, buffer));
  mvg_buffer_retain(buffer);
  return NULL;
}

static mvg_status retain_kernel(mvg_commands *commands, mvg_kernel *kernel) {
  for (size_t i = 0; i < commands->kernels.count; ++i) {
    if (commands->kernels.items[i] == kernel) return NULL;
  }
  MVG_RETURN_IF_ERROR(mvg_array_push(&commands->kernels, kernel));
  mvg_kernel_retain(kernel);
  return NULL;
}

mvg_status mvg_commands_dispatch(mvg_commands *commands, mvg_kernel *kernel,
                                 const mvg_binding *bindings, uint32_t binding_count,
                                 const void *push, uint32_t push_bytes, const uint32_t groups[3]) {
  static const uint32_t first[3] = {0};
  return mvg_commands_dispatch_part(commands, kernel, bindings, binding_count, push, push_bytes,
                                    first, groups);
}

mvg_status mvg_commands_dispatch_part(mvg_commands *commands, mvg_kernel *kernel,
                                      const mvg_binding *bindings, uint32_t binding_count,
                                      const void *push, uint32_t push_bytes,
                                      const uint32_t first[3], const uint32_t groups[3]) {
  MVG_RETURN_IF_ERROR(check_recording(commands));
  mvg_status status =
      check_dispatch(commands, kernel, bindings, binding_count, push_bytes, first, groups);
  if (!status) status = retain_kernel(commands, kernel);
  for (uint32_t i = 0; !status && i < binding_count; ++i) {
    status = retain_buffer(commands, bindings[i].buffer);
  }
  if (!status) {
    status = commands->device->vtable->commands_dispatch(commands, kernel, bindings, binding_count,
                                                         push, push_bytes, first, groups);
  }
  return mvg_status_annotate(status, "command list '%s'", commands->name);
}

static mvg_status check_copy(const mvg_commands *commands, const mvg_binding *source,
                             const mvg_binding *target) {
  const mvg_binding *sides[2] = {source, target};
  for (uint32_t i = 0; i < 2; ++i) {
    if (!sides[i]->buffer || sides[i]->buffer->device != commands->device) {
      return MVG_ERROR(MVG_INVALID_ARGUMENT, "copy: no buffer, or one of another device");
    }
    MVG_RETURN_IF_ERROR(
        check_range("copy", sides[i]->buffer, sides[i]->offset, sides[i]->size_bytes));
  }
  if (source->size_bytes != target->size_bytes || source->size_bytes == 0 ||
      source->size_bytes % 4 != 0) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT,
                     "copy of %" PRIu64 " bytes to %" PRIu64 "; need equal multiples of 4",
                     source->size_bytes, target->size_bytes);
  }
  bool is_overlap = source->buffer == target->buffer &&
                    source->offset < target->offset + target->size_bytes &&
                    target->offset < source->offset + source->size_bytes;
  if (is_overlap) return MVG_ERROR(MVG_INVALID_ARGUMENT, "copy: source and target overlap");
  return NULL;
}

mvg_status mvg_commands_copy(mvg_commands *commands, const mvg_binding *source,
                             const mvg_binding *target) {
  MVG_RETURN_IF_ERROR(check_recording(commands));
  mvg_status status = check_copy(commands, source, target);
  if (!status) status = retain_buffer(commands, source->buffer);
  if (!status) status = retain_buffer(commands, target->buffer);
  if (!status) status = commands->device->vtable->commands_copy(commands, source, target);
  return mvg_status_annotate(status, "command list '%s'", commands->name);
}

mvg_status mvg_commands_barrier(mvg_commands *commands) {
  MVG_RETURN_IF_ERROR(check_recording(commands));
  return commands->device->vtable->commands_barrier(commands);
}

mvg_status mvg_commands_timestamp(mvg_commands *commands, uint32_t index) {
  MVG_RETURN_IF_ERROR(check_recording(commands));
  if (index >= MVG_MAX_TIMESTAMPS) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT, "command list '%s': timestamp %u, at most %d",
                     commands->name, index, MVG_MAX_TIMESTAMPS - 1);
  }
  return commands->device->vtable->commands_timestamp(commands, index);
}

mvg_status mvg_commands_end(mvg_commands *commands) {
  MVG_RETURN_IF_ERROR(check_recording(commands));
  MVG_RETURN_IF_ERROR(mvg_status_annotate(commands->device->vtable->commands_end(commands),
                                          "command list '%s'", commands->name));
  commands->is_ended = true;
  return NULL;
}

mvg_status mvg_device_enqueue(mvg_device *device, mvg_commands *list) {
  if (list->device != device) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT, "command list '%s' is of another device", list->name);
  }
  if (!list->is_ended) {
    return MVG_ERROR(MVG_FAILED_PRECONDITION, "command list '%s' has not ended", list->name);
  }
  return mvg_status_annotate(watch(device, device->vtable->enqueue(device, list)),
                             "command list '%s'", list->name);
}

mvg_status mvg_device_wait(mvg_device *device, uint32_t left) {
  return watch(device, device->vtable->wait(device, left));
}

static mvg_status check_lists(mvg_commands *const *lists, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (lists[i] == lists[j]) {
        return MVG_ERROR(MVG_INVALID_ARGUMENT, "command list '%s' is given twice in one submission",
                         lists[i]->name);
      }
    }
  }
  return NULL;
}

mvg_status mvg_device_submit(mvg_device *device, mvg_commands *const *lists, size_t count) {
  MVG_RETURN_IF_ERROR(check_lists(lists, count));
  mvg_status status = NULL;
  for (size_t i = 0; i < count && !status; ++i)
    status = mvg_device_enqueue(device, lists[i]);
  return mvg_status_join(status, mvg_device_wait(device, 0));
}

mvg_status mvg_commands_read_timestamps(mvg_commands *commands, uint64_t *out_ns, uint32_t count) {
  if (count > MVG_MAX_TIMESTAMPS) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT, "%u timestamps, at most %d", count, MVG_MAX_TIMESTAMPS);
  }
  memset(out_ns, 0, count * sizeof *out_ns);
  mvg_device *device = commands->device;
  return watch(device, device->vtable->read_timestamps(commands, out_ns, count));
}

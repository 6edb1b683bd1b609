// The logical device: one compute queue, the objects every submission needs; and the list
// of devices.
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "device/vulkan/vk_internal.h"

static const char no_driver[] =
    "no Vulkan driver with a device was found (looked in VK_DRIVER_FILES, VK_ICD_FILENAMES, "
    "/etc/vulkan/icd.d and /usr/share/vulkan/icd.d); install mesa-vulkan-drivers or your GPU's "
    "driver, or use --device null to only plan";

static const char no_loader[] =
    "no Vulkan loader (libvulkan.so.1) was found; install mesa-vulkan-drivers or your GPU's driver";

static void device_destroy(mvg_device *base) {
  mvg_vk_device *device = (mvg_vk_device *)base;
  if (device->handle) {
    const mvg_vk_table *fn = &device->fn;
    fn->vkDeviceWaitIdle(device->handle);
    mvg_vk_pipeline_cache_save(device);
    fn->vkDestroyPipelineCache(device->handle, device->pipeline_cache, NULL);
    fn->vkDestroyCommandPool(device->handle, device->transfer_pool, NULL);
    for (uint32_t i = 0; i < MVG_MAX_QUEUED; ++i)
      fn->vkDestroyFence(device->handle, device->fences[i], NULL);
    fn->vkDestroyFence(device->handle, device->transfer_fence, NULL);
    mvg_vk_pages_deinit(device);
    fn->vkDestroyDevice(device->handle, NULL);
  }
  pthread_mutex_destroy(&device->queue_mutex);
  pthread_mutex_destroy(&device->block_mutex);
  mvg_vk_instance_destroy(device->instance);
  mvg_free(device);
}

static const mvg_device_vtable vtable = {
    .destroy = device_destroy,
    .buffer_create = mvg_vk_buffer_create,
    .buffer_destroy = mvg_vk_buffer_destroy,
    .buffer_write = mvg_vk_buffer_write,
    .buffer_read = mvg_vk_buffer_read,
    .kernel_create = mvg_vk_kernel_create,
    .kernel_destroy = mvg_vk_kernel_destroy,
    .commands_create = mvg_vk_commands_create,
    .commands_destroy = mvg_vk_commands_destroy,
    .commands_dispatch = mvg_vk_commands_dispatch,
    .commands_copy = mvg_vk_commands_copy,
    .commands_barrier = mvg_vk_commands_barrier,
    .commands_timestamp = mvg_vk_commands_timestamp,
    .commands_end = mvg_vk_commands_end,
    .enqueue = mvg_vk_enqueue,
    .wait = mvg_vk_wait,
    .read_timestamps = mvg_vk_read_timestamps,
    .describe_fault = mvg_vk_describe_fault,
};

static mvg_status open_device(mvg_vk_device *device) {
  mvg_vk_features features;
  MVG_RETURN_IF_ERROR(mvg_vk_choose_features(device, &features));
  static const float priority = 1.0f;
  const VkDeviceQueueCreateInfo queue = {
      .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
      .queueFamilyIndex = device->queue_family,
      .queueCount = 1,
      .pQueuePriorities = &priority,
  };
  const VkDeviceCreateInfo info = {
      .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
      .pNext = &features.core,
      .queueCreateInfoCount = 1,
      .pQueueCreateInfos = &queue,
      .enabledExtensionCount = features.extension_count,
      .ppEnabledExtensionNames = features.extensions,
  };
  VkDevice handle = VK_NULL_HANDLE;
  MVG_VK_CHECK("vkCreateDevice", device->fn.vkCreateDevice(device->physical, &info, NULL, &handle));
  mvg_status status = mvg_vk_load_device(device->instance, handle, &device->fn);
  if (status) {
    PFN_vkDestroyDevice destroy =
        (PFN_vkDestroyDevice)device->fn.vkGetDeviceProcAddr(handle, "vkDestroyDevice");
    if (destroy) destroy(handle, NULL);
    return status;
  }
  device->handle = handle;
  device->fn.vkGetDeviceQueue(handle, device->queue_family, 0, &device->queue);
  return NULL;
}

static mvg_status create_submission_objects(mvg_vk_device *device) {
  const mvg_vk_table *fn = &device->fn;
  const VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
  MVG_VK_CHECK("vkCreateFence",
               fn->vkCreateFence(device->handle, &fence, NULL, &device->transfer_fence));
  for (uint32_t i = 0; i < MVG_MAX_QUEUED; ++i) {
    MVG_VK_CHECK("vkCreateFence",
                 fn->vkCreateFence(device->handle, &fence, NULL, &device->fences[i]));
  }
  const VkCommandPoolCreateInfo pool = {
      .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
      .flags = VK_COMMAND_POOL_CREATE_TRANSIENT_BIT,
      .queueFamilyIndex = device->queue_family,
  };
  MVG_VK_CHECK("vkCreateCommandPool",
               fn->vkCreateCommandPool(device->handle, &pool, NULL, &device->transfer_pool));
  const VkCommandBufferAllocateInfo commands = {
      .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
      .commandPool = device->transfer_pool,
      .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
      .commandBufferCount = 1,
  };
  MVG_VK_CHECK("vkAllocateCommandBuffers",
               fn->vkAllocateCommandBuffers(device->handle, &commands, &device->transfer_commands));
  return mvg_vk_pipeline_cache_open(device);
}

static mvg_status choose_physical(mvg_vk_device *device, const char *selector) {
  mvg_vk_snapshot *snapshots = NULL;
  VkPhysicalDevice *handles = NULL;
  size_t count = 0;
  MVG_RETURN_IF_ERROR(mvg_vk_snapshot_all(device->instance, &snapshots, &handles, &count));
  mvg_status status = NULL;
  if (count == 0) {
    status = MVG_ERROR(MVG_NOT_FOUND, "%s", no_driver);
    goto cleanup;
  }
  size_t index = 0;
  status = mvg_vk_select_device(snapshots, count, selector, &index);
  if (status) goto cleanup;
  device->snapshot = snapshots[index];
  device->physical = handles[index];
  device->head.caps = snapshots[index].caps;
  if (!mvg_vk_select_queue_family(&device->snapshot, &device->queue_family)) {
    status = MVG_ERROR(MVG_UNSUPPORTED, "device '%s' has no compute queue", device->head.caps.name);
    goto cleanup;
  }
  device->head.caps.has_timestamps =
      device->snapshot.queue_families[device->queue_family].timestampValidBits > 0;
cleanup:
  mvg_free(snapshots);
  mvg_free(handles);
  return status;
}

// An installed loader without any driver makes vkCreateInstance fail.
static mvg_status open_instance(mvg_vk_instance **out_instance, const char **out_note) {
  mvg_status status = mvg_vk_instance_create(out_instance);
  *out_note = NULL;
  if (mvg_status_get_code(status) == MVG_NOT_FOUND) {
    bool has_loader = strstr(mvg_status_get_message(status), "vkCreateInstance") != NULL;
    *out_note = has_loader ? no_driver : no_loader;
  }
  return status;
}

// Chosen, not yet opened. *out_device is set even on failure.
static mvg_status begin_device(const char *selector, mvg_vk_device **out_device) {
  MVG_RETURN_IF_ERROR(MVG_NEW(out_device));
  mvg_vk_device *device = *out_device;
  device->head.vtable = &vtable;
  atomic_init(&device->head.references, 1);
  pthread_mutex_init(&device->queue_mutex, NULL);
  pthread_mutex_init(&device->block_mutex, NULL);
  const char *note = NULL;
  mvg_status status = open_instance(&device->instance, &note);
  if (note) {
    mvg_status_destroy(status);
    status = MVG_ERROR(MVG_NOT_FOUND, "%s", note);
  }
  return status ? status : choose_physical(device, selector);
}

mvg_status mvg_vk_device_find_caps(const char *selector, mvg_caps *out_caps) {
  mvg_vk_device *device = NULL;
  mvg_status status = begin_device(selector, &device);
  if (!status) *out_caps = device->head.caps;
  if (device) device_destroy(&device->head);
  return status;
}

mvg_status mvg_vk_device_create(const char *selector, mvg_device **out_device) {
  *out_device = NULL;
  mvg_vk_device *device = NULL;
  mvg_status status = begin_device(selector, &device);
  if (status) goto cleanup;
  device->fn = device->instance->fn;
  status = open_device(device);
  if (status) goto cleanup;
  status = create_submission_objects(device);
  if (status) goto cleanup;
  *out_device = &device->head;
  device = NULL;
cleanup:
  if (device) device_destroy(&device->head);
  return status;
}

static void fill_info(const mvg_vk_snapshot *snapshot, size_t index, mvg_device_info *info) {
  info->caps = snapshot->caps;
  snprintf(info->selector, sizeof info->selector, "%zu", index);
  snprintf(info->kind, sizeof info->kind, "%s", mvg_vk_get_kind(snapshot->type));
}

mvg_status mvg_vk_device_list(mvg_device_info **out_infos, size_t *out_count,
                              const char **out_note) {
  *out_infos = NULL;
  *out_count = 0;
  mvg_vk_instance *instance = NULL;
  mvg_vk_snapshot *snapshots = NULL;
  VkPhysicalDevice *handles = NULL;
  size_t count = 0;
  mvg_status status = open_instance(&instance, out_note);
  if (!status) status = mvg_vk_snapshot_all(instance, &snapshots, &handles, &count);
  if (!status && count > 0) status = MVG_NEW_ARRAY(count, out_infos);
  mvg_code code = mvg_status_get_code(status);
  if (code == MVG_OUT_OF_MEMORY || code == MVG_INVALID_ARGUMENT) goto cleanup;
  if (status) {
    mvg_log(MVG_LOG_DEBUG, "no Vulkan devices: %s", mvg_status_get_message(status));
    if (!*out_note) *out_note = "Vulkan does not start; MVGRAPH_LOG=debug says why";
    mvg_status_destroy(status);
    status = NULL;
    count = 0;
  } else if (count == 0) {
    *out_note = no_driver;
  }
  for (size_t i = 0; i < count; ++i)
    fill_info(&snapshots[i], i, &(*out_infos)[i]);
  *out_count = count;
cleanup:
  mvg_free(snapshots);
  mvg_free(handles);
  mvg_vk_instance_destroy(instance);
  return status;
}

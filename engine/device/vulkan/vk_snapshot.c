// Asks a physical device everything the engine wants to know, once, into plain data.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "device/vulkan/vk_internal.h"

typedef struct {
  VkPhysicalDeviceProperties2 core;
  VkPhysicalDeviceIDProperties id;
  VkPhysicalDeviceSubgroupProperties subgroup;
  VkPhysicalDeviceMaintenance3Properties maintenance3;
  VkPhysicalDeviceDriverProperties driver; // filled from Vulkan 1.2 on
} property_chain;

static void query_properties(const mvg_vk_table *fn, VkPhysicalDevice device, uint32_t api_version,
                             property_chain *chain) {
  *chain = (property_chain){
      .core = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &chain->id},
      .id = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES, .pNext = &chain->subgroup},
      .subgroup = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES,
                   .pNext = &chain->maintenance3},
      .maintenance3 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES,
                       .pNext = api_version >= VK_API_VERSION_1_2 ? &chain->driver : NULL},
      .driver = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES},
  };
  fn->vkGetPhysicalDeviceProperties2(device, &chain->core);
}

static uint64_t find_local_heap_bytes(const VkPhysicalDeviceMemoryProperties *memory) {
  uint64_t largest = 0;
  for (uint32_t i = 0; i < memory->memoryHeapCount; ++i) {
    const VkMemoryHeap *heap = &memory->memoryHeaps[i];
    if ((heap->flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) && heap->size > largest) {
      largest = heap->size;
    }
  }
  return largest;
}

static uint32_t find_subgroup_size(const VkPhysicalDeviceSubgroupProperties *subgroup) {
  const VkSubgroupFeatureFlags needed =
      VK_SUBGROUP_FEATURE_BASIC_BIT | VK_SUBGROUP_FEATURE_ARITHMETIC_BIT;
  const bool has_compute = subgroup->supportedStages & VK_SHADER_STAGE_COMPUTE_BIT;
  const bool has_operations = (subgroup->supportedOperations & needed) == needed;
  return has_compute && has_operations ? subgroup->subgroupSize : 0;
}

static uint32_t min_u32(uint32_t a, uint32_t b) {
  return a < b ? a : b;
}

static bool query_half_storage(const mvg_vk_table *fn, VkPhysicalDevice device) {
  VkPhysicalDevice16BitStorageFeatures storage = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES};
  VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                        .pNext = &storage};
  fn->vkGetPhysicalDeviceFeatures2(device, &features);
  return storage.storageBuffer16BitAccess;
}

static void fill_caps(mvg_vk_snapshot *snapshot, const property_chain *chain) {
  const VkPhysicalDeviceProperties *core = &chain->core.properties;
  const VkPhysicalDeviceLimits *limits = &core->limits;
  mvg_caps *caps = &snapshot->caps;
  snprintf(caps->name, sizeof caps->name, "%s", core->deviceName);
  if (chain->driver.driverName[0]) {
    snprintf(caps->driver, sizeof caps->driver, "%.120s %.120s", chain->driver.driverName,
             chain->driver.driverInfo);
  } else {
    snprintf(caps->driver, sizeof caps->driver, "vendor 0x%x driver 0x%x", core->vendorID,
             core->driverVersion);
  }
  caps->is_cpu = core->deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
  caps->memory_bytes = find_local_heap_bytes(&snapshot->memory);
  caps->max_storage_range_bytes = limits->maxStorageBufferRange;
  caps->max_allocation_bytes = chain->maintenance3.maxMemoryAllocationSize;
  caps->storage_alignment_bytes = (uint32_t)limits->minStorageBufferOffsetAlignment;
  if (caps->storage_alignment_bytes < 4) caps->storage_alignment_bytes = 4;
  caps->max_bindings =
      min_u32(limits->maxPerStageDescriptorStorageBuffers, limits->maxDescriptorSetStorageBuffers);
  caps->max_bindings = min_u32(caps->max_bindings, limits->maxPerStageResources);
  caps->max_bindings = min_u32(caps->max_bindings, MVG_MAX_BINDINGS);
  caps->max_push_bytes = limits->maxPushConstantsSize;
  memcpy(caps->max_group_count, limits->maxComputeWorkGroupCount, sizeof caps->max_group_count);
  caps->max_local_size =
      min_u32(limits->maxComputeWorkGroupInvocations, limits->maxComputeWorkGroupSize[0]);
  caps->max_shared_bytes = limits->maxComputeSharedMemorySize;
  caps->subgroup_size = find_subgroup_size(&chain->subgroup);
}

static void take_snapshot(const mvg_vk_table *fn, VkPhysicalDevice device,
                          mvg_vk_snapshot *snapshot) {
  VkPhysicalDeviceProperties core;
  fn->vkGetPhysicalDeviceProperties(device, &core);
  snapshot->api_version = core.apiVersion;
  snapshot->type = core.deviceType;
  snapshot->vendor_id = core.vendorID;
  snapshot->device_id = core.deviceID;
  memcpy(snapshot->cache_uuid, core.pipelineCacheUUID, VK_UUID_SIZE);
  snprintf(snapshot->caps.name, sizeof snapshot->caps.name, "%s", core.deviceName);
  snapshot->timestamp_period_ns = core.limits.timestampPeriod;
  snapshot->queue_family_count = MVG_VK_MAX_QUEUE_FAMILIES;
  fn->vkGetPhysicalDeviceQueueFamilyProperties(device, &snapshot->queue_family_count,
                                               snapshot->queue_families);
  fn->vkGetPhysicalDeviceMemoryProperties(device, &snapshot->memory);
  if (core.apiVersion < VK_API_VERSION_1_1) return;
  property_chain chain;
  query_properties(fn, device, core.apiVersion, &chain);
  memcpy(snapshot->driver_uuid, chain.id.driverUUID, VK_UUID_SIZE);
  fill_caps(snapshot, &chain);
  snapshot->caps.has_half_storage = query_half_storage(fn, device);
}

static mvg_status list_physical_devices(const mvg_vk_instance *instance,
                                        VkPhysicalDevice **out_handles, uint32_t *out_count) {
  *out_handles = NULL;
  *out_count = 0;
  uint32_t count = 0;
  MVG_VK_CHECK("vkEnumeratePhysicalDevices",
               instance->fn.vkEnumeratePhysicalDevices(instance->handle, &count, NULL));
  if (count == 0) return NULL;
  VkPhysicalDevice *handles = NULL;
  MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY(count, &handles));
  VkResult result = instance->fn.vkEnumeratePhysicalDevices(instance->handle, &count, handles);
  if (result != VK_SUCCESS && result != VK_INCOMPLETE) {
    mvg_free(handles);
    return mvg_vk_error(result, "vkEnumeratePhysicalDevices");
  }
  *out_handles = handles;
  *out_count = count;
  return NULL;
}

mvg_status mvg_vk_snapshot_all(const mvg_vk_instance *instance, mvg_vk_snapshot **out_snapshots,
                               VkPhysicalDevice **out_handles, size_t *out_count) {
  *out_snapshots = NULL;
  *out_count = 0;
  uint32_t count = 0;
  MVG_RETURN_IF_ERROR(list_physical_devices(instance, out_handles, &count));
  mvg_vk_snapshot *snapshots = NULL;
  size_t kept = 0;
  mvg_status status = MVG_NEW_ARRAY(count, &snapshots);
  for (uint32_t i = 0; i < count && !status; ++i) {
    mvg_vk_snapshot *snapshot = &snapshots[kept];
    *snapshot = (mvg_vk_snapshot){0};
    take_snapshot(&instance->fn, (*out_handles)[i], snapshot);
    snapshot->caps.is_validated = instance->has_debug_utils;
    if (snapshot->api_version >= VK_API_VERSION_1_1)
      status =
          mvg_vk_query_units(instance, (*out_handles)[i], snapshot->api_version, &snapshot->caps);
    if (!status) status = mvg_caps_lower(&snapshot->caps);
    const char *obstacle = mvg_vk_get_obstacle(snapshot);
    if (obstacle) {
      mvg_log(MVG_LOG_WARNING, "device '%s' is left out: %s", snapshot->caps.name, obstacle);
      continue;
    }
    (*out_handles)[kept++] = (*out_handles)[i];
  }
  if (status) {
    mvg_free(snapshots);
    mvg_free(*out_handles);
    *out_handles = NULL;
    return status;
  }
  *out_snapshots = snapshots;
  *out_count = kept;
  return NULL;
}

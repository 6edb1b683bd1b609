// What shaders and the engine may use where the device has it: wide and narrow types, in storage
// and in arithmetic; extensions that nothing depends on.
#include <string.h>

#include "base/alloc.h"
#include "device/vulkan/vk_internal.h"

mvg_status mvg_vk_list_extensions(const mvg_vk_table *fn, VkPhysicalDevice device,
                                  mvg_vk_extensions *list) {
  *list = (mvg_vk_extensions){0};
  uint32_t count = 0;
  if (fn->vkEnumerateDeviceExtensionProperties(device, NULL, &count, NULL) < 0) return NULL;
  MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY(count, &list->items));
  if (fn->vkEnumerateDeviceExtensionProperties(device, NULL, &count, list->items) < 0) count = 0;
  list->count = count;
  return NULL;
}

bool mvg_vk_has_extension(const mvg_vk_extensions *list, const char *name) {
  for (uint32_t i = 0; i < list->count; ++i) {
    if (strcmp(list->items[i].extensionName, name) == 0) return true;
  }
  return false;
}

// What shaders of matrix units ask for, where the snapshot found it.
static void add_matrices(const mvg_caps *caps, mvg_vk_features *out) {
  if (caps->matrix_f16.m == 0 && caps->matrix_bf16.m == 0) return;
  out->vulkan12.vulkanMemoryModel = VK_TRUE;
  out->matrix = (VkPhysicalDeviceCooperativeMatrixFeaturesKHR){
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR,
      .pNext = out->core.pNext,
      .cooperativeMatrix = VK_TRUE,
  };
  out->core.pNext = &out->matrix;
  out->extensions[out->extension_count++] = VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME;
  if (caps->matrix_bf16.m == 0) return;
  out->bfloat16 = (VkPhysicalDeviceShaderBfloat16FeaturesKHR){
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_BFLOAT16_FEATURES_KHR,
      .pNext = out->core.pNext,
      .shaderBFloat16Type = VK_TRUE,
      .shaderBFloat16CooperativeMatrix = VK_TRUE,
  };
  out->core.pNext = &out->bfloat16;
  out->extensions[out->extension_count++] = VK_KHR_SHADER_BFLOAT16_EXTENSION_NAME;
}

static void add_subgroups(const mvg_caps *caps, mvg_vk_features *out) {
  if (caps->subgroup_size == 0) return;
  out->subgroup_size = (VkPhysicalDeviceSubgroupSizeControlFeatures){
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES,
      .pNext = out->core.pNext,
      .subgroupSizeControl = VK_TRUE,
      .computeFullSubgroups = VK_TRUE,
  };
  out->core.pNext = &out->subgroup_size;
  out->extensions[out->extension_count++] = VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME;
}

mvg_status mvg_vk_choose_features(mvg_vk_device *device, mvg_vk_features *out) {
  mvg_vk_extensions list;
  MVG_RETURN_IF_ERROR(mvg_vk_list_extensions(&device->fn, device->physical, &list));
  device->imports_host_pages =
      device->head.caps.is_cpu &&
      mvg_vk_has_extension(&list, VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME);
  const bool knows_fault = mvg_vk_has_extension(&list, VK_EXT_DEVICE_FAULT_EXTENSION_NAME);
  mvg_free(list.items);
  const bool has_12 = device->snapshot.api_version >= VK_API_VERSION_1_2;
  mvg_vk_features found = {
      .core = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &found.storage16},
      .storage16 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES,
                    .pNext = has_12 ? &found.vulkan12 : NULL},
      .vulkan12 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES},
      .fault = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FAULT_FEATURES_EXT},
  };
  if (knows_fault) {
    found.fault.pNext = found.core.pNext;
    found.core.pNext = &found.fault;
  }
  device->fn.vkGetPhysicalDeviceFeatures2(device->physical, &found.core);
  device->has_fault_text = found.fault.deviceFault;
  *out = (mvg_vk_features){
      .core = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
               .pNext = &out->storage16,
               .features = {.shaderFloat64 = found.core.features.shaderFloat64,
                            .shaderInt64 = found.core.features.shaderInt64,
                            .shaderInt16 = found.core.features.shaderInt16}},
      .storage16 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES,
                    .pNext = has_12 ? &out->vulkan12 : NULL,
                    .storageBuffer16BitAccess = found.storage16.storageBuffer16BitAccess},
      .vulkan12 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
                   .storageBuffer8BitAccess = found.vulkan12.storageBuffer8BitAccess,
                   .shaderFloat16 = found.vulkan12.shaderFloat16,
                   .shaderInt8 = found.vulkan12.shaderInt8},
  };
  add_matrices(&device->snapshot.caps, out);
  if (device->imports_host_pages)
    out->extensions[out->extension_count++] = VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME;
  add_subgroups(&device->snapshot.caps, out);
  if (!device->has_fault_text) return NULL;
  out->fault = (VkPhysicalDeviceFaultFeaturesEXT){
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FAULT_FEATURES_EXT,
      .pNext = out->core.pNext,
      .deviceFault = VK_TRUE,
  };
  out->core.pNext = &out->fault;
  out->extensions[out->extension_count++] = VK_EXT_DEVICE_FAULT_EXTENSION_NAME;
  return NULL;
}

// What a physical device computes with, as its vendor's extensions tell: how many cores.
#include <string.h>

#include "device/vulkan/vk_internal.h"

typedef struct {
  VkExtensionProperties *items;
  uint32_t count;
} extension_list;

// An empty list where the driver does not answer.
static mvg_status list_extensions(const mvg_vk_table *fn, VkPhysicalDevice device,
                                  extension_list *list) {
  *list = (extension_list){0};
  uint32_t count = 0;
  if (fn->vkEnumerateDeviceExtensionProperties(device, NULL, &count, NULL) < 0) return NULL;
  MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY(count, &list->items));
  if (fn->vkEnumerateDeviceExtensionProperties(device, NULL, &count, list->items) < 0) count = 0;
  list->count = count;
  return NULL;
}

static bool has_extension(const extension_list *list, const char *name) {
  for (uint32_t i = 0; i < list->count; ++i) {
    if (strcmp(list->items[i].extensionName, name) == 0) return true;
  }
  return false;
}

static void query(const mvg_vk_table *fn, VkPhysicalDevice device, void *properties) {
  VkPhysicalDeviceProperties2 all = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                     .pNext = properties};
  fn->vkGetPhysicalDeviceProperties2(device, &all);
}

static uint32_t count_cores(const mvg_vk_table *fn, VkPhysicalDevice device,
                            const extension_list *list) {
  if (has_extension(list, VK_NV_SHADER_SM_BUILTINS_EXTENSION_NAME)) {
    VkPhysicalDeviceShaderSMBuiltinsPropertiesNV sm = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_SM_BUILTINS_PROPERTIES_NV};
    query(fn, device, &sm);
    return sm.shaderSMCount;
  }
  if (has_extension(list, VK_AMD_SHADER_CORE_PROPERTIES_EXTENSION_NAME)) {
    VkPhysicalDeviceShaderCorePropertiesAMD core = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_CORE_PROPERTIES_AMD};
    query(fn, device, &core);
    return core.shaderEngineCount * core.shaderArraysPerEngineCount *
           core.computeUnitsPerShaderArray;
  }
  return 0;
}

mvg_status mvg_vk_query_units(const mvg_vk_table *fn, VkPhysicalDevice device, mvg_caps *caps) {
  extension_list list;
  mvg_status status = list_extensions(fn, device, &list);
  if (!status) caps->core_count = count_cores(fn, device, &list);
  mvg_free(list.items);
  return status;
}

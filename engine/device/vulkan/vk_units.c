// What a physical device computes with, as its vendor's extensions tell: how many cores.
#include "device/vulkan/vk_internal.h"

static void query(const mvg_vk_table *fn, VkPhysicalDevice device, void *properties) {
  VkPhysicalDeviceProperties2 all = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                     .pNext = properties};
  fn->vkGetPhysicalDeviceProperties2(device, &all);
}

static uint32_t count_cores(const mvg_vk_table *fn, VkPhysicalDevice device,
                            const mvg_vk_extensions *list) {
  if (mvg_vk_has_extension(list, VK_NV_SHADER_SM_BUILTINS_EXTENSION_NAME)) {
    VkPhysicalDeviceShaderSMBuiltinsPropertiesNV sm = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_SM_BUILTINS_PROPERTIES_NV};
    query(fn, device, &sm);
    return sm.shaderSMCount;
  }
  if (mvg_vk_has_extension(list, VK_AMD_SHADER_CORE_PROPERTIES_EXTENSION_NAME)) {
    VkPhysicalDeviceShaderCorePropertiesAMD core = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_CORE_PROPERTIES_AMD};
    query(fn, device, &core);
    return core.shaderEngineCount * core.shaderArraysPerEngineCount *
           core.computeUnitsPerShaderArray;
  }
  return 0;
}

mvg_status mvg_vk_query_units(const mvg_vk_table *fn, VkPhysicalDevice device, mvg_caps *caps) {
  mvg_vk_extensions list;
  mvg_status status = mvg_vk_list_extensions(fn, device, &list);
  if (!status) caps->core_count = count_cores(fn, device, &list);
  mvg_free(list.items);
  return status;
}

// What a physical device computes with, as its extensions tell: how many cores, subgroups of which
// size, and which matrix units.
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

// The size that kernels may require of their subgroups, which are full then; 0: none.
static uint32_t find_subgroup_size(const mvg_vk_table *fn, VkPhysicalDevice device,
                                   const mvg_vk_extensions *list, uint32_t reported) {
  if (!mvg_vk_has_extension(list, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME)) return 0;
  VkPhysicalDeviceSubgroupSizeControlFeatures features = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES};
  VkPhysicalDeviceFeatures2 all = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                   .pNext = &features};
  fn->vkGetPhysicalDeviceFeatures2(device, &all);
  VkPhysicalDeviceSubgroupSizeControlProperties sizes = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES};
  query(fn, device, &sizes);
  const bool can_require = features.subgroupSizeControl && features.computeFullSubgroups &&
                           (sizes.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT);
  const bool is_within = reported >= sizes.minSubgroupSize && reported <= sizes.maxSubgroupSize;
  return can_require && is_within ? reported : 0;
}

// ---- matrix units ----

typedef struct {
  bool has_f16, has_bf16;
} matrix_support;

// What shaders of matrix units need besides: the memory model of Vulkan, and types.
static matrix_support query_support(const mvg_vk_table *fn, VkPhysicalDevice device,
                                    const mvg_vk_extensions *list) {
  VkPhysicalDeviceShaderBfloat16FeaturesKHR bfloat16 = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_BFLOAT16_FEATURES_KHR};
  VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrix = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR,
      .pNext =
          mvg_vk_has_extension(list, VK_KHR_SHADER_BFLOAT16_EXTENSION_NAME) ? &bfloat16 : NULL};
  VkPhysicalDeviceVulkan12Features vulkan12 = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES, .pNext = &matrix};
  VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                        .pNext = &vulkan12};
  fn->vkGetPhysicalDeviceFeatures2(device, &features);
  bool is_usable = matrix.cooperativeMatrix && vulkan12.vulkanMemoryModel;
  return (matrix_support){
      .has_f16 = is_usable && vulkan12.shaderFloat16,
      .has_bf16 =
          is_usable && bfloat16.shaderBFloat16Type && bfloat16.shaderBFloat16CooperativeMatrix,
  };
}

static mvg_status query_matrices(const mvg_vk_instance *instance, VkPhysicalDevice device,
                                 const mvg_vk_extensions *list, mvg_caps *caps) {
  PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR get =
      (PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR)instance->fn.vkGetInstanceProcAddr(
          instance->handle, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR");
  const matrix_support support = query_support(&instance->fn, device, list);
  uint32_t count = 0;
  if (!get || get(device, &count, NULL) < 0 || count == 0) return NULL;
  VkCooperativeMatrixPropertiesKHR *properties;
  MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY(count, &properties));
  for (uint32_t i = 0; i < count; ++i)
    properties[i].sType = VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR;
  if (get(device, &count, properties) < 0) count = 0;
  if (support.has_f16)
    caps->matrix_f16 = mvg_vk_select_matrix(properties, count, VK_COMPONENT_TYPE_FLOAT16_KHR);
  if (support.has_bf16)
    caps->matrix_bf16 = mvg_vk_select_matrix(properties, count, VK_COMPONENT_TYPE_BFLOAT16_KHR);
  mvg_free(properties);
  return NULL;
}

mvg_status mvg_vk_query_units(const mvg_vk_instance *instance, VkPhysicalDevice device,
                              uint32_t api_version, mvg_caps *caps) {
  mvg_vk_extensions list;
  MVG_RETURN_IF_ERROR(mvg_vk_list_extensions(&instance->fn, device, &list));
  caps->core_count = count_cores(&instance->fn, device, &list);
  caps->subgroup_size = find_subgroup_size(&instance->fn, device, &list, caps->subgroup_size);
  bool has_matrices = api_version >= VK_API_VERSION_1_2 &&
                      mvg_vk_has_extension(&list, VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME);
  mvg_status status = has_matrices ? query_matrices(instance, device, &list, caps) : NULL;
  mvg_free(list.items);
  return status;
}

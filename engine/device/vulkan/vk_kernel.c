// Compute pipelines.
#include "device/vulkan/vk_internal.h"

static mvg_status create_layouts(mvg_vk_kernel *kernel, const mvg_kernel_layout *layout) {
  const uint32_t binding_count = layout->binding_count, push_bytes = layout->push_bytes;
  const mvg_vk_device *device = kernel->device;
  VkDescriptorSetLayoutBinding bindings[MVG_MAX_BINDINGS];
  for (uint32_t i = 0; i < binding_count; ++i) {
    bindings[i] = (VkDescriptorSetLayoutBinding){
        .binding = i,
        .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
        .descriptorCount = 1,
        .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
    };
  }
  const VkDescriptorSetLayoutCreateInfo set_info = {
      .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
      .bindingCount = binding_count,
      .pBindings = bindings,
  };
  if (binding_count > 0) {
    MVG_VK_CHECK("vkCreateDescriptorSetLayout",
                 device->fn.vkCreateDescriptorSetLayout(device->handle, &set_info, NULL,
                                                        &kernel->set_layout));
  }
  const VkPushConstantRange push = {.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT, .size = push_bytes};
  const VkPipelineLayoutCreateInfo info = {
      .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
      .setLayoutCount = binding_count > 0 ? 1 : 0,
      .pSetLayouts = &kernel->set_layout,
      .pushConstantRangeCount = push_bytes > 0 ? 1 : 0,
      .pPushConstantRanges = &push,
  };
  MVG_VK_CHECK("vkCreatePipelineLayout",
               device->fn.vkCreatePipelineLayout(device->handle, &info, NULL, &kernel->layout));
  return NULL;
}

static mvg_status create_pipeline(mvg_vk_kernel *kernel, const uint32_t *spirv, size_t word_count,
                                  uint32_t subgroup_size) {
  const mvg_vk_device *device = kernel->device;
  const VkShaderModuleCreateInfo module_info = {
      .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
      .codeSize = word_count * sizeof *spirv,
      .pCode = spirv,
  };
  VkShaderModule module = VK_NULL_HANDLE;
  MVG_VK_CHECK("vkCreateShaderModule",
               device->fn.vkCreateShaderModule(device->handle, &module_info, NULL, &module));
  const VkPipelineShaderStageRequiredSubgroupSizeCreateInfo required = {
      .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO,
      .requiredSubgroupSize = subgroup_size,
  };
  const VkPipelineShaderStageCreateFlags full =
      VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT;
  const VkComputePipelineCreateInfo info = {
      .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
      .flags = VK_PIPELINE_CREATE_DISPATCH_BASE_BIT,
      .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                .pNext = subgroup_size ? &required : NULL,
                .flags = subgroup_size ? full : 0,
                .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                .module = module,
                .pName = "main"},
      .layout = kernel->layout,
  };
  VkResult result = device->fn.vkCreateComputePipelines(device->handle, device->pipeline_cache, 1,
                                                        &info, NULL, &kernel->pipeline);
  device->fn.vkDestroyShaderModule(device->handle, module, NULL);
  return result == VK_SUCCESS ? NULL : mvg_vk_error(result, "vkCreateComputePipelines");
}

void mvg_vk_kernel_destroy(mvg_kernel *base) {
  mvg_vk_kernel *kernel = (mvg_vk_kernel *)base;
  const mvg_vk_device *device = kernel->device;
  device->fn.vkDestroyPipeline(device->handle, kernel->pipeline, NULL);
  device->fn.vkDestroyPipelineLayout(device->handle, kernel->layout, NULL);
  device->fn.vkDestroyDescriptorSetLayout(device->handle, kernel->set_layout, NULL);
  mvg_free(kernel);
}

mvg_status mvg_vk_kernel_create(mvg_device *base, const char *name, const uint32_t *spirv,
                                size_t word_count, const mvg_kernel_layout *layout,
                                mvg_kernel **out_kernel) {
  mvg_vk_kernel *kernel = NULL;
  MVG_RETURN_IF_ERROR(MVG_NEW(&kernel));
  kernel->device = (mvg_vk_device *)base;
  mvg_status status = create_layouts(kernel, layout);
  if (!status) status = create_pipeline(kernel, spirv, word_count, layout->subgroup_size);
  if (status) {
    mvg_vk_kernel_destroy(&kernel->head);
    return status;
  }
  mvg_vk_set_name(kernel->device, VK_OBJECT_TYPE_PIPELINE, (uint64_t)kernel->pipeline, name);
  *out_kernel = &kernel->head;
  return NULL;
}

// Recording: one descriptor set a dispatch, from pools that the list owns.
#include "device/vulkan/vk_internal.h"

#define FIRST_POOL_SETS 32
#define DESCRIPTORS_PER_SET 8

static const VkPipelineStageFlags work_stages =
    VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
static const VkAccessFlags work_reads = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_TRANSFER_READ_BIT;
static const VkAccessFlags work_writes = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;

static mvg_status begin(mvg_vk_commands *commands) {
  const mvg_vk_device *device = commands->device;
  const mvg_vk_table *fn = &device->fn;
  const VkCommandPoolCreateInfo pool = {
      .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
      .queueFamilyIndex = device->queue_family,
  };
  MVG_VK_CHECK("vkCreateCommandPool",
               fn->vkCreateCommandPool(device->handle, &pool, NULL, &commands->pool));
  const VkCommandBufferAllocateInfo allocate = {
      .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
      .commandPool = commands->pool,
      .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
      .commandBufferCount = 1,
  };
  MVG_VK_CHECK("vkAllocateCommandBuffers",
               fn->vkAllocateCommandBuffers(device->handle, &allocate, &commands->handle));
  const VkCommandBufferBeginInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
  MVG_VK_CHECK("vkBeginCommandBuffer", fn->vkBeginCommandBuffer(commands->handle, &info));
  return NULL;
}

mvg_status mvg_vk_commands_create(mvg_device *base, const char *name, mvg_commands **out_commands) {
  mvg_vk_commands *commands = NULL;
  MVG_RETURN_IF_ERROR(MVG_NEW(&commands));
  commands->device = (mvg_vk_device *)base;
  mvg_status status = begin(commands);
  if (status) {
    mvg_vk_commands_destroy(&commands->head);
    return status;
  }
  mvg_vk_set_name(commands->device, VK_OBJECT_TYPE_COMMAND_BUFFER, (uint64_t)commands->handle,
                  name);
  *out_commands = &commands->head;
  return NULL;
}

void mvg_vk_commands_destroy(mvg_commands *base) {
  mvg_vk_commands *commands = (mvg_vk_commands *)base;
  const mvg_vk_device *device = commands->device;
  for (size_t i = 0; i < commands->descriptor_pools.count; ++i) {
    device->fn.vkDestroyDescriptorPool(device->handle, commands->descriptor_pools.items[i], NULL);
  }
  mvg_array_deinit(&commands->descriptor_pools);
  device->fn.vkDestroyQueryPool(device->handle, commands->queries, NULL);
  device->fn.vkDestroyCommandPool(device->handle, commands->pool, NULL);
  mvg_free(commands);
}

// ---- descriptor sets ----

static mvg_status add_descriptor_pool(mvg_vk_commands *commands) {
  const mvg_vk_device *device = commands->device;
  MVG_RETURN_IF_ERROR(mvg_array_reserve(&commands->descriptor_pools, 1));
  const size_t doublings =
      commands->descriptor_pools.count < 5 ? commands->descriptor_pools.count : 5;
  const uint32_t sets = FIRST_POOL_SETS << doublings;
  const uint32_t descriptors = sets * DESCRIPTORS_PER_SET;
  const VkDescriptorPoolSize size = {.type = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                     .descriptorCount = descriptors};
  const VkDescriptorPoolCreateInfo info = {
      .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
      .maxSets = sets,
      .poolSizeCount = 1,
      .pPoolSizes = &size,
  };
  VkDescriptorPool pool = VK_NULL_HANDLE;
  MVG_VK_CHECK("vkCreateDescriptorPool",
               device->fn.vkCreateDescriptorPool(device->handle, &info, NULL, &pool));
  commands->descriptor_pools.items[commands->descriptor_pools.count++] = pool;
  commands->sets_left = sets;
  commands->descriptors_left = descriptors;
  return NULL;
}

static mvg_status allocate_set(mvg_vk_commands *commands, const mvg_vk_kernel *kernel,
                               uint32_t binding_count, VkDescriptorSet *out_set) {
  const mvg_vk_device *device = commands->device;
  if (commands->sets_left == 0 || commands->descriptors_left < binding_count) {
    MVG_RETURN_IF_ERROR(add_descriptor_pool(commands));
  }
  const VkDescriptorSetAllocateInfo info = {
      .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
      .descriptorPool = commands->descriptor_pools.items[commands->descriptor_pools.count - 1],
      .descriptorSetCount = 1,
      .pSetLayouts = &kernel->set_layout,
  };
  MVG_VK_CHECK("vkAllocateDescriptorSets",
               device->fn.vkAllocateDescriptorSets(device->handle, &info, out_set));
  commands->sets_left -= 1;
  commands->descriptors_left -= binding_count;
  return NULL;
}

static void write_set(const mvg_vk_device *device, VkDescriptorSet set, const mvg_binding *bindings,
                      uint32_t binding_count) {
  VkDescriptorBufferInfo infos[MVG_MAX_BINDINGS];
  VkWriteDescriptorSet writes[MVG_MAX_BINDINGS];
  for (uint32_t i = 0; i < binding_count; ++i) {
    infos[i] = (VkDescriptorBufferInfo){
        .buffer = ((const mvg_vk_buffer *)bindings[i].buffer)->handle,
        .offset = bindings[i].offset,
        .range = bindings[i].size_bytes,
    };
    writes[i] = (VkWriteDescriptorSet){
        .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
        .dstSet = set,
        .dstBinding = i,
        .descriptorCount = 1,
        .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
        .pBufferInfo = &infos[i],
    };
  }
  device->fn.vkUpdateDescriptorSets(device->handle, binding_count, writes, 0, NULL);
}

// ---- commands ----

static void begin_label(const mvg_vk_commands *commands, const char *name) {
  if (!commands->device->instance->has_debug_utils) return;
  const VkDebugUtilsLabelEXT label = {.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_LABEL_EXT,
                                      .pLabelName = name};
  commands->device->fn.vkCmdBeginDebugUtilsLabelEXT(commands->handle, &label);
}

static void end_label(const mvg_vk_commands *commands) {
  if (!commands->device->instance->has_debug_utils) return;
  commands->device->fn.vkCmdEndDebugUtilsLabelEXT(commands->handle);
}

mvg_status mvg_vk_commands_dispatch(mvg_commands *base, mvg_kernel *base_kernel,
                                    const mvg_binding *bindings, uint32_t binding_count,
                                    const void *push, uint32_t push_bytes, const uint32_t first[3],
                                    const uint32_t groups[3]) {
  mvg_vk_commands *commands = (mvg_vk_commands *)base;
  const mvg_vk_kernel *kernel = (const mvg_vk_kernel *)base_kernel;
  const mvg_vk_table *fn = &commands->device->fn;
  VkDescriptorSet set = VK_NULL_HANDLE;
  if (binding_count > 0) {
    MVG_RETURN_IF_ERROR(allocate_set(commands, kernel, binding_count, &set));
    write_set(commands->device, set, bindings, binding_count);
  }
  begin_label(commands, kernel->head.name);
  fn->vkCmdBindPipeline(commands->handle, VK_PIPELINE_BIND_POINT_COMPUTE, kernel->pipeline);
  if (binding_count > 0) {
    fn->vkCmdBindDescriptorSets(commands->handle, VK_PIPELINE_BIND_POINT_COMPUTE, kernel->layout, 0,
                                1, &set, 0, NULL);
  }
  if (push_bytes > 0) {
    fn->vkCmdPushConstants(commands->handle, kernel->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
                           push_bytes, push);
  }
  if (first[0] || first[1] || first[2]) {
    fn->vkCmdDispatchBase(commands->handle, first[0], first[1], first[2], groups[0], groups[1],
                          groups[2]);
  } else { // older validation layers look for hazards in these alone
    fn->vkCmdDispatch(commands->handle, groups[0], groups[1], groups[2]);
  }
  end_label(commands);
  return NULL;
}

mvg_status mvg_vk_commands_copy(mvg_commands *base, const mvg_binding *source,
                                const mvg_binding *target) {
  mvg_vk_commands *commands = (mvg_vk_commands *)base;
  const VkBufferCopy region = {
      .srcOffset = source->offset, .dstOffset = target->offset, .size = source->size_bytes};
  commands->device->fn.vkCmdCopyBuffer(commands->handle,
                                       ((const mvg_vk_buffer *)source->buffer)->handle,
                                       ((const mvg_vk_buffer *)target->buffer)->handle, 1, &region);
  return NULL;
}

static void record_barrier(const mvg_vk_commands *commands, VkPipelineStageFlags to_stages,
                           VkAccessFlags to_accesses) {
  const VkMemoryBarrier barrier = {
      .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
      .srcAccessMask = work_writes,
      .dstAccessMask = to_accesses,
  };
  commands->device->fn.vkCmdPipelineBarrier(commands->handle, work_stages, to_stages, 0, 1,
                                            &barrier, 0, NULL, 0, NULL);
}

mvg_status mvg_vk_commands_barrier(mvg_commands *base) {
  record_barrier((mvg_vk_commands *)base, work_stages, work_reads | work_writes);
  return NULL;
}

// The closing barrier serves the host and whichever list runs next.
mvg_status mvg_vk_commands_end(mvg_commands *base) {
  mvg_vk_commands *commands = (mvg_vk_commands *)base;
  record_barrier(commands, work_stages | VK_PIPELINE_STAGE_HOST_BIT,
                 work_reads | work_writes | VK_ACCESS_HOST_READ_BIT | VK_ACCESS_HOST_WRITE_BIT);
  MVG_VK_CHECK("vkEndCommandBuffer", commands->device->fn.vkEndCommandBuffer(commands->handle));
  return NULL;
}

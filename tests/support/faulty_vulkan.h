// A Vulkan device whose n-th request for an object, for memory or for a submission is refused, as
// by a driver that ran out of device memory. It sits in the device's own table of entry points.
#ifndef MVGRAPH_TESTS_SUPPORT_FAULTY_VULKAN_H_
#define MVGRAPH_TESTS_SUPPORT_FAULTY_VULKAN_H_

#include "device/vulkan/vk_internal.h"

static mvg_vk_table sound_vulkan;         // the driver's own entry points
static atomic_uint vulkan_fail_countdown; // the request that is refused; 0: none

static inline bool is_vulkan_fault_due(void) {
  unsigned left = atomic_load(&vulkan_fail_countdown);
  while (left > 0 && !atomic_compare_exchange_weak(&vulkan_fail_countdown, &left, left - 1)) {
  }
  return left == 1;
}

#define FAULTY_ENTRIES(X)                                                                          \
  X(vkAllocateCommandBuffers,                                                                      \
    (VkDevice d, const VkCommandBufferAllocateInfo *i, VkCommandBuffer *o), (d, i, o))             \
  X(vkAllocateDescriptorSets,                                                                      \
    (VkDevice d, const VkDescriptorSetAllocateInfo *i, VkDescriptorSet *o), (d, i, o))             \
  X(vkAllocateMemory,                                                                              \
    (VkDevice d, const VkMemoryAllocateInfo *i, const VkAllocationCallbacks *a,                    \
     VkDeviceMemory *o),                                                                           \
    (d, i, a, o))                                                                                  \
  X(vkBeginCommandBuffer, (VkCommandBuffer c, const VkCommandBufferBeginInfo *i), (c, i))          \
  X(vkBindBufferMemory, (VkDevice d, VkBuffer b, VkDeviceMemory m, VkDeviceSize s), (d, b, m, s))  \
  X(vkCreateBuffer,                                                                                \
    (VkDevice d, const VkBufferCreateInfo *i, const VkAllocationCallbacks *a, VkBuffer *o),        \
    (d, i, a, o))                                                                                  \
  X(vkCreateCommandPool,                                                                           \
    (VkDevice d, const VkCommandPoolCreateInfo *i, const VkAllocationCallbacks *a,                 \
     VkCommandPool *o),                                                                            \
    (d, i, a, o))                                                                                  \
  X(vkCreateComputePipelines,                                                                      \
    (VkDevice d, VkPipelineCache c, uint32_t n, const VkComputePipelineCreateInfo *i,              \
     const VkAllocationCallbacks *a, VkPipeline *o),                                               \
    (d, c, n, i, a, o))                                                                            \
  X(vkCreateDescriptorPool,                                                                        \
    (VkDevice d, const VkDescriptorPoolCreateInfo *i, const VkAllocationCallbacks *a,              \
     VkDescriptorPool *o),                                                                         \
    (d, i, a, o))                                                                                  \
  X(vkCreateDescriptorSetLayout,                                                                   \
    (VkDevice d, const VkDescriptorSetLayoutCreateInfo *i, const VkAllocationCallbacks *a,         \
     VkDescriptorSetLayout *o),                                                                    \
    (d, i, a, o))                                                                                  \
  X(vkCreatePipelineLayout,                                                                        \
    (VkDevice d, const VkPipelineLayoutCreateInfo *i, const VkAllocationCallbacks *a,              \
     VkPipelineLayout *o),                                                                         \
    (d, i, a, o))                                                                                  \
  X(vkCreateQueryPool,                                                                             \
    (VkDevice d, const VkQueryPoolCreateInfo *i, const VkAllocationCallbacks *a, VkQueryPool *o),  \
    (d, i, a, o))                                                                                  \
  X(vkCreateShaderModule,                                                                          \
    (VkDevice d, const VkShaderModuleCreateInfo *i, const VkAllocationCallbacks *a,                \
     VkShaderModule *o),                                                                           \
    (d, i, a, o))                                                                                  \
  X(vkEndCommandBuffer, (VkCommandBuffer c), (c))                                                  \
  X(vkMapMemory,                                                                                   \
    (VkDevice d, VkDeviceMemory m, VkDeviceSize b, VkDeviceSize s, VkMemoryMapFlags f, void **o),  \
    (d, m, b, s, f, o))                                                                            \
  X(vkQueueSubmit, (VkQueue q, uint32_t n, const VkSubmitInfo *i, VkFence f), (q, n, i, f))

#define DEFINE_FAULTY(name, parameters, arguments)                                                 \
  static VKAPI_ATTR VkResult VKAPI_CALL faulty_##name parameters {                                 \
    return is_vulkan_fault_due() ? VK_ERROR_OUT_OF_DEVICE_MEMORY : sound_vulkan.name arguments;    \
  }
FAULTY_ENTRIES(DEFINE_FAULTY)

#define INSTALL_FAULTY(name, parameters, arguments) fn->name = faulty_##name;
static inline void make_vulkan_faulty(mvg_device *device) {
  mvg_vk_table *fn = &((mvg_vk_device *)device)->fn;
  sound_vulkan = *fn;
  FAULTY_ENTRIES(INSTALL_FAULTY)
}

#endif // MVGRAPH_TESTS_SUPPORT_FAULTY_VULKAN_H_

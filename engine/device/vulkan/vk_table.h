// The Vulkan entry points in use, by the level at which they are looked up.
#ifndef MVGRAPH_DEVICE_VULKAN_VK_TABLE_H_
#define MVGRAPH_DEVICE_VULKAN_VK_TABLE_H_

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan_core.h>

#define MVG_VK_GLOBAL_ENTRIES(X)                                                                   \
  X(vkCreateInstance)                                                                              \
  X(vkEnumerateInstanceLayerProperties)

#define MVG_VK_INSTANCE_ENTRIES(X)                                                                 \
  X(vkDestroyInstance)                                                                             \
  X(vkEnumerateDeviceExtensionProperties)                                                          \
  X(vkEnumeratePhysicalDevices)                                                                    \
  X(vkGetPhysicalDeviceFeatures2)                                                                  \
  X(vkGetPhysicalDeviceMemoryProperties)                                                           \
  X(vkGetPhysicalDeviceProperties)                                                                 \
  X(vkGetPhysicalDeviceProperties2)                                                                \
  X(vkGetPhysicalDeviceQueueFamilyProperties)                                                      \
  X(vkCreateDevice)                                                                                \
  X(vkGetDeviceProcAddr)

// Absent without VK_EXT_debug_utils.
#define MVG_VK_DEBUG_ENTRIES(X)                                                                    \
  X(vkCreateDebugUtilsMessengerEXT)                                                                \
  X(vkDestroyDebugUtilsMessengerEXT)                                                               \
  X(vkSetDebugUtilsObjectNameEXT)                                                                  \
  X(vkCmdBeginDebugUtilsLabelEXT)                                                                  \
  X(vkCmdEndDebugUtilsLabelEXT)

#define MVG_VK_DEVICE_ENTRIES(X)                                                                   \
  X(vkAllocateCommandBuffers)                                                                      \
  X(vkAllocateDescriptorSets)                                                                      \
  X(vkAllocateMemory)                                                                              \
  X(vkBeginCommandBuffer)                                                                          \
  X(vkBindBufferMemory)                                                                            \
  X(vkCmdBindDescriptorSets)                                                                       \
  X(vkCmdBindPipeline)                                                                             \
  X(vkCmdCopyBuffer)                                                                               \
  X(vkCmdDispatch)                                                                                 \
  X(vkCmdDispatchBase)                                                                             \
  X(vkCmdFillBuffer)                                                                               \
  X(vkCmdPipelineBarrier)                                                                          \
  X(vkCmdPushConstants)                                                                            \
  X(vkCmdResetQueryPool)                                                                           \
  X(vkCmdWriteTimestamp)                                                                           \
  X(vkCreateBuffer)                                                                                \
  X(vkCreateCommandPool)                                                                           \
  X(vkCreateComputePipelines)                                                                      \
  X(vkCreateDescriptorPool)                                                                        \
  X(vkCreateDescriptorSetLayout)                                                                   \
  X(vkCreateFence)                                                                                 \
  X(vkCreatePipelineCache)                                                                         \
  X(vkCreatePipelineLayout)                                                                        \
  X(vkCreateQueryPool)                                                                             \
  X(vkCreateShaderModule)                                                                          \
  X(vkDestroyBuffer)                                                                               \
  X(vkDestroyCommandPool)                                                                          \
  X(vkDestroyDescriptorPool)                                                                       \
  X(vkDestroyDescriptorSetLayout)                                                                  \
  X(vkDestroyDevice)                                                                               \
  X(vkDestroyFence)                                                                                \
  X(vkDestroyPipeline)                                                                             \
  X(vkDestroyPipelineCache)                                                                        \
  X(vkDestroyPipelineLayout)                                                                       \
  X(vkDestroyQueryPool)                                                                            \
  X(vkDestroyShaderModule)                                                                         \
  X(vkDeviceWaitIdle)                                                                              \
  X(vkEndCommandBuffer)                                                                            \
  X(vkFreeMemory)                                                                                  \
  X(vkGetBufferMemoryRequirements)                                                                 \
  X(vkGetDeviceQueue)                                                                              \
  X(vkGetPipelineCacheData)                                                                        \
  X(vkGetQueryPoolResults)                                                                         \
  X(vkMapMemory)                                                                                   \
  X(vkQueueSubmit)                                                                                 \
  X(vkResetCommandPool)                                                                            \
  X(vkResetFences)                                                                                 \
  X(vkUpdateDescriptorSets)                                                                        \
  X(vkWaitForFences)

// Absent without the extensions of vk_features.c.
#define MVG_VK_OPTIONAL_ENTRIES(X) X(vkGetDeviceFaultInfoEXT)

#define MVG_VK_DECLARE(name) PFN_##name name;
typedef struct {
  PFN_vkGetInstanceProcAddr vkGetInstanceProcAddr;
  PFN_vkEnumerateInstanceVersion vkEnumerateInstanceVersion;
  MVG_VK_GLOBAL_ENTRIES(MVG_VK_DECLARE)
  MVG_VK_INSTANCE_ENTRIES(MVG_VK_DECLARE)
  MVG_VK_DEBUG_ENTRIES(MVG_VK_DECLARE)
  MVG_VK_DEVICE_ENTRIES(MVG_VK_DECLARE)
  MVG_VK_OPTIONAL_ENTRIES(MVG_VK_DECLARE)
} mvg_vk_table;

#endif // MVGRAPH_DEVICE_VULKAN_VK_TABLE_H_

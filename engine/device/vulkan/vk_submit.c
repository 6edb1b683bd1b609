// Submission: one vkQueueSubmit, one fence, one wait.
#include "device/vulkan/vk_internal.h"

#define LISTS_ON_STACK 64

mvg_status mvg_vk_submit_and_wait(mvg_vk_device *device, const VkCommandBuffer *buffers,
                                  uint32_t count) {
  const mvg_vk_table *fn = &device->fn;
  const VkSubmitInfo info = {
      .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
      .commandBufferCount = count,
      .pCommandBuffers = buffers,
  };
  MVG_VK_CHECK("vkQueueSubmit", fn->vkQueueSubmit(device->queue, 1, &info, device->fence));
  MVG_VK_CHECK("vkWaitForFences",
               fn->vkWaitForFences(device->handle, 1, &device->fence, VK_TRUE, UINT64_MAX));
  MVG_VK_CHECK("vkResetFences", fn->vkResetFences(device->handle, 1, &device->fence));
  return NULL;
}

mvg_status mvg_vk_submit(mvg_device *base, mvg_commands *const *lists, size_t count) {
  mvg_vk_device *device = (mvg_vk_device *)base;
  VkCommandBuffer on_stack[LISTS_ON_STACK];
  VkCommandBuffer *buffers = on_stack;
  if (count > LISTS_ON_STACK) MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY(count, &buffers));
  for (size_t i = 0; i < count; ++i)
    buffers[i] = ((const mvg_vk_commands *)lists[i])->handle;
  pthread_mutex_lock(&device->queue_mutex);
  mvg_status status = mvg_vk_submit_and_wait(device, buffers, (uint32_t)count);
  pthread_mutex_unlock(&device->queue_mutex);
  if (buffers != on_stack) mvg_free(buffers);
  return status;
}

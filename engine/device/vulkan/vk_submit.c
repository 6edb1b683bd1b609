// Submission: lists go to the queue one by one, with a fence each, and are waited for in the same
// order. Transfers wait for theirs at once.
#include "device/vulkan/vk_internal.h"

static mvg_status submit(mvg_vk_device *device, VkCommandBuffer commands, VkFence fence) {
  const mvg_vk_table *fn = &device->fn;
  const VkSubmitInfo info = {
      .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
      .commandBufferCount = 1,
      .pCommandBuffers = &commands,
  };
  MVG_VK_CHECK("vkResetFences", fn->vkResetFences(device->handle, 1, &fence));
  MVG_VK_CHECK("vkQueueSubmit", fn->vkQueueSubmit(device->queue, 1, &info, fence));
  return NULL;
}

static mvg_status wait_for_fence(const mvg_vk_device *device, VkFence fence) {
  MVG_VK_CHECK("vkWaitForFences",
               device->fn.vkWaitForFences(device->handle, 1, &fence, VK_TRUE, UINT64_MAX));
  return NULL;
}

static mvg_status wait_for_lists(mvg_vk_device *device, uint32_t left) {
  while (device->queued_count > left) {
    MVG_RETURN_IF_ERROR(wait_for_fence(device, device->fences[device->oldest]));
    device->oldest = (device->oldest + 1) % MVG_MAX_QUEUED;
    --device->queued_count;
  }
  return NULL;
}

static mvg_status enqueue(mvg_vk_device *device, VkCommandBuffer commands) {
  MVG_RETURN_IF_ERROR(wait_for_lists(device, MVG_MAX_QUEUED - 1));
  uint32_t next = (device->oldest + device->queued_count) % MVG_MAX_QUEUED;
  MVG_RETURN_IF_ERROR(submit(device, commands, device->fences[next]));
  ++device->queued_count;
  return NULL;
}

mvg_status mvg_vk_enqueue(mvg_device *base, mvg_commands *list) {
  mvg_vk_device *device = (mvg_vk_device *)base;
  pthread_mutex_lock(&device->queue_mutex);
  mvg_status status = enqueue(device, ((const mvg_vk_commands *)list)->handle);
  pthread_mutex_unlock(&device->queue_mutex);
  return status;
}

mvg_status mvg_vk_wait(mvg_device *base, uint32_t left) {
  mvg_vk_device *device = (mvg_vk_device *)base;
  pthread_mutex_lock(&device->queue_mutex);
  mvg_status status = wait_for_lists(device, left);
  pthread_mutex_unlock(&device->queue_mutex);
  return status;
}

mvg_status mvg_vk_run_transfer(mvg_vk_device *device) {
  MVG_RETURN_IF_ERROR(submit(device, device->transfer_commands, device->transfer_fence));
  return wait_for_fence(device, device->transfer_fence);
}

// A Vulkan device that is lost at its n-th submission or wait, and stays lost. It sits in the
// device's own table of entry points.
#ifndef MVGRAPH_TESTS_SUPPORT_LOSING_VULKAN_H_
#define MVGRAPH_TESTS_SUPPORT_LOSING_VULKAN_H_

#include "device/vulkan/vk_internal.h"

typedef enum { LOST_AT_SUBMISSION, LOST_AT_WAIT } loss_place;

static struct {
  PFN_vkQueueSubmit submit; // the driver's own
  PFN_vkWaitForFences wait;
  PFN_vkDeviceWaitIdle wait_idle;
  VkDevice device;
  loss_place place;
  unsigned countdown; // to the call that fails
  bool is_lost;
} loss;

// What a device that was not really lost still does must be over.
static inline VkResult lose_or(VkResult result, loss_place place) {
  if (place == loss.place && loss.countdown > 0 && --loss.countdown == 0) {
    loss.wait_idle(loss.device);
    loss.is_lost = true;
  }
  return loss.is_lost ? VK_ERROR_DEVICE_LOST : result;
}

static VKAPI_ATTR VkResult VKAPI_CALL losing_submit(VkQueue queue, uint32_t count,
                                                    const VkSubmitInfo *infos, VkFence fence) {
  VkResult result = lose_or(VK_SUCCESS, LOST_AT_SUBMISSION);
  return result == VK_SUCCESS ? loss.submit(queue, count, infos, fence) : result;
}

static VKAPI_ATTR VkResult VKAPI_CALL losing_wait(VkDevice device, uint32_t count,
                                                  const VkFence *fences, VkBool32 is_all,
                                                  uint64_t timeout) {
  if (loss.is_lost) return VK_ERROR_DEVICE_LOST;
  return lose_or(loss.wait(device, count, fences, is_all, timeout), LOST_AT_WAIT);
}

static inline void lose_vulkan(mvg_device *device, loss_place place, unsigned n) {
  mvg_vk_table *fn = &((mvg_vk_device *)device)->fn;
  loss.submit = fn->vkQueueSubmit;
  loss.wait = fn->vkWaitForFences;
  loss.wait_idle = fn->vkDeviceWaitIdle;
  loss.device = ((mvg_vk_device *)device)->handle;
  loss.place = place;
  loss.countdown = n;
  loss.is_lost = false;
  fn->vkQueueSubmit = losing_submit;
  fn->vkWaitForFences = losing_wait;
}

#endif // MVGRAPH_TESTS_SUPPORT_LOSING_VULKAN_H_

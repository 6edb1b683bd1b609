// Results as statuses, validation messages as log lines, names for objects.
#include <inttypes.h>

#include "base/log.h"
#include "device/vulkan/vk_internal.h"

static const struct {
  VkResult result;
  const char *name;
  mvg_code code;
} results[] = {
    {VK_ERROR_OUT_OF_HOST_MEMORY, "VK_ERROR_OUT_OF_HOST_MEMORY", MVG_OUT_OF_MEMORY},
    {VK_ERROR_OUT_OF_DEVICE_MEMORY, "VK_ERROR_OUT_OF_DEVICE_MEMORY", MVG_OUT_OF_MEMORY},
    {VK_ERROR_OUT_OF_POOL_MEMORY, "VK_ERROR_OUT_OF_POOL_MEMORY", MVG_OUT_OF_MEMORY},
    {VK_ERROR_FRAGMENTED_POOL, "VK_ERROR_FRAGMENTED_POOL", MVG_OUT_OF_MEMORY},
    {VK_ERROR_TOO_MANY_OBJECTS, "VK_ERROR_TOO_MANY_OBJECTS", MVG_OUT_OF_MEMORY},
    {VK_ERROR_MEMORY_MAP_FAILED, "VK_ERROR_MEMORY_MAP_FAILED", MVG_OUT_OF_MEMORY},
    {VK_ERROR_DEVICE_LOST, "VK_ERROR_DEVICE_LOST", MVG_DEVICE_LOST},
    {VK_ERROR_INITIALIZATION_FAILED, "VK_ERROR_INITIALIZATION_FAILED", MVG_UNSUPPORTED},
    {VK_ERROR_INCOMPATIBLE_DRIVER, "VK_ERROR_INCOMPATIBLE_DRIVER", MVG_NOT_FOUND},
    {VK_ERROR_LAYER_NOT_PRESENT, "VK_ERROR_LAYER_NOT_PRESENT", MVG_NOT_FOUND},
    {VK_ERROR_EXTENSION_NOT_PRESENT, "VK_ERROR_EXTENSION_NOT_PRESENT", MVG_UNSUPPORTED},
    {VK_ERROR_FEATURE_NOT_PRESENT, "VK_ERROR_FEATURE_NOT_PRESENT", MVG_UNSUPPORTED},
};

mvg_status mvg_vk_error(VkResult result, const char *call) {
  for (size_t i = 0; i < sizeof results / sizeof *results; ++i) {
    if (results[i].result == result) {
      return MVG_ERROR(results[i].code, "%s: %s", call, results[i].name);
    }
  }
  return MVG_ERROR(MVG_INTERNAL, "%s: VkResult %d", call, (int)result);
}

static atomic_uint_fast64_t message_count; // by the layers, of all instances

uint64_t mvg_vk_get_message_count(void) {
  return atomic_load(&message_count);
}

static VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                                 VkDebugUtilsMessageTypeFlagsEXT types,
                                                 const VkDebugUtilsMessengerCallbackDataEXT *data,
                                                 void *user) {
  (void)user;
  const bool is_error = severity >= VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT;
  // The loader speaks on this channel too, about libraries it could not open; those are not
  // findings.
  if (!(types & ~(VkDebugUtilsMessageTypeFlagsEXT)VK_DEBUG_UTILS_MESSAGE_TYPE_GENERAL_BIT_EXT)) {
    mvg_log(MVG_LOG_DEBUG, "vulkan: %s", data->pMessage);
    return VK_FALSE;
  }
  atomic_fetch_add(&message_count, 1);
  mvg_log(is_error ? MVG_LOG_ERROR : MVG_LOG_WARNING, "vulkan validation: %s", data->pMessage);
  return VK_FALSE;
}

VkDebugUtilsMessengerCreateInfoEXT mvg_vk_messenger_info(void) {
  return (VkDebugUtilsMessengerCreateInfoEXT){
      .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
      .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT |
                         VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
      .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_GENERAL_BIT_EXT |
                     VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT |
                     VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT,
      .pfnUserCallback = on_message,
  };
}

void mvg_vk_set_name(mvg_vk_device *device, VkObjectType type, uint64_t handle, const char *name) {
  if (!device->instance->has_debug_utils) return;
  const VkDebugUtilsObjectNameInfoEXT info = {
      .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_OBJECT_NAME_INFO_EXT,
      .objectType = type,
      .objectHandle = handle,
      .pObjectName = name,
  };
  device->instance->fn.vkSetDebugUtilsObjectNameEXT(device->handle, &info);
}

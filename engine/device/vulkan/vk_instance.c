// The instance, with validation layers when MVGRAPH_VALIDATION=1.
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "device/vulkan/vk_internal.h"

#define VALIDATION_LAYER "VK_LAYER_KHRONOS_validation"

static bool is_validation_wanted(void) {
  const char *value = getenv("MVGRAPH_VALIDATION");
  return value && *value && strcmp(value, "0") != 0;
}

static mvg_status has_layer(const mvg_vk_table *fn, const char *name, bool *out_found) {
  *out_found = false;
  uint32_t count = 0;
  MVG_VK_CHECK("vkEnumerateInstanceLayerProperties",
               fn->vkEnumerateInstanceLayerProperties(&count, NULL));
  VkLayerProperties *layers = NULL;
  MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY(count, &layers));
  if (count > 0) fn->vkEnumerateInstanceLayerProperties(&count, layers);
  for (uint32_t i = 0; i < count; ++i) {
    if (strcmp(layers[i].layerName, name) == 0) *out_found = true;
  }
  mvg_free(layers);
  return NULL;
}

static mvg_status check_loader_version(const mvg_vk_table *fn) {
  uint32_t version = VK_API_VERSION_1_0;
  if (fn->vkEnumerateInstanceVersion) fn->vkEnumerateInstanceVersion(&version);
  if (version < VK_API_VERSION_1_1) {
    return MVG_ERROR(
        MVG_UNSUPPORTED,
        "the Vulkan loader is older than 1.1; update libvulkan1 and your GPU's driver");
  }
  return NULL;
}

static mvg_status create_instance(mvg_vk_instance *instance, bool is_validated) {
  static const VkValidationFeatureEnableEXT enables[] = {
      VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT};
  static const char *const layers[] = {VALIDATION_LAYER};
  static const char *const extensions[] = {VK_EXT_DEBUG_UTILS_EXTENSION_NAME,
                                           VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME};
  const VkDebugUtilsMessengerCreateInfoEXT messenger = mvg_vk_messenger_info();
  const VkValidationFeaturesEXT features = {
      .sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
      .pNext = &messenger,
      .enabledValidationFeatureCount = 1,
      .pEnabledValidationFeatures = enables,
  };
  const VkApplicationInfo application = {
      .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
      .pApplicationName = "mvgraph",
      .pEngineName = "mvgraph",
      .apiVersion = VK_API_VERSION_1_2,
  };
  const VkInstanceCreateInfo info = {
      .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
      .pNext = is_validated ? &features : NULL,
      .pApplicationInfo = &application,
      .enabledLayerCount = is_validated ? 1 : 0,
      .ppEnabledLayerNames = layers,
      .enabledExtensionCount = is_validated ? 2 : 0,
      .ppEnabledExtensionNames = extensions,
  };
  MVG_VK_CHECK("vkCreateInstance", instance->fn.vkCreateInstance(&info, NULL, &instance->handle));
  MVG_RETURN_IF_ERROR(mvg_vk_load_instance(&instance->fn, instance->handle));
  if (!is_validated) return NULL;
  instance->has_debug_utils = true;
  MVG_VK_CHECK("vkCreateDebugUtilsMessengerEXT",
               instance->fn.vkCreateDebugUtilsMessengerEXT(instance->handle, &messenger, NULL,
                                                           &instance->messenger));
  return NULL;
}

static mvg_status open_instance(mvg_vk_instance *instance) {
  MVG_RETURN_IF_ERROR(mvg_vk_open_library(&instance->fn));
  MVG_RETURN_IF_ERROR(check_loader_version(&instance->fn));
  bool is_validated = is_validation_wanted();
  if (is_validated) {
    MVG_RETURN_IF_ERROR(has_layer(&instance->fn, VALIDATION_LAYER, &is_validated));
    if (!is_validated) {
      mvg_log(MVG_LOG_WARNING,
              "MVGRAPH_VALIDATION is set, but %s is not installed (package "
              "vulkan-validationlayers); running without it",
              VALIDATION_LAYER);
    }
  }
  return create_instance(instance, is_validated);
}

mvg_status mvg_vk_instance_create(mvg_vk_instance **out_instance) {
  *out_instance = NULL;
  mvg_vk_instance *instance = NULL;
  MVG_RETURN_IF_ERROR(MVG_NEW(&instance));
  mvg_status status = open_instance(instance);
  if (status) {
    mvg_vk_instance_destroy(instance);
    return status;
  }
  *out_instance = instance;
  return NULL;
}

void mvg_vk_instance_destroy(mvg_vk_instance *instance) {
  if (!instance) return;
  if (instance->messenger) {
    instance->fn.vkDestroyDebugUtilsMessengerEXT(instance->handle, instance->messenger, NULL);
  }
  if (instance->handle && instance->fn.vkDestroyInstance) {
    instance->fn.vkDestroyInstance(instance->handle, NULL);
  }
  mvg_free(instance);
}

// Opens the Vulkan loader at run time and fills the table of entry points.
#include <dlfcn.h>
#include <pthread.h>

#include "device/vulkan/vk_internal.h"

#define LIBRARY "libvulkan.so.1"

static pthread_mutex_t library_mutex = PTHREAD_MUTEX_INITIALIZER;
static PFN_vkGetInstanceProcAddr get_instance_proc_addr;

// The library stays open for the life of the process: drivers start threads that do not survive
// unloading.
static mvg_status find_entry_point(PFN_vkGetInstanceProcAddr *out_entry) {
  mvg_status status = NULL;
  pthread_mutex_lock(&library_mutex);
  if (!get_instance_proc_addr) {
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    void *symbol = library ? dlsym(library, "vkGetInstanceProcAddr") : NULL;
    if (symbol) {
      *(void **)&get_instance_proc_addr = symbol;
    } else {
      status = MVG_ERROR(MVG_NOT_FOUND,
                         "no Vulkan loader (%s); install mesa-vulkan-drivers or your GPU's driver "
                         "together with libvulkan1, or use --device null to only plan",
                         LIBRARY);
    }
  }
  *out_entry = get_instance_proc_addr;
  pthread_mutex_unlock(&library_mutex);
  return status;
}

#define CHECK_ENTRY(name)                                                                          \
  if (!table->name) return MVG_ERROR(MVG_UNSUPPORTED, "the Vulkan driver has no %s", #name);

mvg_status mvg_vk_open_library(mvg_vk_table *table) {
  MVG_RETURN_IF_ERROR(find_entry_point(&table->vkGetInstanceProcAddr));
#define LOAD_GLOBAL(name)                                                                          \
  table->name = (PFN_##name)table->vkGetInstanceProcAddr(VK_NULL_HANDLE, #name);
  MVG_VK_GLOBAL_ENTRIES(LOAD_GLOBAL)
  MVG_VK_GLOBAL_ENTRIES(CHECK_ENTRY)
  LOAD_GLOBAL(vkEnumerateInstanceVersion)
#undef LOAD_GLOBAL
  return NULL;
}

mvg_status mvg_vk_load_instance(mvg_vk_table *table, VkInstance instance) {
#define LOAD_INSTANCE(name) table->name = (PFN_##name)table->vkGetInstanceProcAddr(instance, #name);
  MVG_VK_INSTANCE_ENTRIES(LOAD_INSTANCE)
  MVG_VK_INSTANCE_ENTRIES(CHECK_ENTRY)
  MVG_VK_DEBUG_ENTRIES(LOAD_INSTANCE)
#undef LOAD_INSTANCE
  return NULL;
}

mvg_status mvg_vk_load_device(const mvg_vk_instance *instance, VkDevice device,
                              mvg_vk_table *table) {
  *table = instance->fn;
#define LOAD_DEVICE(name) table->name = (PFN_##name)table->vkGetDeviceProcAddr(device, #name);
  MVG_VK_DEVICE_ENTRIES(LOAD_DEVICE)
  MVG_VK_DEVICE_ENTRIES(CHECK_ENTRY)
  MVG_VK_OPTIONAL_ENTRIES(LOAD_DEVICE)
#undef LOAD_DEVICE
  return NULL;
}

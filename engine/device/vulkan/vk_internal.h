// The Vulkan backend's own structures, shared by its files only.
#ifndef MVGRAPH_DEVICE_VULKAN_VK_INTERNAL_H_
#define MVGRAPH_DEVICE_VULKAN_VK_INTERNAL_H_

#include <pthread.h>
#include <stdatomic.h>

#include "device/device_impl.h"
#include "device/vulkan/vk_select.h"
#include "device/vulkan/vk_table.h"

#define MVG_VK_TIMESTAMP_BLOCK 64 // queries are reset in blocks; 64 blocks make MVG_MAX_TIMESTAMPS

typedef struct {
  mvg_vk_table fn; // global and instance entries
  VkInstance handle;
  VkDebugUtilsMessengerEXT messenger;
  bool has_debug_utils; // the validation layers are on
} mvg_vk_instance;

typedef struct mvg_vk_block mvg_vk_block; // pages that buffers of a CPU device share

typedef struct {
  struct mvg_device head;
  mvg_vk_instance *instance;
  mvg_vk_table fn; // everything
  mvg_vk_snapshot snapshot;
  VkPhysicalDevice physical;
  VkDevice handle;
  bool has_fault_text;     // VK_EXT_device_fault
  bool imports_host_pages; // VK_EXT_external_memory_host, of a CPU device
  uint32_t queue_family;
  VkQueue queue;
  pthread_mutex_t block_mutex; // guards the blocks of vk_pages.c
  mvg_vk_block *open_block;
  pthread_mutex_t queue_mutex;    // guards queue, fences and the transfer pool
  VkFence fences[MVG_MAX_QUEUED]; // of lists, in turn
  uint32_t oldest, queued_count;  // of the lists that have not been waited for
  VkFence transfer_fence;
  VkCommandPool transfer_pool;
  VkCommandBuffer transfer_commands;
  VkPipelineCache pipeline_cache;
  size_t pipeline_cache_loaded_bytes;
} mvg_vk_device;

typedef struct {
  struct mvg_buffer head;
  mvg_vk_device *device;
  VkBuffer handle;
  VkDeviceMemory memory; // its own, or
  mvg_vk_block *block;   // what it shares
} mvg_vk_buffer;

typedef struct {
  struct mvg_kernel head;
  mvg_vk_device *device;
  VkDescriptorSetLayout set_layout; // null without bindings
  VkPipelineLayout layout;
  VkPipeline pipeline;
} mvg_vk_kernel;

typedef struct {
  struct mvg_commands head;
  mvg_vk_device *device;
  VkCommandPool pool;
  VkCommandBuffer handle;
  MVG_ARRAY(VkDescriptorPool) descriptor_pools; // sets come from the last
  uint32_t sets_left, descriptors_left;         // in the last
  VkQueryPool queries;                          // made by the first timestamp
  uint64_t reset_blocks;                        // bit i: block i is in use
} mvg_vk_commands;

// What a logical device is opened with. Zeroed storage asks for nothing.
#define MVG_VK_MAX_EXTENSIONS 8
typedef struct {
  VkPhysicalDeviceFeatures2 core;
  VkPhysicalDevice16BitStorageFeatures storage16;
  VkPhysicalDeviceVulkan12Features vulkan12;
  VkPhysicalDeviceFaultFeaturesEXT fault;
  VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrix;
  VkPhysicalDeviceShaderBfloat16FeaturesKHR bfloat16;
  VkPhysicalDeviceSubgroupSizeControlFeatures subgroup_size;
  const char *extensions[MVG_VK_MAX_EXTENSIONS];
  uint32_t extension_count;
} mvg_vk_features;

typedef struct {
  VkExtensionProperties *items; // freed with mvg_free
  uint32_t count;
} mvg_vk_extensions;

// vk_features.c
// An empty list where the driver does not answer.
mvg_status mvg_vk_list_extensions(const mvg_vk_table *fn, VkPhysicalDevice device,
                                  mvg_vk_extensions *list) MVG_MUST_USE;
bool mvg_vk_has_extension(const mvg_vk_extensions *list, const char *name);
// What the device has of what is wanted. The chain points into *out_features.
mvg_status mvg_vk_choose_features(mvg_vk_device *device,
                                  mvg_vk_features *out_features) MVG_MUST_USE;

// vk_fault.c
void mvg_vk_describe_fault(mvg_device *device, mvg_str *out);

// vk_instance.c
mvg_status mvg_vk_instance_create(mvg_vk_instance **out_instance) MVG_MUST_USE;
void mvg_vk_instance_destroy(mvg_vk_instance *instance);
// vk_loader.c
mvg_status mvg_vk_load_device(const mvg_vk_instance *instance, VkDevice device,
                              mvg_vk_table *out_table) MVG_MUST_USE;
mvg_status mvg_vk_open_library(mvg_vk_table *out_table) MVG_MUST_USE; // global entries
mvg_status mvg_vk_load_instance(mvg_vk_table *table, VkInstance instance) MVG_MUST_USE;

// vk_debug.c
mvg_status mvg_vk_error(VkResult result, const char *call) MVG_MUST_USE;
#define MVG_VK_CHECK(call_name, expression)                                                        \
  do {                                                                                             \
    VkResult vk_result_ = (expression);                                                            \
    if (vk_result_ != VK_SUCCESS) return mvg_vk_error(vk_result_, call_name);                      \
  } while (0)
VkDebugUtilsMessengerCreateInfoEXT mvg_vk_messenger_info(void);
void mvg_vk_set_name(mvg_vk_device *device, VkObjectType type, uint64_t handle, const char *name);

// vk_snapshot.c: the usable devices, in the driver's order.
mvg_status mvg_vk_snapshot_all(const mvg_vk_instance *instance, mvg_vk_snapshot **out_snapshots,
                               VkPhysicalDevice **out_handles, size_t *out_count) MVG_MUST_USE;

// vk_units.c: what vendors' extensions tell of a device of Vulkan 1.1 or later.
mvg_status mvg_vk_query_units(const mvg_vk_instance *instance, VkPhysicalDevice device,
                              uint32_t api_version, mvg_caps *caps) MVG_MUST_USE;

// vk_memory.c
mvg_status mvg_vk_buffer_create(mvg_device *device, mvg_memory memory, uint64_t size_bytes,
                                mvg_buffer **out_buffer) MVG_MUST_USE;
void mvg_vk_buffer_destroy(mvg_buffer *buffer);
mvg_status mvg_vk_buffer_write(mvg_buffer *buffer, uint64_t offset, const void *data,
                               uint64_t size_bytes) MVG_MUST_USE;
mvg_status mvg_vk_buffer_read(mvg_buffer *buffer, uint64_t offset, void *data,
                              uint64_t size_bytes) MVG_MUST_USE;

// vk_pages.c
typedef struct {
  mvg_vk_block *block;
  VkDeviceMemory memory;
  uint64_t offset;
  void *mapped;
} mvg_vk_place;
mvg_status mvg_vk_pages_take(mvg_vk_device *device, uint32_t type, uint64_t size_bytes,
                             uint64_t alignment, mvg_vk_place *out_place) MVG_MUST_USE;
void mvg_vk_pages_give_back(mvg_vk_device *device, mvg_vk_block *block);
void mvg_vk_pages_deinit(mvg_vk_device *device);

// vk_kernel.c
mvg_status mvg_vk_kernel_create(mvg_device *device, const char *name, const uint32_t *spirv,
                                size_t word_count, const mvg_kernel_layout *layout,
                                mvg_kernel **out_kernel) MVG_MUST_USE;
void mvg_vk_kernel_destroy(mvg_kernel *kernel);

// vk_cache.c
mvg_status mvg_vk_pipeline_cache_open(mvg_vk_device *device) MVG_MUST_USE;
void mvg_vk_pipeline_cache_save(mvg_vk_device *device);

// vk_command.c
mvg_status mvg_vk_commands_create(mvg_device *device, const char *name,
                                  mvg_commands **out_commands) MVG_MUST_USE;
void mvg_vk_commands_destroy(mvg_commands *commands);
mvg_status mvg_vk_commands_dispatch(mvg_commands *commands, mvg_kernel *kernel,
                                    const mvg_binding *bindings, uint32_t binding_count,
                                    const void *push, uint32_t push_bytes, const uint32_t first[3],
                                    const uint32_t groups[3]) MVG_MUST_USE;
mvg_status mvg_vk_commands_copy(mvg_commands *commands, const mvg_binding *source,
                                const mvg_binding *target) MVG_MUST_USE;
mvg_status mvg_vk_commands_barrier(mvg_commands *commands) MVG_MUST_USE;
mvg_status mvg_vk_commands_end(mvg_commands *commands) MVG_MUST_USE;

// vk_query.c
mvg_status mvg_vk_commands_timestamp(mvg_commands *commands, uint32_t index) MVG_MUST_USE;
mvg_status mvg_vk_read_timestamps(mvg_commands *commands, uint64_t *out_ns,
                                  uint32_t count) MVG_MUST_USE;

// vk_submit.c
mvg_status mvg_vk_enqueue(mvg_device *device, mvg_commands *list) MVG_MUST_USE;
mvg_status mvg_vk_wait(mvg_device *device, uint32_t left) MVG_MUST_USE;
mvg_status mvg_vk_run_transfer(mvg_vk_device *device) MVG_MUST_USE; // queue_mutex held

#endif // MVGRAPH_DEVICE_VULKAN_VK_INTERNAL_H_

// From plain data about the physical devices to a choice: which device, which queue family, which
// memory type.
#ifndef MVGRAPH_DEVICE_VULKAN_VK_SELECT_H_
#define MVGRAPH_DEVICE_VULKAN_VK_SELECT_H_

#include <stdbool.h>

#include "device/device.h"
#include "device/vulkan/vk_matrix.h"

#define MVG_VK_MAX_QUEUE_FAMILIES 16

typedef struct {
  mvg_caps caps;
  uint32_t api_version;
  VkPhysicalDeviceType type;
  uint8_t driver_uuid[VK_UUID_SIZE];
  uint8_t cache_uuid[VK_UUID_SIZE];
  uint32_t vendor_id, device_id;
  float timestamp_period_ns;
  uint32_t queue_family_count;
  VkQueueFamilyProperties queue_families[MVG_VK_MAX_QUEUE_FAMILIES];
  VkPhysicalDeviceMemoryProperties memory;
} mvg_vk_snapshot;

// Why the device cannot be used, as static text; NULL when it can.
const char *mvg_vk_get_obstacle(const mvg_vk_snapshot *snapshot);

const char *mvg_vk_get_kind(VkPhysicalDeviceType type); // "discrete", "integrated", "cpu", "other"

// `selector` as for mvg_device_create, without "null". Fails with NOT_FOUND naming what there is.
mvg_status mvg_vk_select_device(const mvg_vk_snapshot *snapshots, size_t count,
                                const char *selector, size_t *out_index) MVG_MUST_USE;

// The compute family; one without graphics is preferred, since it is less shared. False if there is
// none.
bool mvg_vk_select_queue_family(const mvg_vk_snapshot *snapshot, uint32_t *out_family);

// The best of the memory types in `allowed` (a bit a type). False if none will do.
bool mvg_vk_select_memory_type(const mvg_vk_snapshot *snapshot, mvg_memory memory, uint32_t allowed,
                               uint32_t *out_type);

// Of what a subgroup can multiply, with operands of `type` and sums in fp32: 16 x 16 x 16 if there,
// else the largest. All 0: nothing.
mvg_matrix_shape mvg_vk_select_matrix(const VkCooperativeMatrixPropertiesKHR *properties,
                                      uint32_t count, VkComponentTypeKHR type);

#endif // MVGRAPH_DEVICE_VULKAN_VK_SELECT_H_

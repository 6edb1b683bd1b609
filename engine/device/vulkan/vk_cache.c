// The driver's pipeline cache, kept between runs in one file per driver.
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "device/vulkan/vk_internal.h"
#include "io/cache_file.h"

#define FILE_MAGIC 0x3143504756ull // "VGPC1"

// Drivers trust what they are given, so a truncated or flipped file must not reach them.
typedef struct {
  uint64_t magic;
  uint64_t data_bytes;
  uint64_t data_hash;
} file_header;

static void format_name(const mvg_vk_device *device, char out_name[64]) {
  int length = snprintf(out_name, 64, "pipeline-");
  for (size_t i = 0; i < VK_UUID_SIZE; ++i) {
    length +=
        snprintf(out_name + length, 64 - (size_t)length, "%02x", device->snapshot.driver_uuid[i]);
  }
  snprintf(out_name + length, 64 - (size_t)length, ".bin");
}

static bool is_valid(const mvg_vk_device *device, const char *bytes, size_t size) {
  file_header header;
  VkPipelineCacheHeaderVersionOne driver;
  if (size < sizeof header + sizeof driver) return false;
  memcpy(&header, bytes, sizeof header);
  memcpy(&driver, bytes + sizeof header, sizeof driver);
  const size_t data_bytes = size - sizeof header;
  return header.magic == FILE_MAGIC && header.data_bytes == data_bytes &&
         header.data_hash == mvg_hash_bytes(MVG_HASH_SEED, bytes + sizeof header, data_bytes) &&
         driver.headerVersion == VK_PIPELINE_CACHE_HEADER_VERSION_ONE &&
         driver.vendorID == device->snapshot.vendor_id &&
         driver.deviceID == device->snapshot.device_id &&
         memcmp(driver.pipelineCacheUUID, device->snapshot.cache_uuid, VK_UUID_SIZE) == 0;
}

mvg_status mvg_vk_pipeline_cache_open(mvg_vk_device *device) {
  char name[64];
  format_name(device, name);
  void *bytes = NULL;
  size_t size = 0;
  bool is_usable = mvg_cache_file_read(name, &bytes, &size) && is_valid(device, bytes, size);
  if (bytes && !is_usable) mvg_log(MVG_LOG_DEBUG, "%s is stale or damaged, starting anew", name);
  const VkPipelineCacheCreateInfo info = {
      .sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
      .initialDataSize = is_usable ? size - sizeof(file_header) : 0,
      .pInitialData = is_usable ? (const char *)bytes + sizeof(file_header) : NULL,
  };
  VkResult result =
      device->fn.vkCreatePipelineCache(device->handle, &info, NULL, &device->pipeline_cache);
  device->pipeline_cache_loaded_bytes = info.initialDataSize;
  mvg_free(bytes);
  return result == VK_SUCCESS ? NULL : mvg_vk_error(result, "vkCreatePipelineCache");
}

void mvg_vk_pipeline_cache_save(mvg_vk_device *device) {
  if (!device->pipeline_cache) return;
  size_t size = 0;
  VkResult result =
      device->fn.vkGetPipelineCacheData(device->handle, device->pipeline_cache, &size, NULL);
  if (result != VK_SUCCESS || size == 0 || size == device->pipeline_cache_loaded_bytes) return;
  char *bytes = NULL;
  mvg_status status = MVG_NEW_ARRAY(sizeof(file_header) + size, &bytes);
  if (status) {
    mvg_status_destroy(status);
    return;
  }
  char *data = bytes + sizeof(file_header);
  result = device->fn.vkGetPipelineCacheData(device->handle, device->pipeline_cache, &size, data);
  if (result == VK_SUCCESS) {
    const file_header header = {.magic = FILE_MAGIC,
                                .data_bytes = size,
                                .data_hash = mvg_hash_bytes(MVG_HASH_SEED, data, size)};
    memcpy(bytes, &header, sizeof header);
    char name[64];
    format_name(device, name);
    mvg_cache_file_write(name, bytes, sizeof header + size);
  }
  mvg_free(bytes);
}

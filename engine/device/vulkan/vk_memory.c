// Buffers, one allocation each, and blocking transfers for those the host cannot see.
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include "base/threads.h"
#include "device/vulkan/vk_internal.h"

#define HUGE_PAGE_BYTES (2ull << 20)

static const VkBufferUsageFlags usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT |
                                        VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                                        VK_BUFFER_USAGE_TRANSFER_DST_BIT;

static uint64_t round_up(uint64_t value, uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}

static mvg_status allocate_alone(mvg_vk_buffer *buffer, mvg_memory memory, uint32_t type,
                                 const VkMemoryRequirements *needs) {
  mvg_vk_device *device = buffer->device;
  const mvg_vk_table *fn = &device->fn;
  const VkMemoryAllocateInfo info = {
      .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
      .allocationSize = needs->size,
      .memoryTypeIndex = type,
  };
  MVG_VK_CHECK("vkAllocateMemory",
               fn->vkAllocateMemory(device->handle, &info, NULL, &buffer->memory));
  buffer->head.held_bytes = needs->size;
  MVG_VK_CHECK("vkBindBufferMemory",
               fn->vkBindBufferMemory(device->handle, buffer->handle, buffer->memory, 0));
  const VkMemoryPropertyFlags flags = device->snapshot.memory.memoryTypes[type].propertyFlags;
  const bool is_mapped =
      memory != MVG_MEMORY_DEVICE || ((flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) &&
                                      (flags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT) &&
                                      (flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT));
  if (is_mapped) {
    MVG_VK_CHECK("vkMapMemory", fn->vkMapMemory(device->handle, buffer->memory, 0, VK_WHOLE_SIZE, 0,
                                                &buffer->head.mapped));
  }
  return NULL;
}

static mvg_status place_in_pages(mvg_vk_buffer *buffer, uint32_t type,
                                 const VkMemoryRequirements *needs) {
  mvg_vk_device *device = buffer->device;
  mvg_vk_place place;
  MVG_RETURN_IF_ERROR(mvg_vk_pages_take(device, type, needs->size, needs->alignment, &place));
  buffer->block = place.block;
  buffer->head.held_bytes = needs->size;
  buffer->head.mapped = place.mapped;
  MVG_VK_CHECK("vkBindBufferMemory", device->fn.vkBindBufferMemory(device->handle, buffer->handle,
                                                                   place.memory, place.offset));
  return NULL;
}

static mvg_status allocate(mvg_vk_buffer *buffer, mvg_memory memory, uint64_t size_bytes) {
  mvg_vk_device *device = buffer->device;
  const mvg_vk_table *fn = &device->fn;
  const VkExternalMemoryBufferCreateInfo imported = {
      .sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
      .handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT,
  };
  const VkBufferCreateInfo buffer_info = {
      .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
      .pNext = device->imports_host_pages ? &imported : NULL,
      .size = round_up(size_bytes, 4),
      .usage = usage,
      .sharingMode = VK_SHARING_MODE_EXCLUSIVE,
  };
  MVG_VK_CHECK("vkCreateBuffer",
               fn->vkCreateBuffer(device->handle, &buffer_info, NULL, &buffer->handle));
  VkMemoryRequirements needs;
  fn->vkGetBufferMemoryRequirements(device->handle, buffer->handle, &needs);
  uint32_t type = 0;
  if (!mvg_vk_select_memory_type(&device->snapshot, memory, needs.memoryTypeBits, &type)) {
    return MVG_ERROR(MVG_UNSUPPORTED, "device '%s' has no memory type for this use",
                     device->head.caps.name);
  }
  return device->imports_host_pages ? place_in_pages(buffer, type, &needs)
                                    : allocate_alone(buffer, memory, type, &needs);
}

// A CPU device's buffers are plain pages: large ones make the first touch several times faster.
static void advise_huge_pages(void *mapped, uint64_t size_bytes) {
  uintptr_t begin = (uintptr_t)round_up((uintptr_t)mapped, HUGE_PAGE_BYTES);
  uintptr_t end = ((uintptr_t)mapped + (uintptr_t)size_bytes) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
  if (begin < end) (void)madvise((void *)begin, end - begin, MADV_HUGEPAGE);
}

typedef struct {
  char *memory;
  uint64_t size_bytes;
} touched;

static void touch_part(void *context, int64_t part) {
  const touched *all = context;
  uint64_t begin = (uint64_t)part * HUGE_PAGE_BYTES, rest = all->size_bytes - begin;
  memset(all->memory + begin, 0, (size_t)(rest < HUGE_PAGE_BYTES ? rest : HUGE_PAGE_BYTES));
}

// Zeros, written by all threads: the system makes pages as they are touched.
static void touch(void *memory, uint64_t size_bytes) {
  touched all = {memory, size_bytes};
  mvg_threads_run((int64_t)((size_bytes + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES), touch_part,
                  &all);
}

// ---- the transfer command buffer: begin locks the queue, finish submits, waits and unlocks ----

static mvg_status begin_transfer(mvg_vk_device *device) {
  const mvg_vk_table *fn = &device->fn;
  pthread_mutex_lock(&device->queue_mutex);
  const VkCommandBufferBeginInfo info = {
      .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
      .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
  };
  VkResult result = fn->vkResetCommandPool(device->handle, device->transfer_pool, 0);
  if (result == VK_SUCCESS) result = fn->vkBeginCommandBuffer(device->transfer_commands, &info);
  if (result == VK_SUCCESS) return NULL;
  pthread_mutex_unlock(&device->queue_mutex);
  return mvg_vk_error(result, "vkBeginCommandBuffer");
}

static mvg_status finish_transfer(mvg_vk_device *device) {
  const mvg_vk_table *fn = &device->fn;
  const VkMemoryBarrier barrier = {
      .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
      .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
      .dstAccessMask = VK_ACCESS_HOST_READ_BIT | VK_ACCESS_SHADER_READ_BIT |
                       VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_READ_BIT |
                       VK_ACCESS_TRANSFER_WRITE_BIT,
  };
  fn->vkCmdPipelineBarrier(device->transfer_commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
                           VK_PIPELINE_STAGE_HOST_BIT | VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT |
                               VK_PIPELINE_STAGE_TRANSFER_BIT,
                           0, 1, &barrier, 0, NULL, 0, NULL);
  VkResult result = fn->vkEndCommandBuffer(device->transfer_commands);
  mvg_status status = result == VK_SUCCESS ? mvg_vk_run_transfer(device)
                                           : mvg_vk_error(result, "vkEndCommandBuffer");
  pthread_mutex_unlock(&device->queue_mutex);
  return status;
}

static mvg_status zero_fill(mvg_vk_buffer *buffer, uint64_t size_bytes) {
  mvg_vk_device *device = buffer->device;
  if (buffer->head.mapped) {
    if (device->head.caps.is_cpu && !buffer->block) {
      advise_huge_pages(buffer->head.mapped, size_bytes);
    }
    touch(buffer->head.mapped, size_bytes);
    return NULL;
  }
  MVG_RETURN_IF_ERROR(begin_transfer(device));
  device->fn.vkCmdFillBuffer(device->transfer_commands, buffer->handle, 0, VK_WHOLE_SIZE, 0);
  return finish_transfer(device);
}

static void destroy(mvg_vk_buffer *buffer) {
  const mvg_vk_device *device = buffer->device;
  device->fn.vkDestroyBuffer(device->handle, buffer->handle, NULL);
  device->fn.vkFreeMemory(device->handle, buffer->memory, NULL);
  if (buffer->block) mvg_vk_pages_give_back(buffer->device, buffer->block);
  mvg_free(buffer);
}

static mvg_status create(mvg_vk_device *device, mvg_memory memory, uint64_t size_bytes,
                         mvg_vk_buffer **out_buffer) {
  mvg_vk_buffer *buffer = NULL;
  MVG_RETURN_IF_ERROR(MVG_NEW(&buffer));
  buffer->device = device;
  mvg_status status = allocate(buffer, memory, size_bytes);
  if (status) {
    destroy(buffer);
    return mvg_status_annotate(status, "allocating %" PRIu64 " bytes on '%s'", size_bytes,
                               device->head.caps.name);
  }
  *out_buffer = buffer;
  return NULL;
}

mvg_status mvg_vk_buffer_create(mvg_device *base, mvg_memory memory, uint64_t size_bytes,
                                mvg_buffer **out_buffer) {
  mvg_vk_buffer *buffer = NULL;
  MVG_RETURN_IF_ERROR(create((mvg_vk_device *)base, memory, size_bytes, &buffer));
  mvg_status status = zero_fill(buffer, size_bytes);
  if (status) {
    destroy(buffer);
    return status;
  }
  *out_buffer = &buffer->head;
  return NULL;
}

void mvg_vk_buffer_destroy(mvg_buffer *base) {
  destroy((mvg_vk_buffer *)base);
}

// Copies between a mapped staging buffer and one that is not. vkCmdCopyBuffer has no alignment
// rule.
static mvg_status copy_now(mvg_vk_device *device, VkBuffer source, uint64_t source_offset,
                           VkBuffer target, uint64_t target_offset, uint64_t size_bytes) {
  MVG_RETURN_IF_ERROR(begin_transfer(device));
  const VkBufferCopy region = {
      .srcOffset = source_offset, .dstOffset = target_offset, .size = size_bytes};
  device->fn.vkCmdCopyBuffer(device->transfer_commands, source, target, 1, &region);
  return finish_transfer(device);
}

mvg_status mvg_vk_buffer_write(mvg_buffer *base, uint64_t offset, const void *data,
                               uint64_t size_bytes) {
  mvg_vk_buffer *buffer = (mvg_vk_buffer *)base;
  mvg_vk_buffer *staging = NULL;
  MVG_RETURN_IF_ERROR(create(buffer->device, MVG_MEMORY_UPLOAD, size_bytes, &staging));
  memcpy(staging->head.mapped, data, (size_t)size_bytes);
  mvg_status status =
      copy_now(buffer->device, staging->handle, 0, buffer->handle, offset, size_bytes);
  destroy(staging);
  return status;
}

mvg_status mvg_vk_buffer_read(mvg_buffer *base, uint64_t offset, void *data, uint64_t size_bytes) {
  mvg_vk_buffer *buffer = (mvg_vk_buffer *)base;
  mvg_vk_buffer *staging = NULL;
  MVG_RETURN_IF_ERROR(create(buffer->device, MVG_MEMORY_DOWNLOAD, size_bytes, &staging));
  mvg_status status =
      copy_now(buffer->device, buffer->handle, offset, staging->handle, 0, size_bytes);
  if (!status) memcpy(data, staging->head.mapped, (size_t)size_bytes);
  destroy(staging);
  return status;
}

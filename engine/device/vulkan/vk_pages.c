// Memory of CPU devices: the engine's own huge pages, which the driver imports by
// VK_EXT_external_memory_host. Fresh pages of 4 KiB cost more than what is done with them, so small
// buffers share blocks of large ones, and a block's pages are touched once.
#include <sys/mman.h>

#include "base/alloc.h"
#include "device/vulkan/vk_internal.h"

#define HUGE_PAGE_BYTES (2ull << 20)
#define BLOCK_BYTES (32ull << 20) // shared by small buffers
#define SMALL_BYTES (BLOCK_BYTES / 4)

struct mvg_vk_block {
  void *pages;
  VkDeviceMemory memory;
  void *mapped;
  uint32_t type;
  uint64_t size_bytes, used_bytes;
  uint32_t living_count; // buffers
};

static uint64_t round_up(uint64_t value, uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}

// Aligned to huge pages; NULL when the system has no room.
static void *map_pages(uint64_t size_bytes) {
  uint64_t room = size_bytes + HUGE_PAGE_BYTES;
  char *all = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (all == MAP_FAILED) return NULL;
  char *begin = (char *)(uintptr_t)round_up((uintptr_t)all, HUGE_PAGE_BYTES);
  char *end = begin + size_bytes;
  if (begin > all) munmap(all, (size_t)(begin - all));
  if (end < all + room) munmap(end, (size_t)(all + room - end));
  (void)madvise(begin, size_bytes, MADV_HUGEPAGE);
  return begin;
}

static void destroy_block(const mvg_vk_device *device, mvg_vk_block *block) {
  if (!block) return;
  device->fn.vkFreeMemory(device->handle, block->memory, NULL);
  if (block->pages) munmap(block->pages, block->size_bytes);
  mvg_free(block);
}

static mvg_status import_pages(const mvg_vk_device *device, mvg_vk_block *block) {
  const VkImportMemoryHostPointerInfoEXT import = {
      .sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT,
      .handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT,
      .pHostPointer = block->pages,
  };
  const VkMemoryAllocateInfo info = {
      .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
      .pNext = &import,
      .allocationSize = block->size_bytes,
      .memoryTypeIndex = block->type,
  };
  const mvg_vk_table *fn = &device->fn;
  MVG_VK_CHECK("vkAllocateMemory",
               fn->vkAllocateMemory(device->handle, &info, NULL, &block->memory));
  MVG_VK_CHECK("vkMapMemory",
               fn->vkMapMemory(device->handle, block->memory, 0, VK_WHOLE_SIZE, 0, &block->mapped));
  return NULL;
}

static mvg_status create_block(const mvg_vk_device *device, uint32_t type, uint64_t size_bytes,
                               mvg_vk_block **out_block) {
  mvg_vk_block *block;
  MVG_RETURN_IF_ERROR(MVG_NEW(&block));
  block->type = type;
  block->size_bytes = round_up(size_bytes, HUGE_PAGE_BYTES);
  block->pages = map_pages(block->size_bytes);
  mvg_status status = block->pages ? import_pages(device, block)
                                   : MVG_ERROR(MVG_OUT_OF_MEMORY, "mmap: out of host memory");
  if (status) {
    destroy_block(device, block);
    return status;
  }
  *out_block = block;
  return NULL;
}

// The open block, if it has room; else a new one, which stays open unless it is one buffer's.
static mvg_status find_block(mvg_vk_device *device, uint32_t type, uint64_t size_bytes,
                             mvg_vk_block **out_block) {
  mvg_vk_block *open = device->open_block;
  bool is_small = size_bytes <= SMALL_BYTES;
  bool has_room = open && open->type == type && open->size_bytes - open->used_bytes >= size_bytes;
  if (is_small && has_room) {
    *out_block = open;
    return NULL;
  }
  MVG_RETURN_IF_ERROR(create_block(device, type, is_small ? BLOCK_BYTES : size_bytes, out_block));
  if (!is_small) return NULL;
  if (open && open->living_count == 0) destroy_block(device, open);
  device->open_block = *out_block;
  return NULL;
}

mvg_status mvg_vk_pages_take(mvg_vk_device *device, uint32_t type, uint64_t size_bytes,
                             uint64_t alignment, mvg_vk_place *out_place) {
  mvg_vk_block *block = NULL;
  uint64_t bytes = round_up(size_bytes, alignment); // so all that follows is aligned, too
  pthread_mutex_lock(&device->block_mutex);
  mvg_status status = find_block(device, type, bytes, &block);
  if (!status) {
    *out_place = (mvg_vk_place){.block = block,
                                .memory = block->memory,
                                .offset = block->used_bytes,
                                .mapped = (char *)block->mapped + block->used_bytes};
    block->used_bytes += bytes;
    ++block->living_count;
  }
  pthread_mutex_unlock(&device->block_mutex);
  return status;
}

void mvg_vk_pages_give_back(mvg_vk_device *device, mvg_vk_block *block) {
  pthread_mutex_lock(&device->block_mutex);
  if (--block->living_count == 0) {
    block->used_bytes = 0;
    if (block != device->open_block) destroy_block(device, block);
  }
  pthread_mutex_unlock(&device->block_mutex);
}

void mvg_vk_pages_deinit(mvg_vk_device *device) {
  destroy_block(device, device->open_block);
}

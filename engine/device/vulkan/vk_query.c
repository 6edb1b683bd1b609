// Timestamps inside a command list.
#include "device/vulkan/vk_internal.h"

static uint32_t get_valid_bits(const mvg_vk_device *device) {
  return device->snapshot.queue_families[device->queue_family].timestampValidBits;
}

static mvg_status create_queries(mvg_vk_commands *commands) {
  const mvg_vk_device *device = commands->device;
  const VkQueryPoolCreateInfo info = {
      .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
      .queryType = VK_QUERY_TYPE_TIMESTAMP,
      .queryCount = MVG_MAX_TIMESTAMPS,
  };
  MVG_VK_CHECK("vkCreateQueryPool",
               device->fn.vkCreateQueryPool(device->handle, &info, NULL, &commands->queries));
  return NULL;
}

mvg_status mvg_vk_commands_timestamp(mvg_commands *base, uint32_t index) {
  mvg_vk_commands *commands = (mvg_vk_commands *)base;
  const mvg_vk_table *fn = &commands->device->fn;
  if (get_valid_bits(commands->device) == 0) return NULL;
  if (!commands->queries) MVG_RETURN_IF_ERROR(create_queries(commands));
  const uint32_t block = index / MVG_VK_TIMESTAMP_BLOCK;
  if (!(commands->reset_blocks & (1ull << block))) {
    fn->vkCmdResetQueryPool(commands->handle, commands->queries, block * MVG_VK_TIMESTAMP_BLOCK,
                            MVG_VK_TIMESTAMP_BLOCK);
    commands->reset_blocks |= 1ull << block;
  }
  fn->vkCmdWriteTimestamp(commands->handle, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, commands->queries,
                          index);
  return NULL;
}

static mvg_status read_block(const mvg_vk_commands *commands, uint32_t block, uint64_t *out_ns,
                             uint32_t count) {
  const mvg_vk_device *device = commands->device;
  struct {
    uint64_t ticks, is_available;
  } results[MVG_VK_TIMESTAMP_BLOCK] = {0};
  VkResult result = device->fn.vkGetQueryPoolResults(
      device->handle, commands->queries, block * MVG_VK_TIMESTAMP_BLOCK, MVG_VK_TIMESTAMP_BLOCK,
      sizeof results, results, sizeof results[0],
      VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WITH_AVAILABILITY_BIT);
  if (result != VK_SUCCESS && result != VK_NOT_READY) {
    return mvg_vk_error(result, "vkGetQueryPoolResults");
  }
  const uint32_t bits = get_valid_bits(device);
  const uint64_t mask = bits >= 64 ? ~0ull : (1ull << bits) - 1;
  for (uint32_t i = 0; i < count; ++i) {
    if (!results[i].is_available) continue;
    out_ns[i] = (uint64_t)((long double)(results[i].ticks & mask) *
                           (long double)device->snapshot.timestamp_period_ns);
  }
  return NULL;
}

mvg_status mvg_vk_read_timestamps(mvg_commands *base, uint64_t *out_ns, uint32_t count) {
  const mvg_vk_commands *commands = (const mvg_vk_commands *)base;
  for (uint32_t first = 0; first < count; first += MVG_VK_TIMESTAMP_BLOCK) {
    const uint32_t block = first / MVG_VK_TIMESTAMP_BLOCK;
    const uint32_t left = count - first;
    if (!(commands->reset_blocks & (1ull << block))) continue;
    MVG_RETURN_IF_ERROR(read_block(commands, block, out_ns + first,
                                   left < MVG_VK_TIMESTAMP_BLOCK ? left : MVG_VK_TIMESTAMP_BLOCK));
  }
  return NULL;
}

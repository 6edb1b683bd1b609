#include "device/vulkan/vk_select.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/str.h"

const char *mvg_vk_get_obstacle(const mvg_vk_snapshot *snapshot) {
  uint32_t family;
  if (snapshot->api_version < VK_API_VERSION_1_1) return "its driver is older than Vulkan 1.1";
  if (!mvg_vk_select_queue_family(snapshot, &family)) return "it has no compute queue";
  return NULL;
}

const char *mvg_vk_get_kind(VkPhysicalDeviceType type) {
  switch (type) {
  case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
    return "discrete";
  case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
    return "integrated";
  case VK_PHYSICAL_DEVICE_TYPE_CPU:
    return "cpu";
  default:
    return "other";
  }
}

static int rank_of_type(VkPhysicalDeviceType type) {
  switch (type) {
  case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
    return 0;
  case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
    return 1;
  case VK_PHYSICAL_DEVICE_TYPE_CPU:
    return 3;
  default:
    return 2;
  }
}

static mvg_status make_not_found(const mvg_vk_snapshot *snapshots, size_t count,
                                 const char *selector) {
  mvg_str text = {0};
  for (size_t i = 0; i < count; ++i) {
    mvg_str_appendf(&text, "%zu (%s, %s), ", i, snapshots[i].caps.name,
                    mvg_vk_get_kind(snapshots[i].type));
  }
  mvg_str_append(&text, "null");
  char *list = NULL;
  MVG_RETURN_IF_ERROR(mvg_str_take(&text, &list));
  mvg_status status = MVG_ERROR(MVG_NOT_FOUND,
                                "no device '%s'; there are: %s. Choose by number or part of the "
                                "name (`mvgraph devices` lists them)",
                                selector, list);
  mvg_free(list);
  return status;
}

static bool is_number(const char *text) {
  for (const char *at = text; *at; ++at) {
    if (!isdigit((unsigned char)*at)) return false;
  }
  return text[0] != '\0';
}

// A number is only found whole: 2 is no part of "256 bits".
static bool has_number(const char *name, const char *number) {
  const size_t length = strlen(number);
  for (const char *at = name; (at = strstr(at, number)); ++at) {
    bool is_begin = at == name || !isdigit((unsigned char)at[-1]);
    if (is_begin && !isdigit((unsigned char)at[length])) return true;
  }
  return false;
}

static bool is_match(const mvg_vk_snapshot *snapshot, const char *selector) {
  if (strcmp(selector, "auto") == 0) return true;
  if (strcmp(selector, "cpu") == 0) return snapshot->type == VK_PHYSICAL_DEVICE_TYPE_CPU;
  if (is_number(selector)) return has_number(snapshot->caps.name, selector);
  return strcasestr(snapshot->caps.name, selector) != NULL;
}

mvg_status mvg_vk_select_device(const mvg_vk_snapshot *snapshots, size_t count,
                                const char *selector, size_t *out_index) {
  if (!selector || !*selector) selector = "auto";
  unsigned long index = is_number(selector) ? strtoul(selector, NULL, 10) : count;
  if (index < count) {
    *out_index = index;
    return NULL;
  }
  size_t best = count;
  for (size_t i = 0; i < count; ++i) {
    if (!is_match(&snapshots[i], selector)) continue;
    if (best == count || rank_of_type(snapshots[i].type) < rank_of_type(snapshots[best].type)) {
      best = i;
    }
  }
  if (best == count) return make_not_found(snapshots, count, selector);
  *out_index = best;
  return NULL;
}

bool mvg_vk_select_queue_family(const mvg_vk_snapshot *snapshot, uint32_t *out_family) {
  bool is_found = false;
  for (uint32_t i = 0; i < snapshot->queue_family_count; ++i) {
    const VkQueueFamilyProperties *family = &snapshot->queue_families[i];
    if (family->queueCount == 0 || !(family->queueFlags & VK_QUEUE_COMPUTE_BIT)) continue;
    bool is_compute_only = !(family->queueFlags & VK_QUEUE_GRAPHICS_BIT);
    if (!is_found || is_compute_only) *out_family = i;
    is_found = true;
    if (is_compute_only) break;
  }
  return is_found;
}

// -1: will not do; otherwise the higher the better.
static int score_memory_type(const mvg_vk_snapshot *snapshot, mvg_memory memory,
                             VkMemoryPropertyFlags flags) {
  const bool is_local = flags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
  const bool is_visible = (flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) &&
                          (flags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT);
  const bool is_cached = flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
  if (flags & (VK_MEMORY_PROPERTY_PROTECTED_BIT | VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT |
               VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD)) {
    return -1;
  }
  const bool is_unified = snapshot->type == VK_PHYSICAL_DEVICE_TYPE_CPU ||
                          snapshot->type == VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU;
  switch (memory) {
  case MVG_MEMORY_DEVICE:
    if (snapshot->type == VK_PHYSICAL_DEVICE_TYPE_CPU && !is_visible) return -1;
    return 4 * is_local + (is_unified ? 2 * is_visible + is_cached : !is_visible);
  case MVG_MEMORY_UPLOAD:
    return is_visible ? 2 * !is_local + !is_cached : -1;
  case MVG_MEMORY_DOWNLOAD:
    return is_visible ? 2 * is_cached + !is_local : -1;
  }
  return -1;
}

bool mvg_vk_select_memory_type(const mvg_vk_snapshot *snapshot, mvg_memory memory, uint32_t allowed,
                               uint32_t *out_type) {
  int best = -1;
  for (uint32_t i = 0; i < snapshot->memory.memoryTypeCount; ++i) {
    if (!(allowed & (1u << i))) continue;
    int score = score_memory_type(snapshot, memory, snapshot->memory.memoryTypes[i].propertyFlags);
    if (score > best) {
      best = score;
      *out_type = i;
    }
  }
  return best >= 0;
}

static bool is_usable(const VkCooperativeMatrixPropertiesKHR *p, VkComponentTypeKHR type) {
  return p->AType == type && p->BType == type && p->CType == VK_COMPONENT_TYPE_FLOAT32_KHR &&
         p->ResultType == VK_COMPONENT_TYPE_FLOAT32_KHR && p->scope == VK_SCOPE_SUBGROUP_KHR &&
         !p->saturatingAccumulation;
}

mvg_matrix_shape mvg_vk_select_matrix(const VkCooperativeMatrixPropertiesKHR *properties,
                                      uint32_t count, VkComponentTypeKHR type) {
  mvg_matrix_shape best = {0};
  for (uint32_t i = 0; i < count; ++i) {
    const VkCooperativeMatrixPropertiesKHR *p = &properties[i];
    if (!is_usable(p, type)) continue;
    const mvg_matrix_shape shape = {p->MSize, p->NSize, p->KSize};
    if (shape.m == 16 && shape.n == 16 && shape.k == 16) return shape;
    if ((uint64_t)shape.m * shape.n * shape.k > (uint64_t)best.m * best.n * best.k) best = shape;
  }
  return best;
}

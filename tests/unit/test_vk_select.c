// Choosing among made-up devices: which one, which queue, which memory.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "device/vulkan/vk_select.h"

#define LOCAL VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT
#define VISIBLE (VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT)
#define CACHED VK_MEMORY_PROPERTY_HOST_CACHED_BIT
#define ALL 0xffffffffu

static mvg_vk_snapshot make(const char *name, VkPhysicalDeviceType type) {
  mvg_vk_snapshot snapshot = {
      .api_version = VK_API_VERSION_1_2,
      .type = type,
      .queue_family_count = 1,
      .queue_families = {
          {.queueFlags = VK_QUEUE_COMPUTE_BIT | VK_QUEUE_GRAPHICS_BIT, .queueCount = 1}}};
  snprintf(snapshot.caps.name, sizeof snapshot.caps.name, "%s", name);
  return snapshot;
}

static void set_memory(mvg_vk_snapshot *snapshot, const VkMemoryPropertyFlags *flags,
                       uint32_t count) {
  snapshot->memory.memoryTypeCount = count;
  for (uint32_t i = 0; i < count; ++i)
    snapshot->memory.memoryTypes[i].propertyFlags = flags[i];
}

static void assert_selects(const mvg_vk_snapshot *snapshots, size_t count, const char *selector,
                           size_t expected) {
  size_t index = 99;
  mvg_status status = mvg_vk_select_device(snapshots, count, selector, &index);
  if (status) fail_msg("%s", mvg_status_get_message(status));
  assert_int_equal(index, expected);
}

static void assert_finds_nothing(const mvg_vk_snapshot *snapshots, size_t count,
                                 const char *selector, const char *part) {
  size_t index = 99;
  mvg_status status = mvg_vk_select_device(snapshots, count, selector, &index);
  assert_int_equal(mvg_status_get_code(status), MVG_NOT_FOUND);
  assert_non_null(strstr(mvg_status_get_message(status), part));
  assert_int_equal(index, 99);
  mvg_status_destroy(status);
}

static void test_auto_prefers_discrete_then_integrated_then_cpu(void **state) {
  (void)state;
  const mvg_vk_snapshot all[] = {
      make("llvmpipe", VK_PHYSICAL_DEVICE_TYPE_CPU),
      make("Virtio", VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU),
      make("UHD 620", VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU),
      make("Card A", VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU),
      make("Card B", VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU),
  };
  assert_selects(all, 5, NULL, 3);
  assert_selects(all, 5, "auto", 3);
  assert_selects(all, 5, "", 3);
  assert_selects(all, 3, "auto", 2);
  assert_selects(all, 2, "auto", 1);
  assert_selects(all, 1, "auto", 0);
}

static void test_selectors_are_numbers_kinds_and_parts_of_names(void **state) {
  (void)state;
  const mvg_vk_snapshot all[] = {
      make("NVIDIA GeForce RTX 3060", VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU),
      make("llvmpipe (LLVM 15)", VK_PHYSICAL_DEVICE_TYPE_CPU),
  };
  assert_selects(all, 2, "1", 1);
  assert_selects(all, 2, "0", 0);
  assert_selects(all, 2, "cpu", 1);
  assert_selects(all, 2, "geforce", 0);
  assert_selects(all, 2, "LLVM", 1);
}

static void test_numbers_beyond_the_list_are_parts_of_names(void **state) {
  (void)state;
  const mvg_vk_snapshot all[] = {
      make("llvmpipe (LLVM 15.0.6, 256 bits)", VK_PHYSICAL_DEVICE_TYPE_CPU),
      make("NVIDIA GeForce RTX 4090", VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU),
      make("Intel(R) Arc(tm) A770 Graphics", VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU),
  };
  assert_selects(all, 3, "4090", 1);
  assert_selects(all, 3, "770", 2);
  assert_selects(all, 3, "2", 2);
  assert_finds_nothing(all, 2, "2", "'2'");
  assert_finds_nothing(all, 3, "90", "'90'");
  assert_finds_nothing(all, 3, "409", "RTX 4090");
}

static void test_unknown_selectors_list_the_choices(void **state) {
  (void)state;
  const mvg_vk_snapshot all[] = {make("Card A", VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU)};
  assert_finds_nothing(all, 1, "radeon", "0 (Card A, discrete)");
  assert_finds_nothing(all, 1, "1", "'1'");
  assert_finds_nothing(all, 1, "99999999999999999999999", "Card A");
  assert_finds_nothing(all, 1, "cpu", "mvgraph devices");
  assert_finds_nothing(NULL, 0, NULL, "null");
}

static void test_obstacles_are_old_drivers_and_missing_queues(void **state) {
  (void)state;
  mvg_vk_snapshot snapshot = make("Card", VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU);
  assert_null(mvg_vk_get_obstacle(&snapshot));
  snapshot.api_version = VK_API_VERSION_1_0;
  assert_non_null(strstr(mvg_vk_get_obstacle(&snapshot), "1.1"));
  snapshot.api_version = VK_API_VERSION_1_3;
  snapshot.queue_families[0].queueFlags = VK_QUEUE_TRANSFER_BIT;
  assert_non_null(strstr(mvg_vk_get_obstacle(&snapshot), "compute"));
}

static void test_compute_only_queues_are_preferred(void **state) {
  (void)state;
  mvg_vk_snapshot snapshot = make("Card", VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU);
  uint32_t family = 99;
  assert_true(mvg_vk_select_queue_family(&snapshot, &family));
  assert_int_equal(family, 0);
  snapshot.queue_family_count = 3;
  snapshot.queue_families[1] =
      (VkQueueFamilyProperties){.queueFlags = VK_QUEUE_TRANSFER_BIT, .queueCount = 2};
  snapshot.queue_families[2] =
      (VkQueueFamilyProperties){.queueFlags = VK_QUEUE_COMPUTE_BIT, .queueCount = 8};
  assert_true(mvg_vk_select_queue_family(&snapshot, &family));
  assert_int_equal(family, 2);
  snapshot.queue_families[2].queueCount = 0;
  assert_true(mvg_vk_select_queue_family(&snapshot, &family));
  assert_int_equal(family, 0);
}

static uint32_t pick(const mvg_vk_snapshot *snapshot, mvg_memory memory, uint32_t allowed) {
  uint32_t type = 99;
  return mvg_vk_select_memory_type(snapshot, memory, allowed, &type) ? type : 99;
}

static void test_discrete_memory_is_local_and_transfers_are_host_memory(void **state) {
  (void)state;
  mvg_vk_snapshot snapshot = make("Card", VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU);
  const VkMemoryPropertyFlags flags[] = {0, VISIBLE, VISIBLE | CACHED, LOCAL | VISIBLE, LOCAL};
  set_memory(&snapshot, flags, 5);
  assert_int_equal(pick(&snapshot, MVG_MEMORY_DEVICE, ALL), 4);
  assert_int_equal(pick(&snapshot, MVG_MEMORY_UPLOAD, ALL), 1);
  assert_int_equal(pick(&snapshot, MVG_MEMORY_DOWNLOAD, ALL), 2);
  assert_int_equal(pick(&snapshot, MVG_MEMORY_DEVICE, 1u << 3 | 1u << 1), 3);
  assert_int_equal(pick(&snapshot, MVG_MEMORY_DOWNLOAD, 1u << 4 | 1u << 3), 3);
  assert_int_equal(pick(&snapshot, MVG_MEMORY_UPLOAD, 1u << 4 | 1u << 0), 99);
}

static void test_cpu_memory_is_mapped_and_cached(void **state) {
  (void)state;
  mvg_vk_snapshot snapshot = make("llvmpipe", VK_PHYSICAL_DEVICE_TYPE_CPU);
  const VkMemoryPropertyFlags flags[] = {LOCAL, LOCAL | VISIBLE, LOCAL | VISIBLE | CACHED};
  set_memory(&snapshot, flags, 3);
  assert_int_equal(pick(&snapshot, MVG_MEMORY_DEVICE, ALL), 2);
  assert_int_equal(pick(&snapshot, MVG_MEMORY_DEVICE, 3), 1);
  assert_int_equal(pick(&snapshot, MVG_MEMORY_DEVICE, 1), 99);
  assert_int_equal(pick(&snapshot, MVG_MEMORY_DOWNLOAD, ALL), 2);
}

static void test_special_memory_is_never_taken(void **state) {
  (void)state;
  mvg_vk_snapshot snapshot = make("Card", VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU);
  const VkMemoryPropertyFlags flags[] = {
      LOCAL | VK_MEMORY_PROPERTY_PROTECTED_BIT, LOCAL | VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT,
      LOCAL | VISIBLE | VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD};
  set_memory(&snapshot, flags, 3);
  assert_int_equal(pick(&snapshot, MVG_MEMORY_DEVICE, ALL), 99);
  assert_int_equal(pick(&snapshot, MVG_MEMORY_UPLOAD, ALL), 99);
}

static VkCooperativeMatrixPropertiesKHR make_matrix(uint32_t m, uint32_t n, uint32_t k,
                                                    VkComponentTypeKHR operands,
                                                    VkComponentTypeKHR sum) {
  return (VkCooperativeMatrixPropertiesKHR){.MSize = m,
                                            .NSize = n,
                                            .KSize = k,
                                            .AType = operands,
                                            .BType = operands,
                                            .CType = sum,
                                            .ResultType = sum,
                                            .scope = VK_SCOPE_SUBGROUP_KHR};
}

static void assert_shape(mvg_matrix_shape got, uint32_t m, uint32_t n, uint32_t k) {
  assert_true(got.m == m && got.n == n && got.k == k);
}

static void test_matrix_units_are_those_that_sum_in_fp32(void **state) {
  (void)state;
  const VkComponentTypeKHR f16 = VK_COMPONENT_TYPE_FLOAT16_KHR, f32 = VK_COMPONENT_TYPE_FLOAT32_KHR,
                           bf16 = VK_COMPONENT_TYPE_BFLOAT16_KHR;
  VkCooperativeMatrixPropertiesKHR all[] = {
      make_matrix(16, 16, 32, f16, f16), make_matrix(16, 8, 8, f16, f32),
      make_matrix(16, 8, 16, f16, f32),  make_matrix(32, 32, 16, f16, f32),
      make_matrix(16, 16, 16, f16, f32), make_matrix(8, 16, 16, bf16, f32),
  };
  assert_shape(mvg_vk_select_matrix(all, 6, f16), 16, 16, 16);
  assert_shape(mvg_vk_select_matrix(all, 3, f16), 16, 8, 16);
  assert_shape(mvg_vk_select_matrix(all, 6, bf16), 8, 16, 16);
  assert_shape(mvg_vk_select_matrix(all, 5, bf16), 0, 0, 0);
  all[5].scope = VK_SCOPE_SUBGROUP_KHR - 1; // of a workgroup
  assert_shape(mvg_vk_select_matrix(all, 6, bf16), 0, 0, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_auto_prefers_discrete_then_integrated_then_cpu),
      cmocka_unit_test(test_selectors_are_numbers_kinds_and_parts_of_names),
      cmocka_unit_test(test_numbers_beyond_the_list_are_parts_of_names),
      cmocka_unit_test(test_unknown_selectors_list_the_choices),
      cmocka_unit_test(test_obstacles_are_old_drivers_and_missing_queues),
      cmocka_unit_test(test_compute_only_queues_are_preferred),
      cmocka_unit_test(test_discrete_memory_is_local_and_transfers_are_host_memory),
      cmocka_unit_test(test_cpu_memory_is_mapped_and_cached),
      cmocka_unit_test(test_special_memory_is_never_taken),
      cmocka_unit_test(test_matrix_units_are_those_that_sum_in_fp32),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

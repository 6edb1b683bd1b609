// Devices through their public face: the null device, then the same facts on a real one where there
// is one; the list of them and the choice. What runs on them is in test_device_run.c.
#include "tests/support/device_fixture.h"

// ---- facts that hold on every device ----

static void test_buffers_start_as_zeros_and_keep_what_is_written(void **state) {
  fixture *f = *state;
  for (int memory = MVG_MEMORY_DEVICE; memory <= MVG_MEMORY_DOWNLOAD; ++memory) {
    mvg_buffer *buffer = NULL;
    assert_ok(mvg_buffer_create(f->device, (mvg_memory)memory, 300000, &buffer));
    char *bytes = malloc(300000);
    memset(bytes, 7, 300000);
    assert_ok(mvg_buffer_read(buffer, 0, bytes, 300000));
    for (int i = 0; i < 300000; ++i)
      assert_int_equal(bytes[i], 0);
    assert_ok(mvg_buffer_write(buffer, 131073, "marked", 7));
    assert_ok(mvg_buffer_read(buffer, 131072, bytes, 9));
    assert_memory_equal(bytes, "\0marked\0", 9);
    if (memory != MVG_MEMORY_DEVICE) assert_non_null(mvg_buffer_get_mapped(buffer));
    free(bytes);
    mvg_buffer_release(buffer);
  }
}

static void test_held_bytes_are_those_of_living_buffers(void **state) {
  mvg_device *device = ((fixture *)*state)->device;
  uint64_t before = mvg_device_get_held_bytes(device, MVG_MEMORY_DEVICE);
  uint64_t uploads = mvg_device_get_held_bytes(device, MVG_MEMORY_UPLOAD);
  mvg_buffer *buffer = NULL;
  assert_ok(mvg_buffer_create(device, MVG_MEMORY_DEVICE, 1000, &buffer));
  assert_in_range(mvg_device_get_held_bytes(device, MVG_MEMORY_DEVICE) - before, 1000, 65536);
  assert_int_equal(mvg_device_get_held_bytes(device, MVG_MEMORY_UPLOAD), uploads);
  mvg_buffer_release(buffer);
  assert_int_equal(mvg_device_get_held_bytes(device, MVG_MEMORY_DEVICE), before);
}

static void test_cpu_devices_map_device_memory(void **state) {
  fixture *f = *state;
  if (!mvg_device_get_caps(f->device)->is_cpu) {
    print_message("# SKIP not a CPU device\n");
    return;
  }
  mvg_buffer *buffer = make_buffer(f, 64);
  assert_non_null(mvg_buffer_get_mapped(buffer));
  mvg_buffer_release(buffer);
}

static void test_copy_moves_a_range(void **state) {
  fixture *f = *state;
  mvg_buffer *from = make_buffer(f, 4096), *to = make_buffer(f, 4096);
  assert_ok(mvg_buffer_write(from, 256, "abcdefgh", 8));
  mvg_commands *commands = NULL;
  assert_ok(mvg_commands_create(f->device, "copy", &commands));
  assert_ok(mvg_commands_copy(commands, &(mvg_binding){from, 256, 8}, &(mvg_binding){to, 512, 8}));
  assert_ok(mvg_commands_end(commands));
  assert_ok(mvg_device_submit(f->device, &commands, 1));
  char bytes[16];
  assert_ok(mvg_buffer_read(to, 508, bytes, 16));
  assert_memory_equal(bytes, "\0\0\0\0abcdefgh\0\0\0\0", 16);
  mvg_commands_destroy(commands);
  mvg_buffer_release(from);
  mvg_buffer_release(to);
}

static void test_recording_retains_what_it_uses(void **state) {
  fixture *f = *state;
  mvg_buffer *a = make_buffer(f, 256), *c = make_buffer(f, 256);
  mvg_kernel *kernel = make_add(f->device);
  mvg_commands *commands = NULL;
  assert_ok(mvg_commands_create(f->device, "retain", &commands));
  const mvg_binding bindings[3] = {whole(a), whole(a), whole(c)};
  const add_push push = {64, 1.0f};
  const uint32_t groups[3] = {1, 1, 1};
  assert_ok(mvg_commands_dispatch(commands, kernel, bindings, 3, &push, sizeof push, groups));
  mvg_kernel_release(kernel);
  mvg_buffer_release(a);
  mvg_buffer_release(c);
  assert_ok(mvg_commands_end(commands));
  assert_ok(mvg_device_submit(f->device, &commands, 1));
  mvg_commands_destroy(commands);
}

static void test_wrong_buffer_arguments_are_statuses(void **state) {
  fixture *f = *state;
  mvg_buffer *buffer = NULL;
  assert_fails(mvg_buffer_create(f->device, MVG_MEMORY_DEVICE, 0, &buffer), MVG_INVALID_ARGUMENT,
               "0 bytes");
  assert_null(buffer);
  assert_fails(mvg_buffer_create(f->device, MVG_MEMORY_DEVICE, 1ull << 60, &buffer),
               MVG_OUT_OF_MEMORY, "smaller");
  assert_fails(mvg_buffer_create(f->device, (mvg_memory)9, 64, &buffer), MVG_INVALID_ARGUMENT,
               "memory kind 9");
  buffer = make_buffer(f, 64);
  char bytes[64] = {0};
  assert_fails(mvg_buffer_write(buffer, 60, bytes, 8), MVG_INVALID_ARGUMENT, "60 to 68");
  assert_fails(mvg_buffer_read(buffer, UINT64_MAX, bytes, 8), MVG_INVALID_ARGUMENT, "read");
  assert_ok(mvg_buffer_write(buffer, 64, bytes, 0));
  mvg_buffer_release(buffer);
}

static void test_wrong_kernels_are_statuses(void **state) {
  fixture *f = *state;
  const mvg_caps *caps = mvg_device_get_caps(f->device);
  mvg_kernel *kernel = NULL;
  const uint32_t words[8] = {0x12345678};
  assert_fails(
      mvg_kernel_create(f->device, "nonsense", words, 8, &(mvg_kernel_layout){1, 0, 0}, &kernel),
      MVG_INVALID_ARGUMENT, "not SPIR-V");
  const uint32_t magic[8] = {0x07230203};
  assert_fails(mvg_kernel_create(f->device, "wide", magic, 8,
                                 &(mvg_kernel_layout){caps->max_bindings + 1, 0, 0}, &kernel),
               MVG_UNSUPPORTED, "bindings");
  assert_fails(mvg_kernel_create(f->device, "pushy", magic, 8,
                                 &(mvg_kernel_layout){1, caps->max_push_bytes + 4, 0}, &kernel),
               MVG_INVALID_ARGUMENT, "push constants");
  assert_null(kernel);
}

static void test_wrong_dispatches_are_statuses(void **state) {
  fixture *f = *state;
  const mvg_caps *caps = mvg_device_get_caps(f->device);
  mvg_buffer *a = make_buffer(f, 4096);
  mvg_commands *commands = NULL;
  assert_ok(mvg_commands_create(f->device, "wrong", &commands));
  mvg_binding bindings[3] = {whole(a), whole(a), whole(a)};
  const add_push push = {0};
  uint32_t groups[3] = {1, 1, 1};
  assert_fails(mvg_commands_dispatch(commands, f->add, bindings, 2, &push, sizeof push, groups),
               MVG_INVALID_ARGUMENT, "3 bindings, 2 were given");
  assert_fails(mvg_commands_dispatch(commands, f->add, bindings, 3, &push, 4, groups),
               MVG_INVALID_ARGUMENT, "8 bytes of push constants, 4");
  groups[1] = caps->max_group_count[1] + 1;
  assert_fails(mvg_commands_dispatch(commands, f->add, bindings, 3, &push, sizeof push, groups),
               MVG_INVALID_ARGUMENT, "axis 1");
  groups[1] = 1;
  const uint32_t beyond[3] = {0, 0, caps->max_group_count[2]};
  assert_fails(
      mvg_commands_dispatch_part(commands, f->add, bindings, 3, &push, sizeof push, beyond, groups),
      MVG_INVALID_ARGUMENT, "1 workgroups from");
  bindings[1].offset = 1;
  assert_fails(mvg_commands_dispatch(commands, f->add, bindings, 3, &push, sizeof push, groups),
               MVG_INVALID_ARGUMENT, "binding 1: offset 1");
  bindings[1] = (mvg_binding){a, 2048, 4096};
  assert_fails(mvg_commands_dispatch(commands, f->add, bindings, 3, &push, sizeof push, groups),
               MVG_INVALID_ARGUMENT, "2048 to 6144");
  bindings[1] = (mvg_binding){a, 0, 0};
  assert_fails(mvg_commands_dispatch(commands, f->add, bindings, 3, &push, sizeof push, groups),
               MVG_INVALID_ARGUMENT, "0 bytes");
  bindings[1] = (mvg_binding){NULL, 0, 4};
  assert_fails(mvg_commands_dispatch(commands, f->add, bindings, 3, &push, sizeof push, groups),
               MVG_INVALID_ARGUMENT, "no buffer");
  mvg_commands_destroy(commands);
  mvg_buffer_release(a);
}

static void test_wrong_copies_are_statuses(void **state) {
  fixture *f = *state;
  mvg_buffer *a = make_buffer(f, 64);
  mvg_commands *commands = NULL;
  assert_ok(mvg_commands_create(f->device, "wrong", &commands));
  assert_fails(mvg_commands_copy(commands, &(mvg_binding){a, 0, 8}, &(mvg_binding){a, 16, 12}),
               MVG_INVALID_ARGUMENT, "equal multiples of 4");
  assert_fails(mvg_commands_copy(commands, &(mvg_binding){a, 0, 8}, &(mvg_binding){a, 4, 8}),
               MVG_INVALID_ARGUMENT, "overlap");
  assert_fails(mvg_commands_copy(commands, &(mvg_binding){a, 0, 8}, &(mvg_binding){a, 60, 8}),
               MVG_INVALID_ARGUMENT, "60 to 68");
  mvg_commands_destroy(commands);
  mvg_buffer_release(a);
}

static void test_lists_run_only_after_their_end(void **state) {
  fixture *f = *state;
  mvg_commands *commands = NULL;
  assert_ok(mvg_commands_create(f->device, "early", &commands));
  assert_fails(mvg_device_submit(f->device, &commands, 1), MVG_FAILED_PRECONDITION, "'early'");
  assert_ok(mvg_commands_end(commands));
  assert_fails(mvg_commands_barrier(commands), MVG_FAILED_PRECONDITION, "has ended");
  assert_fails(mvg_commands_end(commands), MVG_FAILED_PRECONDITION, "has ended");
  mvg_commands *twice[2] = {commands, commands};
  assert_fails(mvg_device_submit(f->device, twice, 2), MVG_INVALID_ARGUMENT, "twice");
  assert_ok(mvg_device_submit(f->device, &commands, 1));
  assert_ok(mvg_device_submit(f->device, NULL, 0));
  mvg_commands_destroy(commands);
}

static void test_objects_of_two_devices_do_not_mix(void **state) {
  fixture *f = *state;
  mvg_device *other = NULL;
  assert_ok(mvg_device_create("null", &other));
  mvg_buffer *a = NULL;
  assert_ok(mvg_buffer_create(other, MVG_MEMORY_DEVICE, 64, &a));
  mvg_device_release(other);
  mvg_commands *commands = NULL;
  assert_ok(mvg_commands_create(f->device, "mixed", &commands));
  const mvg_binding bindings[3] = {whole(a), whole(a), whole(a)};
  const add_push push = {0};
  const uint32_t groups[3] = {1, 1, 1};
  assert_fails(mvg_commands_dispatch(commands, f->add, bindings, 3, &push, sizeof push, groups),
               MVG_INVALID_ARGUMENT, "another device");
  mvg_commands_destroy(commands);
  mvg_buffer_release(a);
}

// ---- the list, the choice, and life without a driver ----

static void test_list_ends_with_the_null_device(void **state) {
  (void)state;
  mvg_device_info *infos = NULL;
  size_t count = 0;
  assert_ok(mvg_device_list(&infos, &count, NULL));
  assert_true(count >= 1);
  assert_string_equal(infos[count - 1].selector, "null");
  assert_true(infos[count - 1].caps.is_null);
  mvg_free(infos);
}

static void test_no_driver_says_what_to_install(void **state) {
  (void)state;
  setenv("VK_DRIVER_FILES", "/nonexistent/icd.json", 1);
  setenv("VK_ICD_FILENAMES", "/nonexistent/icd.json", 1);
  mvg_device *device = NULL;
  mvg_status status = mvg_device_create(NULL, &device);
  mvg_device_info *infos = NULL;
  size_t count = 0;
  const char *note = NULL;
  mvg_status list_status = mvg_device_list(&infos, &count, &note);
  unsetenv("VK_DRIVER_FILES");
  unsetenv("VK_ICD_FILENAMES");
  assert_fails(status, MVG_NOT_FOUND, "install mesa-vulkan-drivers");
  assert_null(device);
  assert_ok(list_status);
  assert_int_equal(count, 1);
  assert_non_null(note);
  mvg_free(infos);
}

static void test_unknown_device_names_what_there_is(void **state) {
  (void)state;
  mvg_device *device = NULL;
  assert_fails(mvg_device_create("no such thing", &device), MVG_NOT_FOUND, "mvgraph devices");
  assert_fails(mvg_device_create("999", &device), MVG_NOT_FOUND, "null");
}

static void test_a_rehearsal_has_the_limits_of_the_device_and_computes_nothing(void **state) {
  (void)state;
  mvg_device *real = NULL, *rehearsal = NULL;
  assert_ok(mvg_device_create(NULL, &real));
  assert_ok(mvg_device_create("null:auto", &rehearsal));
  const mvg_caps *a = mvg_device_get_caps(real), *b = mvg_device_get_caps(rehearsal);
  assert_string_equal(a->name, b->name);
  assert_int_equal(a->is_cpu, b->is_cpu);
  assert_int_equal(a->storage_alignment_bytes, b->storage_alignment_bytes);
  assert_int_equal(a->max_storage_range_bytes, b->max_storage_range_bytes);
  assert_true(b->is_null && b->is_rehearsal && !a->is_null && !a->is_rehearsal);
  mvg_device_release(real);
  mvg_device_release(rehearsal);
  assert_fails(mvg_device_create("null:no such thing", &rehearsal), MVG_NOT_FOUND,
               "mvgraph devices");
}

static void test_limits_can_be_lowered_to_the_floor(void **state) {
  (void)state;
  const char *given = getenv("MVGRAPH_LIMITS"); // restored: the whole program may run at the floor
  mvg_device *device = NULL;
  setenv("MVGRAPH_LIMITS", "floor", 1);
  assert_ok(mvg_device_create(NULL, &device));
  const mvg_caps *caps = mvg_device_get_caps(device);
  assert_true(caps->max_storage_range_bytes <= 128u << 20);
  assert_true(caps->max_shared_bytes <= 16384 && caps->max_local_size <= 128);
  assert_true(caps->max_push_bytes <= 128 && caps->subgroup_size == 0);
  mvg_device_release(device);
  setenv("MVGRAPH_LIMITS", "ceiling", 1);
  assert_fails(mvg_device_create(NULL, &device), MVG_INVALID_ARGUMENT, "may be 'floor'");
  mvg_device_info *infos = NULL;
  size_t count = 0;
  assert_fails(mvg_device_list(&infos, &count, NULL), MVG_INVALID_ARGUMENT, "may be 'floor'");
  if (given) {
    setenv("MVGRAPH_LIMITS", given, 1);
  } else {
    unsetenv("MVGRAPH_LIMITS");
  }
}

#define COMMON_TESTS(prefix, setup_function)                                                       \
  TEST(prefix, test_buffers_start_as_zeros_and_keep_what_is_written, setup_function),              \
      TEST(prefix, test_held_bytes_are_those_of_living_buffers, setup_function),                   \
      TEST(prefix, test_cpu_devices_map_device_memory, setup_function),                            \
      TEST(prefix, test_copy_moves_a_range, setup_function),                                       \
      TEST(prefix, test_recording_retains_what_it_uses, setup_function),                           \
      TEST(prefix, test_wrong_buffer_arguments_are_statuses, setup_function),                      \
      TEST(prefix, test_wrong_kernels_are_statuses, setup_function),                               \
      TEST(prefix, test_wrong_dispatches_are_statuses, setup_function),                            \
      TEST(prefix, test_wrong_copies_are_statuses, setup_function),                                \
      TEST(prefix, test_lists_run_only_after_their_end, setup_function),                           \
      TEST(prefix, test_objects_of_two_devices_do_not_mix, setup_function)

int main(void) {
  if (skips_without_layers()) return 0;
  struct CMUnitTest tests[] = {
      COMMON_TESTS("null", setup_null),
      cmocka_unit_test(test_list_ends_with_the_null_device),
      cmocka_unit_test(test_no_driver_says_what_to_install),
      COMMON_TESTS("vulkan", setup_real),
      REAL_TEST(test_unknown_device_names_what_there_is),
      REAL_TEST(test_limits_can_be_lowered_to_the_floor),
      REAL_TEST(test_a_rehearsal_has_the_limits_of_the_device_and_computes_nothing),
  };
  char names[sizeof tests / sizeof *tests][SKIPPED_NAME_SIZE];
  skip_real_tests(tests, sizeof tests / sizeof *tests, names);
  return cmocka_run_group_tests(tests, NULL, NULL);
}

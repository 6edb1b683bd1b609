// What runs on devices: dispatches and their order, times, every allocation that may fail, and the
// pipeline cache.
#include <glob.h>
#include <stdio.h>

#include "tests/support/device_fixture.h"

// ---- facts that need a real device ----

static void test_add_is_exact_and_lists_replay(void **state) {
  fixture *f = *state;
  enum { COUNT = 100003 }; // more than 64 KiB, not a multiple of the workgroup
  float *a = malloc(COUNT * sizeof *a), *b = malloc(COUNT * sizeof *b),
        *c = malloc(COUNT * sizeof *c);
  mvg_buffer *buffers[3];
  for (int i = 0; i < 3; ++i)
    buffers[i] = make_buffer(f, COUNT * sizeof(float));
  mvg_commands *commands = NULL;
  assert_ok(mvg_commands_create(f->device, "add", &commands));
  record_add(f, commands, whole(buffers[0]), whole(buffers[1]), whole(buffers[2]), 2.0f);
  assert_ok(mvg_commands_end(commands));
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < COUNT; ++i) {
      a[i] = (float)(i % 977 - 400);
      b[i] = (float)(i % 31 + round);
    }
    assert_ok(mvg_buffer_write(buffers[0], 0, a, COUNT * sizeof *a));
    assert_ok(mvg_buffer_write(buffers[1], 0, b, COUNT * sizeof *b));
    assert_ok(mvg_device_submit(f->device, &commands, 1));
    assert_ok(mvg_buffer_read(buffers[2], 0, c, COUNT * sizeof *c));
    for (int i = 0; i < COUNT; ++i) {
      if (c[i] != 2.0f * a[i] + b[i]) fail_msg("round %d, element %d: %g", round, i, (double)c[i]);
    }
  }
  mvg_commands_destroy(commands);
  for (int i = 0; i < 3; ++i)
    mvg_buffer_release(buffers[i]);
  free(a), free(b), free(c);
}

static void test_bindings_stay_within_their_range(void **state) {
  fixture *f = *state;
  mvg_buffer *buffer = make_buffer(f, 4096);
  float values[1024];
  for (int i = 0; i < 1024; ++i)
    values[i] = (float)i;
  assert_ok(mvg_buffer_write(buffer, 0, values, sizeof values));
  mvg_commands *commands = NULL;
  assert_ok(mvg_commands_create(f->device, "ranges", &commands));
  record_add(f, commands, (mvg_binding){buffer, 0, 1024}, (mvg_binding){buffer, 1024, 1024},
             (mvg_binding){buffer, 2048, 1024}, 1.0f);
  assert_ok(mvg_commands_end(commands));
  assert_ok(mvg_device_submit(f->device, &commands, 1));
  float out[1024];
  assert_ok(mvg_buffer_read(buffer, 0, out, sizeof out));
  for (int i = 0; i < 1024; ++i) {
    const bool is_target = i >= 512 && i < 768;
    const float expected = is_target ? values[i - 512] + values[i - 256] : values[i];
    assert_true(out[i] == expected);
  }
  mvg_commands_destroy(commands);
  mvg_buffer_release(buffer);
}

// A chain that doubles: each step reads what the one before wrote, over more sets than one pool
// holds.
static void test_barriers_order_a_long_chain(void **state) {
  fixture *f = *state;
  mvg_buffer *ping = make_buffer(f, 65536), *pong = make_buffer(f, 65536);
  const float one = 1.0f;
  for (uint64_t i = 0; i < 16384; ++i)
    assert_ok(mvg_buffer_write(ping, i * 4, &one, 4));
  mvg_commands *commands = NULL;
  assert_ok(mvg_commands_create(f->device, "chain", &commands));
  enum { STEPS = 120 };
  for (int i = 0; i < STEPS; ++i) {
    mvg_buffer *from = i % 2 ? pong : ping, *to = i % 2 ? ping : pong;
    record_add(f, commands, whole(from), whole(from), whole(to), i % 4 == 0 ? 1.0f : 0.0f);
    assert_ok(mvg_commands_barrier(commands));
  }
  assert_ok(mvg_commands_end(commands));
  assert_ok(mvg_device_submit(f->device, &commands, 1));
  float values[16384];
  assert_ok(mvg_buffer_read(ping, 0, values, sizeof values));
  for (int i = 0; i < 16384; ++i)
    assert_true(values[i] == (float)(1u << (STEPS / 4)));
  mvg_commands_destroy(commands);
  mvg_buffer_release(ping);
  mvg_buffer_release(pong);
}

// What makes the silence of all other tests mean something.
static void test_the_layers_see_a_missing_barrier(void **state) {
  fixture *f = *state;
  mvg_buffer *a = make_buffer(f, 4096), *b = make_buffer(f, 4096), *c = make_buffer(f, 4096);
  for (int has_barrier = 1; has_barrier >= 0; --has_barrier) {
    mvg_commands *commands = NULL;
    assert_ok(mvg_commands_create(f->device, "hazard", &commands));
    record_add(f, commands, whole(a), whole(a), whole(b), 1.0f);
    if (has_barrier) assert_ok(mvg_commands_barrier(commands));
    record_add(f, commands, whole(b), whole(a), whole(c), 1.0f);
    assert_ok(mvg_commands_end(commands));
    mvg_commands_destroy(commands);
    assert_int_equal(have_layers_spoken(), !has_barrier);
  }
  mvg_buffer_release(a);
  mvg_buffer_release(b);
  mvg_buffer_release(c);
}

static void test_lists_of_one_submission_run_in_order(void **state) {
  fixture *f = *state;
  mvg_buffer *a = make_buffer(f, 262144), *b = make_buffer(f, 262144), *c = make_buffer(f, 262144);
  const float one = 1.0f;
  for (uint64_t i = 0; i < 65536; ++i)
    assert_ok(mvg_buffer_write(a, i * 4, &one, 4));
  mvg_commands *lists[3] = {0};
  for (int i = 0; i < 3; ++i)
    assert_ok(mvg_commands_create(f->device, "part", &lists[i]));
  record_add(f, lists[0], whole(a), whole(a), whole(b), 1.0f);
  assert_ok(
      mvg_commands_copy(lists[1], &(mvg_binding){b, 0, 262144}, &(mvg_binding){c, 0, 262144}));
  record_add(f, lists[2], whole(c), whole(c), whole(a), 2.0f);
  for (int i = 0; i < 3; ++i)
    assert_ok(mvg_commands_end(lists[i]));
  assert_ok(mvg_device_submit(f->device, lists, 3));
  float *values = malloc(262144);
  assert_ok(mvg_buffer_read(a, 0, values, 262144));
  for (int i = 0; i < 65536; ++i)
    assert_true(values[i] == 6.0f);
  free(values);
  for (int i = 0; i < 3; ++i)
    mvg_commands_destroy(lists[i]);
  mvg_buffer_release(a);
  mvg_buffer_release(b);
  mvg_buffer_release(c);
}

static void test_timestamps_rise(void **state) {
  fixture *f = *state;
  mvg_buffer *a = make_buffer(f, 1 << 20), *c = make_buffer(f, 1 << 20);
  mvg_commands *commands = NULL;
  assert_ok(mvg_commands_create(f->device, "timed", &commands));
  assert_ok(mvg_commands_timestamp(commands, 0));
  record_add(f, commands, whole(a), whole(a), whole(c), 1.0f);
  assert_ok(mvg_commands_barrier(commands));
  assert_ok(mvg_commands_timestamp(commands, 100));
  assert_fails(mvg_commands_timestamp(commands, 4096), MVG_INVALID_ARGUMENT, "4096");
  assert_ok(mvg_commands_end(commands));
  uint64_t times[128];
  for (int round = 0; round < 2; ++round) {
    assert_ok(mvg_device_submit(f->device, &commands, 1));
    assert_ok(mvg_commands_read_timestamps(commands, times, 128));
    assert_true(times[100] >= times[0]);
    assert_int_equal(times[1], 0);
  }
  mvg_commands_destroy(commands);
  mvg_buffer_release(a);
  mvg_buffer_release(c);
}

static void test_kernels_without_push_or_bindings_work(void **state) {
  fixture *f = *state;
  static const char source[] = "#version 450\nlayout(local_size_x = 1) in;\nvoid main() {}\n";
  uint32_t *words = NULL;
  size_t count = 0;
  mvg_kernel *kernel = NULL;
  assert_ok(mvg_spirv_compile("empty", source, NULL, &words, &count));
  assert_ok(
      mvg_kernel_create(f->device, "empty", words, count, &(mvg_kernel_layout){0, 0, 0}, &kernel));
  mvg_commands *commands = NULL;
  assert_ok(mvg_commands_create(f->device, "empty", &commands));
  const uint32_t groups[3] = {2, 3, 4};
  assert_ok(mvg_commands_dispatch(commands, kernel, NULL, 0, NULL, 0, groups));
  assert_ok(mvg_commands_end(commands));
  assert_ok(mvg_device_submit(f->device, &commands, 1));
  mvg_commands_destroy(commands);
  mvg_kernel_release(kernel);
  mvg_free(words);
}

// ---- faults ----

static mvg_status run_everything(const char *selector, const uint32_t *words, size_t count) {
  mvg_device *device = NULL;
  mvg_buffer *buffer = NULL;
  mvg_kernel *kernel = NULL;
  mvg_commands *commands = NULL;
  mvg_device_info *infos = NULL;
  size_t info_count = 0;
  mvg_status status = mvg_device_list(&infos, &info_count, NULL);
  if (!status) status = mvg_device_create(selector, &device);
  if (!status) status = mvg_buffer_create(device, MVG_MEMORY_DEVICE, 256, &buffer);
  if (!status)
    status = mvg_kernel_create(device, "add", words, count, &(mvg_kernel_layout){3, 8, 0}, &kernel);
  if (!status) status = mvg_commands_create(device, "fault", &commands);
  const add_push push = {64, 1.0f};
  const uint32_t groups[3] = {1, 1, 1};
  for (int i = 0; !status && i < 40; ++i) {
    const mvg_binding bindings[3] = {whole(buffer), whole(buffer), whole(buffer)};
    status = mvg_commands_dispatch(commands, kernel, bindings, 3, &push, sizeof push, groups);
    if (!status) status = mvg_commands_barrier(commands);
  }
  if (!status) status = mvg_commands_end(commands);
  if (!status) status = mvg_device_submit(device, &commands, 1);
  mvg_commands_destroy(commands);
  mvg_kernel_release(kernel);
  mvg_buffer_release(buffer);
  mvg_device_release(device);
  mvg_free(infos);
  return status;
}

// Allocations that only serve a cache may fail without being seen, so success does not end the
// walk.
static void check_every_allocation(const char *selector, uint64_t last) {
  uint32_t *words = NULL;
  size_t count = 0;
  assert_ok(mvg_spirv_compile("add", add_source, NULL, &words, &count));
  int failures = 0;
  bool is_last_ok = false;
  for (uint64_t n = 1; n <= last; ++n) {
    mvg_alloc_fail_nth(n);
    mvg_status status = run_everything(selector, words, count);
    is_last_ok = !status;
    if (status) {
      ++failures;
      assert_int_equal(mvg_status_get_code(status), MVG_OUT_OF_MEMORY);
    }
    mvg_status_destroy(status);
  }
  mvg_alloc_fail_nth(0);
  assert_true(failures >= 8);
  assert_true(is_last_ok);
  assert_ok(run_everything(selector, words, count));
  mvg_free(words);
}

static void test_every_failed_allocation_is_a_status_on_null(void **state) {
  (void)state;
  check_every_allocation("null", 40);
}

static void test_every_failed_allocation_is_a_status(void **state) {
  (void)state;
  check_every_allocation(NULL, 50);
}

// ---- the pipeline cache ----

static size_t read_cache_file(const char *folder, char *bytes, size_t capacity, char path[256]) {
  char pattern[128];
  glob_t found;
  snprintf(pattern, sizeof pattern, "%s/mvgraph/pipeline-*.bin", folder);
  assert_int_equal(glob(pattern, 0, NULL, &found), 0);
  snprintf(path, 256, "%s", found.gl_pathv[0]);
  globfree(&found);
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  const size_t size = fread(bytes, 1, capacity, file);
  fclose(file);
  return size;
}

static void use_device_once(void) {
  void *state = NULL;
  setup_real(&state);
  teardown(&state);
}

static void test_damaged_pipeline_cache_is_replaced(void **state) {
  (void)state;
  static char bytes[1 << 22], again[1 << 22];
  char folder[] = "/tmp/mvgraph-device-XXXXXX", path[256];
  const char *old = getenv("XDG_CACHE_HOME");
  char *kept = old ? strdup(old) : NULL;
  assert_non_null(mkdtemp(folder));
  setenv("XDG_CACHE_HOME", folder, 1);
  use_device_once();
  const size_t size = read_cache_file(folder, bytes, sizeof bytes, path);
  assert_true(size > 24);
  bytes[size - 1] = (char)(bytes[size - 1] ^ 1);
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, size, file), size);
  fclose(file);
  use_device_once();
  const size_t size_again = read_cache_file(folder, again, sizeof again, path);
  assert_true(size_again > 24);
  assert_true(size_again != size || memcmp(again, bytes, size) != 0);
  if (kept) {
    setenv("XDG_CACHE_HOME", kept, 1);
  } else {
    unsetenv("XDG_CACHE_HOME");
  }
  free(kept);
  char command[128];
  snprintf(command, sizeof command, "rm -r %s", folder);
  assert_int_equal(system(command), 0);
}

static void skip_layer_test(struct CMUnitTest *tests, size_t count,
                            char (*names)[SKIPPED_NAME_SIZE]) {
  for (size_t i = 0; i < count && has_real_device() && !are_layers_on(); ++i) {
    if (tests[i].test_func == test_the_layers_see_a_missing_barrier) {
      mark_skipped(&tests[i], names[i], "the validation layers are not on");
    }
  }
}

int main(void) {
  if (skips_without_layers()) return 0;
  struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_failed_allocation_is_a_status_on_null),
      TEST("vulkan", test_add_is_exact_and_lists_replay, setup_real),
      TEST("vulkan", test_bindings_stay_within_their_range, setup_real),
      TEST("vulkan", test_barriers_order_a_long_chain, setup_real),
      TEST("vulkan", test_the_layers_see_a_missing_barrier, setup_real),
      TEST("vulkan", test_lists_of_one_submission_run_in_order, setup_real),
      TEST("vulkan", test_timestamps_rise, setup_real),
      TEST("vulkan", test_kernels_without_push_or_bindings_work, setup_real),
      REAL_TEST(test_every_failed_allocation_is_a_status),
      REAL_TEST(test_damaged_pipeline_cache_is_replaced),
  };
  char names[sizeof tests / sizeof *tests][SKIPPED_NAME_SIZE];
  skip_real_tests(tests, sizeof tests / sizeof *tests, names);
  skip_layer_test(tests, sizeof tests / sizeof *tests, names);
  return cmocka_run_group_tests(tests, NULL, NULL);
}

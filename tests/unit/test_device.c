// Devices through their public face: the null device, then the same facts on a real one where there
// is one.
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "codegen/spirv.h"
#include "device/device.h"
#include "tests/support/skip.h"
#include "tests/support/validation.h"

static const char add_source[] =
    "#version 450\n"
    "layout(local_size_x = 64) in;\n"
    "layout(std430, set = 0, binding = 0) readonly buffer A { float a[]; };\n"
    "layout(std430, set = 0, binding = 1) readonly buffer B { float b[]; };\n"
    "layout(std430, set = 0, binding = 2) writeonly buffer C { float c[]; };\n"
    "layout(push_constant) uniform Push { uint count; float scale; } push;\n"
    "void main() {\n"
    "  uint i = gl_GlobalInvocationID.x;\n"
    "  if (i < push.count) c[i] = push.scale * a[i] + b[i];\n"
    "}\n";

typedef struct {
  uint32_t count;
  float scale;
} add_push;

static void assert_ok(mvg_status status) {
  if (status) fail_msg("%s", mvg_status_get_message(status));
}

static void assert_fails(mvg_status status, mvg_code code, const char *part) {
  assert_non_null(status);
  assert_string_equal(mvg_code_get_name(mvg_status_get_code(status)), mvg_code_get_name(code));
  if (!strstr(mvg_status_get_message(status), part)) {
    fail_msg("'%s' does not mention '%s'", mvg_status_get_message(status), part);
  }
  mvg_status_destroy(status);
}

// ---- fixtures ----

typedef struct {
  mvg_device *device;
  mvg_kernel *add;
} fixture;

static mvg_kernel *make_add(mvg_device *device) {
  uint32_t *words = NULL;
  size_t count = 0;
  mvg_kernel *kernel = NULL;
  assert_ok(mvg_spirv_compile("add", add_source, mvg_device_get_caps(device), &words, &count));
  assert_ok(mvg_kernel_create(device, "add", words, count, 3, sizeof(add_push), &kernel));
  mvg_free(words);
  return kernel;
}

static int setup(void **state, const char *selector) {
  fixture *f = calloc(1, sizeof *f);
  assert_ok(mvg_device_create(selector, &f->device));
  f->add = make_add(f->device);
  *state = f;
  return 0;
}

static int setup_null(void **state) {
  return setup(state, "null");
}

static int setup_real(void **state) {
  return setup(state, NULL);
}

static int teardown(void **state) {
  fixture *f = *state;
  mvg_kernel_release(f->add);
  mvg_device_release(f->device);
  free(f);
  return expect_silence(state);
}

static mvg_buffer *make_buffer(fixture *f, uint64_t size_bytes) {
  mvg_buffer *buffer = NULL;
  assert_ok(mvg_buffer_create(f->device, MVG_MEMORY_DEVICE, size_bytes, &buffer));
  return buffer;
}

static mvg_binding whole(mvg_buffer *buffer) {
  return (mvg_binding){buffer, 0, mvg_buffer_get_size(buffer)};
}

static void record_add(fixture *f, mvg_commands *commands, mvg_binding a, mvg_binding b,
                       mvg_binding c, float scale) {
  const mvg_binding bindings[3] = {a, b, c};
  const add_push push = {(uint32_t)(c.size_bytes / sizeof(float)), scale};
  const uint32_t groups[3] = {(push.count + 63) / 64, 1, 1};
  assert_ok(mvg_commands_dispatch(commands, f->add, bindings, 3, &push, sizeof push, groups));
}

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
  assert_fails(mvg_kernel_create(f->device, "nonsense", words, 8, 1, 0, &kernel),
               MVG_INVALID_ARGUMENT, "not SPIR-V");
  const uint32_t magic[8] = {0x07230203};
  assert_fails(mvg_kernel_create(f->device, "wide", magic, 8, caps->max_bindings + 1, 0, &kernel),
               MVG_UNSUPPORTED, "bindings");
  assert_fails(
      mvg_kernel_create(f->device, "pushy", magic, 8, 1, caps->max_push_bytes + 4, &kernel),
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
  assert_ok(mvg_kernel_create(f->device, "empty", words, count, 0, 0, &kernel));
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
  if (!status) status = mvg_kernel_create(device, "add", words, count, 3, 8, &kernel);
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

#define TEST(prefix, name, setup_function)                                                         \
  { prefix ": " #name, name, setup_function, teardown, NULL }

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
      cmocka_unit_test(test_every_failed_allocation_is_a_status_on_null),
      COMMON_TESTS("vulkan", setup_real),
      TEST("vulkan", test_add_is_exact_and_lists_replay, setup_real),
      TEST("vulkan", test_bindings_stay_within_their_range, setup_real),
      TEST("vulkan", test_barriers_order_a_long_chain, setup_real),
      TEST("vulkan", test_the_layers_see_a_missing_barrier, setup_real),
      TEST("vulkan", test_lists_of_one_submission_run_in_order, setup_real),
      TEST("vulkan", test_timestamps_rise, setup_real),
      TEST("vulkan", test_kernels_without_push_or_bindings_work, setup_real),
      cmocka_unit_test(test_every_failed_allocation_is_a_status),
      cmocka_unit_test(test_damaged_pipeline_cache_is_replaced),
      cmocka_unit_test(test_unknown_device_names_what_there_is),
      cmocka_unit_test(test_a_rehearsal_has_the_limits_of_the_device_and_computes_nothing),
      cmocka_unit_test(test_limits_can_be_lowered_to_the_floor),
  };
  char names[sizeof tests / sizeof *tests][SKIPPED_NAME_SIZE];
  const bool is_skipping = !has_real_device();
  for (size_t i = 0; i < sizeof tests / sizeof *tests; ++i) {
    const bool needs_device =
        tests[i].setup_func == setup_real ||
        tests[i].test_func == test_every_failed_allocation_is_a_status ||
        tests[i].test_func == test_damaged_pipeline_cache_is_replaced ||
        tests[i].test_func == test_unknown_device_names_what_there_is ||
        tests[i].test_func == test_limits_can_be_lowered_to_the_floor ||
        tests[i].test_func == test_a_rehearsal_has_the_limits_of_the_device_and_computes_nothing;
    const bool needs_layers = tests[i].test_func == test_the_layers_see_a_missing_barrier;
    if (is_skipping && needs_device) {
      mark_skipped(&tests[i], names[i], "no Vulkan device");
    } else if (needs_layers && !are_layers_on()) {
      mark_skipped(&tests[i], names[i], "the validation layers are not on");
    }
  }
  return cmocka_run_group_tests(tests, NULL, NULL);
}

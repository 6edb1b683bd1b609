// A device with a kernel that adds, and what tests of devices do with it.
#ifndef MVGRAPH_TESTS_SUPPORT_DEVICE_FIXTURE_H_
#define MVGRAPH_TESTS_SUPPORT_DEVICE_FIXTURE_H_

#include <stdlib.h>

#include "base/alloc.h"
#include "codegen/spirv.h"
#include "device/device.h"
#include "tests/support/skip.h"
#include "tests/support/test_support.h"
#include "tests/support/validation.h"

// c = scale a + b
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

typedef struct {
  mvg_device *device;
  mvg_kernel *add;
} fixture;

static inline mvg_kernel *make_add(mvg_device *device) {
  uint32_t *words = NULL;
  size_t count = 0;
  mvg_kernel *kernel = NULL;
  assert_ok(mvg_spirv_compile("add", add_source, mvg_device_get_caps(device), &words, &count));
  assert_ok(mvg_kernel_create(device, "add", words, count,
                              &(mvg_kernel_layout){3, sizeof(add_push), 0}, &kernel));
  mvg_free(words);
  return kernel;
}

static inline int setup(void **state, const char *selector) {
  fixture *f = calloc(1, sizeof *f);
  assert_ok(mvg_device_create(selector, &f->device));
  f->add = make_add(f->device);
  *state = f;
  return 0;
}

static inline int setup_null(void **state) {
  return setup(state, "null");
}

static inline int setup_real(void **state) {
  return setup(state, NULL);
}

static inline int setup_nothing(void **state) {
  (void)state;
  return 0;
}

static inline int teardown(void **state) {
  fixture *f = *state;
  mvg_kernel_release(f->add);
  mvg_device_release(f->device);
  free(f);
  return expect_silence(state);
}

static inline mvg_buffer *make_buffer(fixture *f, uint64_t size_bytes) {
  mvg_buffer *buffer = NULL;
  assert_ok(mvg_buffer_create(f->device, MVG_MEMORY_DEVICE, size_bytes, &buffer));
  return buffer;
}

static inline mvg_binding whole(mvg_buffer *buffer) {
  return (mvg_binding){buffer, 0, mvg_buffer_get_size(buffer)};
}

static inline void record_add(fixture *f, mvg_commands *commands, mvg_binding a, mvg_binding b,
                              mvg_binding c, float scale) {
  const mvg_binding bindings[3] = {a, b, c};
  const add_push push = {(uint32_t)(c.size_bytes / sizeof(float)), scale};
  const uint32_t groups[3] = {(push.count + 63) / 64, 1, 1};
  assert_ok(mvg_commands_dispatch(commands, f->add, bindings, 3, &push, sizeof push, groups));
}

#define TEST(prefix, name, setup_function)                                                         \
  { prefix ": " #name, name, setup_function, teardown, NULL }

// A test that makes devices itself and needs a real one among them.
#define REAL_TEST(name)                                                                            \
  { #name, name, setup_nothing, NULL, NULL }

// Where there is no real device, makes those that need one skipped, under `names`.
static inline void skip_real_tests(struct CMUnitTest *tests, size_t count,
                                   char (*names)[SKIPPED_NAME_SIZE]) {
  if (has_real_device()) return;
  for (size_t i = 0; i < count; ++i) {
    const bool needs_device =
        tests[i].setup_func == setup_real || tests[i].setup_func == setup_nothing;
    if (needs_device) mark_skipped(&tests[i], names[i], "no Vulkan device");
  }
}

#endif // MVGRAPH_TESTS_SUPPORT_DEVICE_FIXTURE_H_

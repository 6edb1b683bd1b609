// The shader compiler: its errors, its cache, and what happens when a cache entry is damaged.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>

#include "base/alloc.h"
#include "codegen/spirv.h"
#include "codegen/spirv_check.h"
#include "io/cache_file.h"

static char folder[] = "/tmp/mvgraph-spirv-XXXXXX";

static int setup_cache(void **state) {
  (void)state;
  if (!mkdtemp(folder)) return -1;
  return setenv("XDG_CACHE_HOME", folder, 1);
}

static int remove_cache(void **state) {
  (void)state;
  char command[128];
  snprintf(command, sizeof command, "rm -r %s", folder);
  return system(command);
}

static void assert_ok(mvg_status status) {
  if (status) fail_msg("%s", mvg_status_get_message(status));
}

static void format_shader(char *out, size_t size, int value) {
  snprintf(out, size,
           "#version 450\n"
           "layout(local_size_x = 8) in;\n"
           "layout(std430, set = 0, binding = 0) buffer A { uint a[]; };\n"
           "void main() { a[gl_GlobalInvocationID.x] = %d; }\n",
           value);
}

static void test_first_compile_makes_words_and_second_reads_them(void **state) {
  (void)state;
  char glsl[512];
  format_shader(glsl, sizeof glsl, 1);
  uint32_t *first = NULL, *second = NULL;
  size_t first_count = 0, second_count = 0;
  const mvg_spirv_counts before = mvg_spirv_get_counts();
  assert_ok(mvg_spirv_compile("one", glsl, NULL, &first, &first_count));
  assert_ok(mvg_spirv_compile("one", glsl, NULL, &second, &second_count));
  const mvg_spirv_counts after = mvg_spirv_get_counts();
  assert_int_equal(after.compiled - before.compiled, 1);
  assert_int_equal(after.from_cache - before.from_cache, 1);
  assert_int_equal(first[0], 0x07230203);
  assert_int_equal(first[1], 0x00010300);
  assert_int_equal(first_count, second_count);
  assert_memory_equal(first, second, first_count * sizeof *first);
  mvg_free(first);
  mvg_free(second);
}

static void test_key_follows_source_and_limits(void **state) {
  (void)state;
  char glsl[512], other[512], a[64], b[64], c[64];
  format_shader(glsl, sizeof glsl, 1);
  format_shader(other, sizeof other, 2);
  const mvg_caps caps = {.max_local_size = 256};
  mvg_spirv_get_cache_name(glsl, NULL, a);
  mvg_spirv_get_cache_name(other, NULL, b);
  mvg_spirv_get_cache_name(glsl, &caps, c);
  assert_string_not_equal(a, b);
  assert_string_not_equal(a, c);
}

// Every damage must lead to the right words again, by compiling anew.
static void test_damaged_entries_are_rebuilt(void **state) {
  (void)state;
  char glsl[512], name[64];
  format_shader(glsl, sizeof glsl, 3);
  mvg_spirv_get_cache_name(glsl, NULL, name);
  uint32_t *good = NULL;
  size_t good_count = 0;
  assert_ok(mvg_spirv_compile("damage", glsl, NULL, &good, &good_count));
  char *entry = NULL;
  size_t size = 0;
  assert_true(mvg_cache_file_read(name, (void **)&entry, &size));
  char *bad = malloc(size + 1);
  for (size_t i = 0; i <= size; i += i < 48 ? 1 : 37) {
    memcpy(bad, entry, size);
    const bool is_truncation = i % 2 == 0 && i < size;
    if (i < size) bad[i] = (char)(bad[i] ^ 0x55);
    bad[size] = 0;
    assert_true(mvg_cache_file_write(name, bad, is_truncation ? i : i < size ? size : size + 1));
    uint32_t *words = NULL;
    size_t count = 0;
    assert_ok(mvg_spirv_compile("damage", glsl, NULL, &words, &count));
    assert_int_equal(count, good_count);
    assert_memory_equal(words, good, count * sizeof *words);
    mvg_free(words);
  }
  char *rebuilt = NULL;
  size_t rebuilt_size = 0;
  assert_true(mvg_cache_file_read(name, (void **)&rebuilt, &rebuilt_size));
  assert_int_equal(rebuilt_size, size);
  assert_memory_equal(rebuilt, entry, size);
  mvg_free(rebuilt);
  free(bad);
  mvg_free(entry);
  mvg_free(good);
}

static void test_errors_quote_the_offending_line(void **state) {
  (void)state;
  uint32_t *words = NULL;
  size_t count = 0;
  mvg_status status = mvg_spirv_compile("broken",
                                        "#version 450\n"
                                        "layout(local_size_x = 8) in;\n"
                                        "void main() {\n"
                                        "  float x = undeclared_thing;\n"
                                        "}\n",
                                        NULL, &words, &count);
  assert_int_equal(mvg_status_get_code(status), MVG_INVALID_ARGUMENT);
  const char *message = mvg_status_get_message(status);
  assert_non_null(strstr(message, "'broken'"));
  assert_non_null(strstr(message, "undeclared identifier"));
  assert_non_null(strstr(message, "   4 |   float x = undeclared_thing;"));
  assert_null(words);
  assert_int_equal(count, 0);
  mvg_status_destroy(status);
}

static void test_workgroups_beyond_the_device_are_errors(void **state) {
  (void)state;
  const mvg_caps caps = {.max_local_size = 4};
  char glsl[512];
  format_shader(glsl, sizeof glsl, 4);
  uint32_t *words = NULL;
  size_t count = 0;
  mvg_status status = mvg_spirv_compile("large", glsl, &caps, &words, &count);
  assert_int_equal(mvg_status_get_code(status), MVG_INVALID_ARGUMENT);
  assert_non_null(strstr(mvg_status_get_message(status), "local_size"));
  mvg_status_destroy(status);
}

static void assert_unsupported(const char *glsl, const mvg_caps *caps, const char *part) {
  uint32_t *words = NULL;
  size_t count = 0;
  mvg_status status = mvg_spirv_compile("greedy", glsl, caps, &words, &count);
  assert_int_equal(mvg_status_get_code(status), MVG_UNSUPPORTED);
  if (!strstr(mvg_status_get_message(status), part)) fail_msg("%s", mvg_status_get_message(status));
  assert_null(words);
  mvg_status_destroy(status);
}

static void test_shared_memory_beyond_the_device_is_an_error(void **state) {
  (void)state;
  static const char glsl[] = "#version 450\n"
                             "layout(local_size_x = 8) in;\n"
                             "struct pair { vec4 a; mat2 b; };\n"
                             "shared pair pairs[100];\n"
                             "shared float more[3][5];\n"
                             "void main() {\n"
                             "  pairs[gl_LocalInvocationIndex].a = vec4(1);\n"
                             "  more[gl_LocalInvocationIndex % 3u][2] = 1.0;\n"
                             "}\n";
  mvg_caps caps = {.max_local_size = 64, .max_shared_bytes = 3260};
  uint32_t *words = NULL;
  size_t count = 0;
  assert_ok(mvg_spirv_compile("modest", glsl, &caps, &words, &count));
  mvg_free(words);
  caps.max_shared_bytes = 3259;
  assert_unsupported(glsl, &caps, "'greedy' needs 3260 bytes of shared memory");
}

static void test_subgroup_operations_need_a_device_that_has_them(void **state) {
  (void)state;
  static const char glsl[] = "#version 450\n"
                             "#extension GL_KHR_shader_subgroup_arithmetic : require\n"
                             "layout(local_size_x = 8) in;\n"
                             "layout(std430, set = 0, binding = 0) buffer A { float a[]; };\n"
                             "void main() { a[0] = subgroupAdd(a[gl_LocalInvocationIndex]); }\n";
  mvg_caps caps = {.max_local_size = 64, .max_shared_bytes = 16384, .subgroup_size = 8};
  uint32_t *words = NULL;
  size_t count = 0;
  assert_ok(mvg_spirv_compile("modest", glsl, &caps, &words, &count));
  mvg_free(words);
  caps.subgroup_size = 0;
  assert_unsupported(glsl, &caps, "subgroup operations");
}

// A module that is damaged anywhere behind its header is not valid, or is still a module.
static void test_spirv_val_refuses_what_is_not_valid(void **state) {
  (void)state;
  char glsl[512];
  format_shader(glsl, sizeof glsl, 6);
  uint32_t *words = NULL;
  size_t count = 0, refused = 0;
  assert_ok(mvg_spirv_compile("valid", glsl, NULL, &words, &count));
  assert_ok(mvg_spirv_validate("valid", words, count));
  for (size_t i = 5; i < count; ++i) {
    const uint32_t kept = words[i];
    words[i] ^= 0x11;
    mvg_status status = mvg_spirv_validate("damaged", words, count);
    if (status) assert_non_null(strstr(mvg_status_get_message(status), "'damaged' is not valid"));
    refused += status != NULL;
    mvg_status_destroy(status);
    words[i] = kept;
  }
  assert_true(refused > count / 2);
  mvg_free(words);
}

static void test_every_module_is_validated_where_that_is_asked_for(void **state) {
  (void)state;
  char glsl[512];
  format_shader(glsl, sizeof glsl, 7);
  setenv("MVGRAPH_SPIRV_VAL", "1", 1);
  const mvg_spirv_counts before = mvg_spirv_get_counts();
  for (int i = 0; i < 2; ++i) { // compiled, then from the cache
    uint32_t *words = NULL;
    size_t count = 0;
    assert_ok(mvg_spirv_compile("watched", glsl, NULL, &words, &count));
    mvg_free(words);
  }
  assert_int_equal(mvg_spirv_get_counts().validated - before.validated, 2);
  unsetenv("MVGRAPH_SPIRV_VAL");
}

static void test_nonsense_is_an_error(void **state) {
  (void)state;
  static const char *const sources[] = {"", "#version 450\n", "\x01\xff garbage",
                                        "#version 450\nvoid f() {}\n"};
  for (size_t i = 0; i < sizeof sources / sizeof *sources; ++i) {
    uint32_t *words = NULL;
    size_t count = 0;
    mvg_status status = mvg_spirv_compile("nonsense", sources[i], NULL, &words, &count);
    if (!status) fail_msg("source %zu compiles", i);
    mvg_status_destroy(status);
  }
}

static void *compile_many(void *argument) {
  const int first = *(const int *)argument;
  for (int i = 0; i < 6; ++i) {
    char glsl[512];
    format_shader(glsl, sizeof glsl, 1000 + (first + i) % 8);
    uint32_t *words = NULL;
    size_t count = 0;
    mvg_status status = mvg_spirv_compile("thread", glsl, NULL, &words, &count);
    mvg_free(words);
    if (status) return status;
  }
  return NULL;
}

static void test_threads_may_compile_together(void **state) {
  (void)state;
  pthread_t threads[4];
  int firsts[4] = {0, 2, 4, 6};
  for (int i = 0; i < 4; ++i) {
    assert_int_equal(pthread_create(&threads[i], NULL, compile_many, &firsts[i]), 0);
  }
  for (int i = 0; i < 4; ++i) {
    void *status = NULL;
    pthread_join(threads[i], &status);
    assert_ok(status);
  }
}

static void test_compiling_works_without_a_cache_folder(void **state) {
  (void)state;
  setenv("XDG_CACHE_HOME", "/proc/nowhere", 1);
  char glsl[512];
  format_shader(glsl, sizeof glsl, 5);
  uint32_t *words = NULL;
  size_t count = 0;
  mvg_status status = mvg_spirv_compile("homeless", glsl, NULL, &words, &count);
  setenv("XDG_CACHE_HOME", folder, 1);
  assert_ok(status);
  assert_true(count > 0);
  mvg_free(words);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_first_compile_makes_words_and_second_reads_them),
      cmocka_unit_test(test_key_follows_source_and_limits),
      cmocka_unit_test(test_damaged_entries_are_rebuilt),
      cmocka_unit_test(test_errors_quote_the_offending_line),
      cmocka_unit_test(test_workgroups_beyond_the_device_are_errors),
      cmocka_unit_test(test_shared_memory_beyond_the_device_is_an_error),
      cmocka_unit_test(test_subgroup_operations_need_a_device_that_has_them),
      cmocka_unit_test(test_spirv_val_refuses_what_is_not_valid),
      cmocka_unit_test(test_every_module_is_validated_where_that_is_asked_for),
      cmocka_unit_test(test_nonsense_is_an_error),
      cmocka_unit_test(test_threads_may_compile_together),
      cmocka_unit_test(test_compiling_works_without_a_cache_folder),
  };
  return cmocka_run_group_tests(tests, setup_cache, remove_cache);
}

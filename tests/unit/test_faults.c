// Every allocation may fail: operations of all kinds run again and again, and each time the next
// request for memory is refused, as Lua's own testes/memerr.lua does. Each failure is one clean
// error, and at the end nothing is held.
#include "tests/support/faulty_vulkan.h"
#include "tests/support/skip.h"
#include "tests/support/test_folder.h"
#include "tests/support/test_support.h"

#include <inttypes.h>
#include <lua.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "io/file.h"
#include "io/safetensors.h"
#include "script/vm.h"

// Whose requests are refused: the engine's n-th alone, it and all later ones, the interpreter's
// n-th and all later ones (one alone would only make it collect and ask again), or the device's
// n-th.
typedef enum { ENGINE_ONCE, ENGINE_FROM, SCRIPT_FROM, HOST_KINDS, DEVICE = HOST_KINDS } fault_kind;

static void arm(mvg_vm *vm, fault_kind kind, uint64_t n) {
  if (kind == ENGINE_ONCE) mvg_alloc_fail_nth(n);
  if (kind == ENGINE_FROM) mvg_alloc_fail_from(n);
  if (kind == SCRIPT_FROM) mvg_vm_get_sandbox(vm)->fail_countdown = n;
  if (kind == DEVICE) atomic_store(&vulkan_fail_countdown, (unsigned)n);
}

// Returns whether the n-th request came.
static bool disarm(mvg_vm *vm, fault_kind kind) {
  uint64_t *script_left = &mvg_vm_get_sandbox(vm)->fail_countdown;
  uint64_t left = mvg_alloc_fail_nth(0);
  if (kind == SCRIPT_FROM) left = *script_left;
  if (kind == DEVICE) left = atomic_exchange(&vulkan_fail_countdown, 0);
  *script_left = 0;
  return left == (kind == ENGINE_FROM || kind == SCRIPT_FROM);
}

static mvg_status call(mvg_vm *vm, const char *operation, uint64_t n) {
  char number[24];
  snprintf(number, sizeof number, "%" PRIu64, n);
  const char *arguments[] = {test_folder, number};
  int result;
  bool is_usage;
  return mvg_vm_call_main(vm, "tests.support.operations", operation, arguments, 2, &result,
                          &is_usage);
}

static mvg_status create_vm(size_t budget_bytes, mvg_vm **out_vm) {
  const mvg_vm_options options = {.script_dir = "scripts",
                                  .root_dir = ".",
                                  .version = "test",
                                  .memory_budget_bytes = budget_bytes};
  MVG_RETURN_IF_ERROR(mvg_vm_create(&options, out_vm));
  return mvg_sandbox_allow(mvg_vm_get_sandbox(*out_vm), test_folder, true);
}

static mvg_vm *open_vm(const char *selector) {
  mvg_alloc_watch();
  mvg_vm *vm;
  assert_ok(create_vm(0, &vm));
  assert_true(mvg_vm_select_device(mvg_vm_get_active(vm), selector));
  return vm;
}

static void close_vm(mvg_vm *vm) {
  mvg_vm_destroy(vm);
  assert_int_equal(mvg_alloc_unwatch(), 0);
}

static uint64_t collect_and_measure(mvg_vm *vm) {
  lua_State *L = mvg_vm_get_active(vm);
  lua_gc(L, LUA_GCCOLLECT);
  lua_gc(L, LUA_GCCOLLECT);
  return mvg_device_get_held_bytes(mvg_vm_get_device(L), MVG_MEMORY_DEVICE);
}

// The message says that memory ran out and of how many bytes, if there was memory to say so.
static void check_message(const char *operation, uint64_t n, mvg_status status) {
  const char *message = mvg_status_get_message(status);
  bool is_said = strstr(message, "memory") && (strstr(message, "bytes") || strstr(message, "left"));
  bool is_lua = strstr(message, "not enough memory");                // through a script's pcall
  bool is_device = strstr(message, "VK_ERROR_OUT_OF_DEVICE_MEMORY"); // of what call, for what
  if (!is_said && !is_lua && !is_device)
    fail_msg("%s, request %d: \"%s\"", operation, (int)n, message);
}

// Every request up to the 200th, then ever longer strides: a walk of some hundred runs, however
// many requests the operation makes. What serves a cache may fail unseen, so success alone does not
// end it.
static uint64_t get_next(uint64_t n) {
  return n < 200 ? n + 1 : n + n / 16;
}

static void check_nothing_is_half_written(void) {
  mvg_file_names names;
  assert_ok(mvg_file_list(test_folder, &names));
  for (size_t i = 0; i < names.count; ++i)
    assert_null(strstr(names.names[i], ".partial"));
  mvg_file_names_deinit(&names);
}

typedef void (*check_after)(uint64_t n, bool has_failed);

static void sweep(mvg_vm *vm, const char *operation, fault_kind kind, check_after check) {
  assert_ok(call(vm, operation, 0)); // loads modules, fills caches
  if (check) check(0, false);
  uint64_t before = collect_and_measure(vm), failures = 0;
  bool is_reached = true;
  for (uint64_t n = 1; is_reached; n = get_next(n)) {
    arm(vm, kind, n);
    mvg_status status = call(vm, operation, n);
    is_reached = disarm(vm, kind);
    if (check) check(n, status != NULL);
    if (!is_reached) assert_ok(status);
    failures += status != NULL;
    if (status) check_message(operation, n, status);
    mvg_status_destroy(status);
    assert_int_equal(collect_and_measure(vm), before);
    check_nothing_is_half_written();
  }
  assert_true(failures >= 3);
}

static void sweep_host(mvg_vm *vm, const char *operation, check_after check) {
  for (int kind = 0; kind < HOST_KINDS; ++kind)
    sweep(vm, operation, (fault_kind)kind, check);
}

static void test_scripts_survive_any_failing_allocation(void **state) {
  (void)state;
  mvg_vm *vm = open_vm("null");
  sweep(vm, "script", SCRIPT_FROM, NULL);
  sweep_host(vm, "evaluate", NULL);
  close_vm(vm);
}

static void test_readers_survive_any_failing_allocation(void **state) {
  (void)state;
  mvg_vm *vm = open_vm("null");
  sweep_host(vm, "read_json", NULL);
  sweep_host(vm, "read_image", NULL);
  sweep_host(vm, "archive", NULL);
  close_vm(vm);
}

static void test_a_training_step_survives_any_failing_allocation(void **state) {
  (void)state;
  mvg_vm *vm = open_vm("null");
  sweep_host(vm, "train", NULL);
  close_vm(vm);
}

// The small one in shaders, so that SPIR-V and pipelines are made too.
static void test_steps_on_a_device_survive_any_failing_allocation(void **state) {
  (void)state;
  mvg_vm *vm = open_vm("auto");
  sweep_host(vm, "step", NULL);
  sweep(vm, "train", ENGINE_ONCE, NULL);
  close_vm(vm);
}

static void test_programs_survive_a_device_without_memory(void **state) {
  (void)state;
  mvg_vm *vm = open_vm("auto");
  make_vulkan_faulty(mvg_vm_get_device(mvg_vm_get_active(vm)));
  sweep(vm, "step", DEVICE, NULL);
  sweep(vm, "train", DEVICE, NULL);
  close_vm(vm);
}

static void test_a_device_without_memory_says_what_helps(void **state) {
  (void)state;
  mvg_device *device = NULL;
  mvg_buffer *held = NULL, *buffer = NULL;
  assert_ok(mvg_device_create("auto", &device));
  assert_ok(mvg_buffer_create(device, MVG_MEMORY_DEVICE, 1 << 20, &held));
  char expected[160];
  snprintf(expected, sizeof expected,
           "MEMORY; the device has %" PRIu64 " bytes, %" PRIu64
           " of them held here; use a smaller batch, image or model (`mvgraph plan`",
           mvg_device_get_caps(device)->memory_bytes,
           mvg_device_get_held_bytes(device, MVG_MEMORY_DEVICE));
  make_vulkan_faulty(device);
  atomic_store(&vulkan_fail_countdown, 1);
  assert_fails(mvg_buffer_create(device, MVG_MEMORY_DEVICE, 4096, &buffer), MVG_OUT_OF_MEMORY,
               expected);
  assert_null(buffer);
  mvg_buffer_release(held);
  mvg_device_release(device);
}

// A save that fails leaves the checkpoint before it.
static void check_checkpoint(uint64_t n, bool has_failed) {
  static uint64_t saved;
  if (!has_failed) saved = n;
  mvg_safetensors set;
  assert_ok(mvg_safetensors_load(in_folder("checkpoint"), &set));
  assert_true(mvg_ndarray_get(mvg_safetensors_get(&set, "state"), 11) == (double)saved);
  assert_int_equal(strtoull(mvg_safetensors_get_metadata(&set, "step"), NULL, 10), saved);
  mvg_safetensors_deinit(&set);
}

static void test_checkpoints_survive_any_failing_allocation(void **state) {
  (void)state;
  mvg_vm *vm = open_vm("null");
  sweep_host(vm, "save", check_checkpoint);
  sweep_host(vm, "load", NULL);
  close_vm(vm);
}

// From nothing: the interpreter, its libraries and every module that a net needs.
static mvg_status start(size_t budget_bytes) {
  mvg_vm *vm = NULL;
  mvg_status status = create_vm(budget_bytes, &vm);
  if (!status) status = call(vm, "script", 0);
  mvg_vm_destroy(vm);
  return status;
}

static void test_a_start_survives_any_failing_allocation(void **state) {
  (void)state;
  mvg_alloc_watch();
  bool is_reached = true;
  for (uint64_t n = 1; is_reached; n = get_next(n)) {
    mvg_alloc_fail_from(n);
    mvg_status status = start(0);
    is_reached = mvg_alloc_fail_nth(0) == 1;
    if (!is_reached) assert_ok(status);
    if (status) check_message("start", n, status);
    mvg_status_destroy(status);
  }
  assert_int_equal(mvg_alloc_unwatch(), 0);
}

static void test_a_start_within_any_budget_is_clean(void **state) {
  (void)state;
  mvg_alloc_watch();
  mvg_status status;
  size_t budget_bytes = 256;
  do {
    budget_bytes += budget_bytes / 16;
    status = start(budget_bytes);
    if (status) check_message("start", budget_bytes, status);
    mvg_status_destroy(status);
  } while (status);
  assert_in_range(budget_bytes, 1 << 18, 1 << 26);
  assert_int_equal(mvg_alloc_unwatch(), 0);
}

int main(void) {
  struct CMUnitTest tests[] = {
      cmocka_unit_test(test_scripts_survive_any_failing_allocation),
      cmocka_unit_test(test_readers_survive_any_failing_allocation),
      cmocka_unit_test(test_checkpoints_survive_any_failing_allocation),
      cmocka_unit_test(test_a_start_survives_any_failing_allocation),
      cmocka_unit_test(test_a_start_within_any_budget_is_clean),
      cmocka_unit_test(test_a_training_step_survives_any_failing_allocation),
      cmocka_unit_test(test_steps_on_a_device_survive_any_failing_allocation),
      cmocka_unit_test(test_programs_survive_a_device_without_memory),
      cmocka_unit_test(test_a_device_without_memory_says_what_helps),
  };
  char names[3][SKIPPED_NAME_SIZE];
  for (size_t i = 0; i < 3 && !has_real_device(); ++i)
    mark_skipped(&tests[sizeof tests / sizeof *tests - 1 - i], names[i], "no Vulkan device");
  return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}

// A driver gives its device up, at any submission or wait: one error says what was in flight, and a
// run continues from its last checkpoint to the same bits.
#include "tests/support/graph_fixture.h"
#include "tests/support/losing_vulkan.h"
#include "tests/support/skip.h"
#include "tests/support/test_folder.h"
#include "tests/support/test_support.h"
#include "tests/support/validation.h"

#include <fcntl.h>

#include "io/file.h"
#include "program/program_internal.h"
#include "script/vm.h"

// ---- one program ----

static void build_chain(fixture *f) {
  fixture_open(f);
  mvg_value y = make_input(f, DIMS(8, 300));
  for (int i = 0; i < 4; ++i)
    y = MAP(f, "a * 0.5 - b", y, make_reshape(f, make_sum(f, 1, y), DIMS(1, 300)));
  add_output(f, "y", y);
}

// In shaders, each in a submission of its own. Returns whether the device was lost before the end.
static bool run_and_lose(loss_place place, unsigned n) {
  const mvg_compile_options options = {.keep_host_bindings_off = true};
  mvg_device *device = open_device();
  fixture f;
  build_chain(&f);
  mvg_program *program;
  mvg_ndarray *out;
  mvg_shape shape = DIMS(8, 300);
  check(mvg_compile(f.graph, device, NULL, 0, &options, &program));
  check(mvg_ndarray_create(MVG_DTYPE_F32, &shape, &out));
  program->is_recorded = false;
  program->is_measured = true;
  for (uint32_t i = 0; i < program->plan->step_count; ++i)
    program->cost_ns[i] = 60e6;
  lose_vulkan(device, place, n);
  mvg_status status =
      mvg_program_run(program, (const mvg_ndarray *const *)f.inputs, f.input_count, &out, 1);
  bool is_lost = loss.is_lost;
  assert_int_equal(mvg_device_is_lost(device), is_lost);
  assert_int_equal(mvg_status_get_code(status), is_lost ? MVG_DEVICE_LOST : MVG_OK);
  const char *const parts[] = {"running program 'test'", "VK_ERROR_DEVICE_LOST",
                               " steps\n    step ", "try a smaller batch",
                               mvg_device_get_caps(device)->name};
  for (size_t i = 0; i < sizeof parts / sizeof *parts && is_lost; ++i) {
    if (!strstr(mvg_status_get_message(status), parts[i]))
      fail_msg("no '%s' in: %s", parts[i], mvg_status_get_message(status));
  }
  char last[32]; // the step that was submitted last is among those that are named
  snprintf(last, sizeof last, "    step %u, ", n - 1);
  assert_true(!is_lost || place == LOST_AT_WAIT || strstr(mvg_status_get_message(status), last));
  mvg_status_destroy(status);
  if (is_lost) { // and stays so
    assert_fails(
        mvg_program_run(program, (const mvg_ndarray *const *)f.inputs, f.input_count, &out, 1),
        MVG_DEVICE_LOST, "VK_ERROR_DEVICE_LOST");
  }
  mvg_ndarray_release(out);
  mvg_program_destroy(program);
  fixture_close(&f);
  mvg_device_release(device);
  return is_lost;
}

static void test_a_loss_is_one_error_that_names_what_was_in_flight(void **state) {
  (void)state;
  mvg_alloc_watch();
  for (loss_place place = LOST_AT_SUBMISSION; place <= LOST_AT_WAIT; ++place) {
    unsigned n = 1;
    while (run_and_lose(place, n))
      ++n;
    assert_true(n > 4);
  }
  assert_int_equal(mvg_alloc_unwatch(), 0);
}

// ---- whole runs ----

static mvg_vm *open_vm(void) {
  const mvg_vm_options options = {.script_dir = "scripts", .root_dir = ".", .version = "test"};
  mvg_vm *vm;
  check(mvg_vm_create(&options, &vm));
  check(mvg_sandbox_allow(mvg_vm_get_sandbox(vm), test_folder, true));
  return vm;
}

// `mvgraph run tests/train/fit.lua --out ...`; what it prints is dropped.
static int run_experiment(mvg_vm *vm, const char *out) {
  const char *const words[] = {"run", "tests/train/fit.lua", "--out", out};
  int kept[2], result = -1, nowhere = open("/dev/null", O_WRONLY);
  bool is_usage;
  fflush(stdout);
  for (int i = 0; i < 2; ++i) {
    kept[i] = dup(i + 1);
    dup2(nowhere, i + 1);
  }
  mvg_status status = mvg_vm_call_main(vm, "mvgraph.cli", "main", words, 4, &result, &is_usage);
  fflush(stdout);
  for (int i = 0; i < 2; ++i) {
    dup2(kept[i], i + 1);
    close(kept[i]);
  }
  close(nowhere);
  check(status);
  return result;
}

static void expect_same_file(const char *a, const char *b, const char *name) {
  char paths[2][PATH_MAX];
  char *bytes[2];
  size_t counts[2];
  snprintf(paths[0], PATH_MAX, "%s/%s", a, name);
  snprintf(paths[1], PATH_MAX, "%s/%s", b, name);
  for (int i = 0; i < 2; ++i)
    check(mvg_file_read(paths[i], 1 << 20, &bytes[i], &counts[i]));
  assert_int_equal(counts[0], counts[1]);
  assert_memory_equal(bytes[0], bytes[1], counts[0]);
  for (int i = 0; i < 2; ++i)
    mvg_free(bytes[i]);
}

// Counts the calls of a run that nothing happens to.
static unsigned count_calls(mvg_vm *vm, const char *out, loss_place place) {
  const unsigned many = 1000000;
  lose_vulkan(mvg_vm_get_device(mvg_vm_get_active(vm)), place, many);
  assert_int_equal(run_experiment(vm, out), 0);
  return many - loss.countdown;
}

static void test_a_run_continues_on_a_new_device_to_the_same_bits(void **state) {
  (void)state;
  const char *straight = in_folder("straight");
  mvg_vm *vm = open_vm();
  unsigned calls = count_calls(vm, straight, LOST_AT_WAIT);
  mvg_vm_destroy(vm);
  assert_true(calls > 10);
  for (unsigned part = 1; part < 5; ++part) {
    char name[24];
    snprintf(name, sizeof name, "lost-%u", part);
    const char *lost = in_folder(name);
    vm = open_vm();
    mvg_device *first = mvg_vm_get_device(mvg_vm_get_active(vm));
    mvg_device_retain(first);
    lose_vulkan(first, LOST_AT_WAIT, calls * part / 5 + 1);
    assert_int_equal(run_experiment(vm, lost), 0);
    assert_true(mvg_device_is_lost(first));
    assert_ptr_not_equal(mvg_vm_get_device(mvg_vm_get_active(vm)), first);
    mvg_device_release(first);
    mvg_vm_destroy(vm);
    expect_same_file(straight, lost, "checkpoints/01-fit.safetensors");
    expect_same_file(straight, lost, "predictions.safetensors");
  }
}

static int setup(void **state) {
  setenv("MVGRAPH_HOST", "0", 1); // else there is nothing to submit on CPU devices
  return make_test_folder(state);
}

static int teardown(void **state) {
  return remove_test_folder(state) | expect_silence(state);
}

int main(void) {
  struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_loss_is_one_error_that_names_what_was_in_flight),
      cmocka_unit_test(test_a_run_continues_on_a_new_device_to_the_same_bits),
  };
  char names[2][SKIPPED_NAME_SIZE];
  for (size_t i = 0; i < 2 && !has_real_device(); ++i)
    mark_skipped(&tests[i], names[i], "no Vulkan device");
  return cmocka_run_group_tests(tests, setup, teardown);
}

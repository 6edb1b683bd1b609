// Where runs are cut into submissions: the policy, and that results do not depend on it.
#include "support/graph_fixture.h"
#include "support/skip.h"
#include "support/validation.h"

#include "program/cut.h"
#include "program/program_internal.h"

#define MS 1e6

// ---- the policy ----

#define MAX_LISTS 256

// Steps of each submission; returns how many submissions there are.
static uint32_t cut_all(mvg_cut cut, const double *ns, uint32_t count, uint32_t lists[MAX_LISTS]) {
  uint32_t used = 0;
  for (uint32_t i = 0; i < count; ++i) {
    if (mvg_cut_add(&cut, ns[i])) lists[used++] = 0;
    assert_in_range(used, 1, MAX_LISTS - 1);
    ++lists[used - 1];
  }
  return used;
}

static void test_measured_submissions_stay_below_the_aim(void **state) {
  (void)state;
  double ns[1000];
  uint32_t lists[MAX_LISTS], seed = 3;
  for (int i = 0; i < 1000; ++i) {
    seed = seed * 1664525u + 1013904223u;
    ns[i] = (double)(seed >> 16) / 65536 * 30 * MS;
  }
  uint32_t count = cut_all((mvg_cut){.is_measured = true}, ns, 1000, lists), step = 0;
  for (uint32_t i = 0; i < count; ++i) {
    double sum = 0;
    for (uint32_t k = 0; k < lists[i]; ++k)
      sum += ns[step++];
    assert_true(sum <= MVG_CUT_LIST_NS);
    if (i + 1 < count) assert_true(sum + ns[step] > MVG_CUT_LIST_NS); // none is cut early
  }
  assert_int_equal(step, 1000);
}

static void test_a_step_above_the_aim_has_a_submission_of_its_own(void **state) {
  (void)state;
  const double ns[] = {1 * MS, 150 * MS, 1 * MS, 1 * MS};
  uint32_t lists[MAX_LISTS];
  assert_int_equal(cut_all((mvg_cut){.is_measured = true}, ns, 4, lists), 3);
  assert_int_equal(lists[0], 1);
  assert_int_equal(lists[1], 1);
  assert_int_equal(lists[2], 2);
}

static void test_unmeasured_submissions_start_small_and_double(void **state) {
  (void)state;
  double ns[4000];
  uint32_t lists[MAX_LISTS];
  for (int i = 0; i < 4000; ++i)
    ns[i] = MVG_CUT_LIST_NS / 64;
  uint32_t count = cut_all((mvg_cut){0}, ns, 4000, lists);
  for (uint32_t i = 0; i + 1 < count; ++i)
    assert_int_equal(lists[i], i < 6 ? 1u << i : 64);
}

static void test_unmeasured_submissions_have_few_steps(void **state) {
  (void)state;
  const double ns[350] = {0};
  uint32_t lists[MAX_LISTS];
  assert_int_equal(cut_all((mvg_cut){0}, ns, 350, lists), 4);
  assert_int_equal(lists[0], MVG_CUT_MAX_STEPS);
  assert_int_equal(lists[3], 50);
  assert_int_equal(cut_all((mvg_cut){.is_measured = true}, ns, 350, lists), 1);
}

static void test_a_closed_submission_takes_nothing_more(void **state) {
  (void)state;
  mvg_cut cut = {.is_measured = true};
  assert_true(mvg_cut_add(&cut, MS));
  assert_false(mvg_cut_add(&cut, MS));
  mvg_cut_close(&cut);
  assert_true(mvg_cut_add(&cut, MS));
  assert_false(mvg_cut_add(&cut, 98 * MS));
}

static void test_long_dispatches_are_split(void **state) {
  (void)state;
  assert_int_equal(mvg_cut_count_parts(0, 64), 1);
  assert_int_equal(mvg_cut_count_parts(200 * MS, 64), 1);
  assert_int_equal(mvg_cut_count_parts(201 * MS, 64), 3);
  assert_int_equal(mvg_cut_count_parts(1000 * MS, 64), 10);
  assert_int_equal(mvg_cut_count_parts(1000 * MS, 4), 4);
  assert_int_equal(mvg_cut_count_parts(1000 * MS, 1), 1);
  assert_int_equal(mvg_cut_count_parts(INFINITY, 7), 7);
}

static void test_estimates_take_the_longer_of_arithmetic_and_traffic(void **state) {
  (void)state;
  assert_float_equal(mvg_cut_estimate_ns(200e9, 0), MVG_CUT_LIST_NS, 1);
  assert_float_equal(mvg_cut_estimate_ns(1, 5000000000), MVG_CUT_LIST_NS, 1);
  assert_float_equal(mvg_cut_estimate_ns(-1, 0), 0, 0);
}

// ---- running ----

static mvg_device *device;

// In shaders, so that there is something to submit on CPU devices too.
static mvg_program *compile(fixture *f) {
  const mvg_compile_options options = {.keep_host_bindings_off = true};
  mvg_program *program;
  check(mvg_compile(f->graph, device, NULL, 0, &options, &program));
  return program;
}

static void run(fixture *f, mvg_program *program, mvg_ndarray *out) {
  check(mvg_program_run(program, (const mvg_ndarray *const *)f->inputs, f->input_count, &out, 1));
}

// A chain of reductions, over grids that do not divide evenly and have rows of more than one
// workgroup.
static void build_chain(fixture *f) {
  fixture_open(f);
  mvg_value x = make_input(f, DIMS(37, 1001)), y = x;
  for (int i = 0; i < 5; ++i)
    y = MAP(f, "a * 0.5 + sin(b) * c", y, x, make_reshape(f, make_sum(f, 1, y), DIMS(1, 1001)));
  add_output(f, "y", y);
}

static void pretend_costs(mvg_program *program, double ns) {
  for (uint32_t i = 0; i < program->plan->step_count; ++i)
    program->cost_ns[i] = ns;
  program->is_measured = true;
  program->is_recorded = false;
}

static void test_cuts_do_not_change_a_bit(void **state) {
  (void)state;
  fixture f;
  build_chain(&f);
  mvg_program *program = compile(&f);
  const double costs[] = {0, 60 * MS, 150 * MS, 350 * MS, 1e6 * MS};
  mvg_shape shape = DIMS(37, 1001);
  mvg_ndarray *first, *now;
  check(mvg_ndarray_create(MVG_DTYPE_F32, &shape, &first));
  check(mvg_ndarray_create(MVG_DTYPE_F32, &shape, &now));
  run(&f, program, first);
  uint32_t before = 0;
  for (size_t i = 0; i < sizeof costs / sizeof *costs; ++i) {
    pretend_costs(program, costs[i]);
    memset(now->data, 0xFF, now->size_bytes);
    run(&f, program, now);
    assert_memory_equal(now->data, first->data, first->size_bytes);
    assert_true(i == 0 || i == 2 || program->segments.count > before);
    before = (uint32_t)program->segments.count;
  }
  assert_true(before > program->plan->step_count); // grids were split
  mvg_ndarray_release(first);
  mvg_ndarray_release(now);
  mvg_program_destroy(program);
  fixture_close(&f);
}

static void test_the_second_run_is_measured(void **state) {
  (void)state;
  fixture f;
  build_chain(&f);
  mvg_program *program = compile(&f);
  bool is_measurable = mvg_device_get_caps(device)->has_timestamps;
  mvg_shape shape = DIMS(37, 1001);
  mvg_ndarray *out;
  check(mvg_ndarray_create(MVG_DTYPE_F32, &shape, &out));
  run(&f, program, out);
  assert_false(program->is_measured);
  pretend_costs(program, -1);
  program->is_measured = false;
  run(&f, program, out);
  assert_int_equal(program->is_measured, is_measurable);
  for (uint32_t i = 0; is_measurable && i < program->plan->step_count; ++i)
    assert_true(program->cost_ns[i] > 0 && program->cost_ns[i] < 1000 * MS);
  run(&f, program, out);
  assert_true(!is_measurable || program->segments.count == 1);
  mvg_ndarray_release(out);
  mvg_program_destroy(program);
  fixture_close(&f);
}

static int setup(void **state) {
  (void)state;
  device = open_device();
  return 0;
}

static int teardown(void **state) {
  mvg_device_release(device);
  return expect_silence(state);
}

int main(void) {
  struct CMUnitTest tests[] = {
      cmocka_unit_test(test_measured_submissions_stay_below_the_aim),
      cmocka_unit_test(test_a_step_above_the_aim_has_a_submission_of_its_own),
      cmocka_unit_test(test_unmeasured_submissions_start_small_and_double),
      cmocka_unit_test(test_unmeasured_submissions_have_few_steps),
      cmocka_unit_test(test_a_closed_submission_takes_nothing_more),
      cmocka_unit_test(test_long_dispatches_are_split),
      cmocka_unit_test(test_estimates_take_the_longer_of_arithmetic_and_traffic),
      cmocka_unit_test(test_cuts_do_not_change_a_bit),
      cmocka_unit_test(test_the_second_run_is_measured),
  };
  char names[2][SKIPPED_NAME_SIZE];
  for (size_t i = 0; i < 2 && !has_real_device(); ++i)
    mark_skipped(&tests[sizeof tests / sizeof *tests - 1 - i], names[i], "no Vulkan device");
  return cmocka_run_group_tests(tests, setup, teardown);
}

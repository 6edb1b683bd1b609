// Compiled programs against the double-precision reference, on a real device.
#include "support/graph_fixture.h"
#include "support/validation.h"

static mvg_device *device;
static mvg_compile_options options;

static void expect_close(const mvg_ndarray *got, const mvg_ndarray *want, double tolerance,
                         const char *what) {
  for (int64_t i = 0; i < mvg_shape_get_size(&want->shape); ++i) {
    double a = mvg_ndarray_get(got, i), b = mvg_ndarray_get(want, i);
    bool is_same = (isnan(a) && isnan(b)) || a == b;
    if (is_same || fabs(a - b) <= tolerance * (1 + fabs(b))) continue;
    print_error("%s[%lld]: got %.9g, want %.9g\n", what, (long long)i, a, b);
    fail();
  }
}

// Runs the graph once, with bindings on and off, and compares outputs and new states with the
// reference.
static void expect_like_reference(fixture *f, double tolerance) {
  uint32_t count = mvg_graph_get_target_count(f->graph);
  mvg_value values[FIXTURE_MAX];
  mvg_ndarray *wanted[FIXTURE_MAX];
  for (uint32_t i = 0; i < count; ++i)
    values[i] = mvg_graph_get_target(f->graph, i)->value;
  check(mvg_host_eval(f->graph, (const mvg_ndarray *const *)f->inputs,
                      (const mvg_ndarray *const *)f->state_values, values, count, wanted));
  mvg_state *states[FIXTURE_MAX];
  for (uint32_t i = 0; i < f->state_count; ++i) {
    check(mvg_state_create(device, "s", &f->state_types[i], &states[i]));
    check(mvg_state_write(states[i], f->state_values[i]));
  }
  mvg_program *program;
  check(mvg_compile(f->graph, device, states, f->state_count, &options, &program));
  mvg_ndarray *outputs[FIXTURE_MAX];
  uint32_t output_count = 0;
  for (uint32_t i = 0; i < count; ++i) {
    if (mvg_graph_get_target(f->graph, i)->is_update) continue;
    check(mvg_ndarray_create(MVG_DTYPE_F32, &wanted[i]->shape, &outputs[output_count++]));
  }
  mvg_status status = mvg_program_run(program, (const mvg_ndarray *const *)f->inputs,
                                      f->input_count, outputs, output_count);
  if (status) {
    mvg_str text = {0};
    mvg_plan_print(mvg_program_get_plan(program), &text);
    print_error("%s\n", text.text);
    check(status);
  }
  uint32_t output = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const mvg_target *target = mvg_graph_get_target(f->graph, i);
    if (target->is_update) {
      mvg_ndarray *now;
      check(mvg_ndarray_create(MVG_DTYPE_F32, &wanted[i]->shape, &now));
      check(mvg_state_read(states[target->slot], now));
      expect_close(now, wanted[i], tolerance, "state");
      mvg_ndarray_release(now);
    } else {
      expect_close(outputs[output++], wanted[i], tolerance, target->name);
    }
    mvg_ndarray_release(wanted[i]);
  }
  for (uint32_t i = 0; i < output_count; ++i)
    mvg_ndarray_release(outputs[i]);
  mvg_program_destroy(program);
  for (uint32_t i = 0; i < f->state_count; ++i)
    mvg_state_release(states[i]);
}

static void test_maps_broadcast(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value a = make_input(&f, DIMS(5, 7)), b = make_input(&f, DIMS(7)),
            c = make_input(&f, DIMS(5, 1));
  mvg_value y = MAP(&f, "a * b + exp(c) * erf(a) - (a > b ? 1.5 : c)", a, b, c);
  add_output(&f, "y", y);
  add_output(&f, "z", MAP(&f, "tanh(a) + pow(abs(b), 1.5) + i", y, a));
  expect_like_reference(&f, 1e-5);
  fixture_close(&f);
}

static void test_views_change_indices_only(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value x = make_input(&f, DIMS(4, 6, 5));
  mvg_value permuted = VIEW(&f, x, DIMS(5, 4, 6), NULL, "j", "k", "i");
  mvg_value merged = make_reshape(&f, permuted, DIMS(10, 12));
  mvg_value padded = VIEW(&f, merged, DIMS(14, 13), "i >= 2 && i < 12 && j < 12", "i - 2", "j");
  mvg_value rolled = VIEW(&f, padded, DIMS(14, 13), NULL, "(i + 3) % 14", "(j - 5) % 13");
  add_output(&f, "rolled", MAP(&f, "a * 2 + 1", rolled));
  add_output(&f, "flipped",
             VIEW(&f, MAP(&f, "sin(a)", padded), DIMS(13, 14), NULL, "13 - j", "12 - i"));
  expect_like_reference(&f, 1e-5);
  fixture_close(&f);
}

static void test_indices_are_right_in_32_bits_or_refused(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value x = make_input(&f, DIMS(4000)), y = make_input(&f, DIMS(7000));
  add_output(&f, "x", VIEW(&f, x, DIMS(1000), NULL, "i * 4000001 / 1000003")); // below 2^32
  expect_like_reference(&f, 0);
  y = VIEW(&f, y, DIMS(1000), NULL, "i * 7000001 / 1000003");
  add_output(&f, "y", MAP(&f, "a * 2", y));
  mvg_program *program;
  mvg_status status = mvg_compile(f.graph, device, NULL, 0, &options, &program);
  assert_int_equal(mvg_status_get_code(status), MVG_UNSUPPORTED);
  assert_non_null(
      strstr(mvg_status_get_message(status),
             "(engine):0 view: an index is divided or compared where it reaches 6993000999"));
  mvg_status_destroy(status);
  fixture_close(&f);
}

static void test_remainders_of_what_has_no_known_bounds(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value x = make_input(&f, DIMS(7));
  mvg_shape shape = DIMS(50, 60);
  add_output(&f, "remainder", VIEW(&f, x, shape, NULL, "i * j % 7"));
  add_output(&f, "quotient", VIEW(&f, x, shape, NULL, "i * j / 500"));
  expect_like_reference(&f, 0);
  fixture_close(&f);
}

static void test_reductions_with_prologue_and_epilogue(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value x = make_input(&f, DIMS(6, 9, 4)), w = make_input(&f, DIMS(6, 4));
  mvg_value s = make_sum(&f, 2, MAP(&f, "a * a + 0.5", x));
  add_output(&f, "weighted", MAP(&f, "sqrt(a) * b", s, w));
  add_output(&f, "mean", make_reduce(&f, "0", "acc + x", "acc / n", 7, x));
  add_output(&f, "max", make_reduce(&f, "-inf", "max(acc, x)", "acc", 5, x));
  add_output(&f, "prod", make_reduce(&f, "1", "acc * x", "acc", 2, x));
  expect_like_reference(&f, 1e-5);
  fixture_close(&f);
}

static void test_softmax_over_rows(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value x = make_input(&f, DIMS(11, 17));
  mvg_value top = make_reduce(&f, "-inf", "max(acc, x)", "acc", 2, x);
  mvg_value e = MAP(&f, "exp(a - b)", x, make_reshape(&f, top, DIMS(11, 1)));
  mvg_value sum = make_reshape(&f, make_sum(&f, 2, e), DIMS(11, 1));
  add_output(&f, "y", MAP(&f, "a / b", e, sum));
  expect_like_reference(&f, 1e-5);
  fixture_close(&f);
}

static void test_long_reductions_are_split(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value x = make_input(&f, DIMS(37, 61, 29));
  add_output(&f, "all", make_reduce(&f, "0", "acc + x", "acc / n", 7, MAP(&f, "a * a", x)));
  add_output(&f, "max", make_reduce(&f, "-inf", "max(acc, x)", "acc", 7, x));
  add_output(&f, "columns", make_sum(&f, 3, x));
  mvg_value prime = make_input(&f, DIMS(10007));
  add_output(&f, "prime", make_sum(&f, 1, prime));
  add_output(&f, "least", make_reduce(&f, "inf", "min(acc, x)", "acc", 1, prime));
  expect_like_reference(&f, 2e-5);
  fixture_close(&f);
}

static void test_adam_updates_states(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value p = make_state(&f, DIMS(33, 5)), m = make_state(&f, DIMS(33, 5)),
            v = make_state(&f, DIMS(33, 5));
  mvg_value g = make_input(&f, DIMS(33, 5)), lr = make_input(&f, SCALAR);
  mvg_value m2 = MAP(&f, "0.9 * a + 0.1 * b", m, g),
            v2 = MAP(&f, "abs(0.999 * a) + 0.001 * b * b", v, g);
  add_update(&f, 1, m2);
  add_update(&f, 2, v2);
  add_update(&f, 0, MAP(&f, "a - b * c / (sqrt(d) + 1e-8)", p, lr, m2, v2));
  add_output(&f, "before", make_sum(&f, 3, p));
  expect_like_reference(&f, 1e-5);
  fixture_close(&f);
}

static void test_states_that_swap(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value a = make_state(&f, DIMS(3, 4)), b = make_state(&f, DIMS(3, 4));
  add_update(&f, 0, b);
  add_update(&f, 1, a);
  add_output(&f, "t", VIEW(&f, a, DIMS(4, 3), NULL, "j", "i"));
  expect_like_reference(&f, 1e-6);
  fixture_close(&f);
}

static void test_state_updated_from_its_neighbours(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value a = make_state(&f, DIMS(300));
  mvg_value left = VIEW(&f, a, DIMS(300), NULL, "(i + 1) % 300");
  add_update(&f, 0, MAP(&f, "a + b", a, left));
  expect_like_reference(&f, 1e-6);
  fixture_close(&f);
}

static void test_empty_and_single_elements(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value none = make_input(&f, DIMS(0, 3)), one = make_input(&f, DIMS(1, 1));
  add_output(&f, "none", MAP(&f, "a * 2", none));
  add_output(&f, "sum", make_sum(&f, 1, none));
  add_output(&f, "one", MAP(&f, "a + b", one, make_sum(&f, 3, one)));
  add_output(&f, "itself", one);
  mvg_value constant;
  check(mvg_graph_scalar(f.graph, 2.5, &constant));
  add_output(&f, "constant", constant);
  expect_like_reference(&f, 1e-6);
  fixture_close(&f);
}

static void test_nan_and_infinity_pass_through(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value x = make_input(&f, DIMS(6));
  const double values[6] = {NAN, INFINITY, -INFINITY, 0, 1e-30, -2};
  for (int i = 0; i < 6; ++i)
    mvg_ndarray_set(f.inputs[0], i, values[i]);
  add_output(&f, "max", MAP(&f, "max(a, 0)", x));
  add_output(&f, "max_of_all", make_reduce(&f, "-inf", "max(acc, x)", "acc", 1, x));
  add_output(&f, "select", MAP(&f, "isnan(a) ? 7 : min(a, inf)", x));
  add_output(&f, "saturated", MAP(&f, "tanh(a) + sigmoid(a) + erf(a)", x));
  expect_like_reference(&f, 1e-6);
  fixture_close(&f);
}

static void test_constants_beyond_single_precision(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value x = make_input(&f, DIMS(5));
  const double strange[] = {NAN, 3e38, -3e38, 0, -1};
  for (int64_t i = 0; i < 5; ++i)
    mvg_ndarray_set(f.inputs[0], i, strange[i]);
  add_output(&f, "min", MAP(&f, "min(a, 1e39)", x));
  add_output(&f, "clamp", MAP(&f, "a < -1e300 ? -1e300 : a > 1e300 ? 1e300 : a", x));
  add_output(&f, "small", MAP(&f, "a * 0 + 1e-300", x));
  expect_like_reference(&f, 1e-6);
  fixture_close(&f);
}

static void test_random_numbers_are_the_hosts(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value x = make_input(&f, DIMS(50));
  add_output(&f, "u", MAP(&f, "random_uniform(7, 3, 2, i) + 0 * a", x));
  expect_like_reference(&f, 0);
  fixture_close(&f);
}

static void test_large_maps_run_four_elements_at_a_time(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value x = make_input(&f, DIMS(66, 256)), bias = make_input(&f, DIMS(256)),
            lr = make_input(&f, SCALAR);
  mvg_value p = make_state(&f, DIMS(66, 256));
  mvg_value y = MAP(&f, "a + b + random_uniform(1, 2, 3, i) * 0.25", x, bias);
  add_output(&f, "y", y);
  add_output(&f, "turned",
             MAP(&f, "a - b", y, VIEW(&f, x, DIMS(66, 256), NULL, "65 - i", "255 - j")));
  add_update(&f, 0, MAP(&f, "a - b * c", p, lr, y));
  expect_like_reference(&f, 1e-5);
  fixture_close(&f);
}

static void test_same_bits_run_after_run(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value x = make_input(&f, DIMS(300, 50));
  add_output(&f, "y", make_sum(&f, 3, MAP(&f, "exp(a) * sin(a)", x)));
  mvg_program *program;
  check(mvg_compile(f.graph, device, NULL, 0, &options, &program));
  mvg_ndarray *out[2];
  for (int i = 0; i < 2; ++i) {
    check(mvg_ndarray_create(MVG_DTYPE_F32, &SCALAR, &out[i]));
    check(mvg_program_run(program, (const mvg_ndarray *const *)f.inputs, 1, &out[i], 1));
  }
  assert_memory_equal(out[0]->data, out[1]->data, sizeof(float));
  mvg_ndarray_release(out[0]);
  mvg_ndarray_release(out[1]);
  mvg_program_destroy(program);
  fixture_close(&f);
}

static void test_wrong_arrays_are_refused_by_name(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value x = make_input(&f, DIMS(4));
  add_output(&f, "y", MAP(&f, "a + 1", x));
  mvg_program *program;
  check(mvg_compile(f.graph, device, NULL, 0, &options, &program));
  mvg_ndarray *short_array = make_array(DIMS(3), 0), *out = make_array(DIMS(4), 0);
  const mvg_ndarray *inputs[1] = {short_array};
  mvg_status status = mvg_program_run(program, inputs, 1, &out, 1);
  assert_non_null(status);
  assert_non_null(strstr(mvg_status_get_message(status), "input 'x0' is f32[4]"));
  mvg_status_destroy(status);
  mvg_ndarray_release(short_array);
  mvg_ndarray_release(out);
  mvg_program_destroy(program);
  fixture_close(&f);
}

static int pretend_gpu(void **state) {
  (void)state;
  ((mvg_caps *)mvg_device_get_caps(device))->is_cpu = false;
  return 0;
}

static int guard_programs(void **state) {
  (void)state;
  options.program.is_guarded = true;
  return 0;
}

static int pretend_short_bindings(void **state) {
  (void)state;
  options.program.is_guarded = false;
  mvg_caps *caps = (mvg_caps *)mvg_device_get_caps(device);
  caps->max_storage_range_bytes = 40000;
  caps->max_allocation_bytes = 400000;
  return 0;
}

int main(void) {
  if (skips_without_layers()) return 0;
  device = open_device();
  if (!device) {
    printf("1..0 # SKIP no Vulkan device\n");
    return 0;
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_maps_broadcast),
      cmocka_unit_test(test_views_change_indices_only),
      cmocka_unit_test(test_indices_are_right_in_32_bits_or_refused),
      cmocka_unit_test(test_remainders_of_what_has_no_known_bounds),
      cmocka_unit_test(test_reductions_with_prologue_and_epilogue),
      cmocka_unit_test(test_softmax_over_rows),
      cmocka_unit_test(test_long_reductions_are_split),
      cmocka_unit_test(test_adam_updates_states),
      cmocka_unit_test(test_states_that_swap),
      cmocka_unit_test(test_state_updated_from_its_neighbours),
      cmocka_unit_test(test_empty_and_single_elements),
      cmocka_unit_test(test_nan_and_infinity_pass_through),
      cmocka_unit_test(test_constants_beyond_single_precision),
      cmocka_unit_test(test_random_numbers_are_the_hosts),
      cmocka_unit_test(test_large_maps_run_four_elements_at_a_time),
      cmocka_unit_test(test_same_bits_run_after_run),
      cmocka_unit_test(test_wrong_arrays_are_refused_by_name),
  };
  // Everything runs again between guard bands, as on a device whose bindings are too short for the
  // larger tensors, and, where the device is a CPU, by the path of GPUs: staging, shared memory, no
  // bindings to host code.
  enum { COUNT = sizeof tests / sizeof tests[0], WAYS = 4 };
  static const struct {
    const char *name;
    CMFixtureFunction setup;
  } ways[WAYS] = {{"", NULL},
                  {"_under_guard", guard_programs},
                  {"_with_short_bindings", pretend_short_bindings},
                  {"_as_a_gpu", pretend_gpu}};
  struct CMUnitTest all[WAYS * COUNT];
  char names[WAYS * COUNT][96];
  for (int i = 0; i < WAYS * COUNT; ++i) {
    all[i] = tests[i % COUNT];
    snprintf(names[i], sizeof names[i], "%s%s", all[i].name, ways[i / COUNT].name);
    all[i].name = names[i];
    all[i].setup_func = ways[i / COUNT].setup;
    all[i].teardown_func = expect_silence;
  }
  int runs = mvg_device_get_caps(device)->is_cpu ? WAYS : WAYS - 1;
  int failed = _cmocka_run_group_tests("program", all, (size_t)(runs * COUNT), NULL, NULL);
  mvg_device_release(device);
  return expect_silence(NULL) ? 1 : failed;
}

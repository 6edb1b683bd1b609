// Guard bands: kernels and host operators that are wrong on purpose are caught and named.
#include "support/graph_fixture.h"
#include "support/validation.h"

static mvg_device *device;

#define ELEMENTS 7

// Runs the graph under guard; *out receives the first output, its status is returned.
static mvg_status run_guarded(fixture *f, mvg_ndarray **out) {
  mvg_state *states[FIXTURE_MAX];
  for (uint32_t i = 0; i < f->state_count; ++i) {
    check(mvg_state_create_guarded(device, "weights", &f->state_types[i], &states[i]));
    check(mvg_state_write(states[i], f->state_values[i]));
  }
  mvg_program *program;
  // in shaders: host code takes its extents from the graph's types, which are right
  mvg_compile_options options = {.keep_host_bindings_off = true, .program = {.is_guarded = true}};
  check(mvg_compile(f->graph, device, states, f->state_count, &options, &program));
  mvg_shape shape = DIMS(ELEMENTS);
  check(mvg_ndarray_create(MVG_DTYPE_F32, &shape, out));
  mvg_status status = NULL;
  for (int i = 0; i < 2 && !status; ++i) {
    status =
        mvg_program_run(program, (const mvg_ndarray *const *)f->inputs, f->input_count, out, 1);
  }
  mvg_program_destroy(program);
  for (uint32_t i = 0; i < f->state_count; ++i)
    mvg_state_release(states[i]);
  return status;
}

static void expect_caught(fixture *f, const char *culprit, const char *place) {
  mvg_ndarray *out;
  mvg_status status = run_guarded(f, &out);
  if (!status) fail_msg("nothing was caught at '%s'", place);
  const char *message = mvg_status_get_message(status);
  if (!strstr(message, culprit) || !strstr(message, place)) fail_msg("%s", message);
  mvg_status_destroy(status);
  mvg_ndarray_release(out);
}

// y[i] = table[index[i]], for `count` elements of the ELEMENTS that y has, out of `rows` that the
// kernel takes the table to have.
static mvg_value add_gather(fixture *f, mvg_value table, mvg_value index, int64_t rows,
                            uint64_t count) {
  static const char *const inputs[] = {"table", "index"}, *const outputs[] = {"y"};
  const mvg_constant constants[] = {{"C", true, 1, 0}, {"R", true, rows, 0}};
  mvg_type type = {.dtype = MVG_DTYPE_F32, .shape = DIMS(ELEMENTS)};
  const mvg_value operands[] = {table, index};
  mvg_node node = {.kind = MVG_KIND_KERNEL,
                   .op = "wrong_gather",
                   .input_count = 2,
                   .output_count = 1,
                   .inputs = operands,
                   .outputs = &type,
                   .kernel = {.source = "index/gather_rows.comp",
                              .input_names = inputs,
                              .output_names = outputs,
                              .constant_count = 2,
                              .invocations = count}};
  check(mvg_arena_copy(mvg_graph_get_arena(f->graph), constants, 2, sizeof *constants,
                       (void **)&node.kernel.constants));
  uint32_t id;
  check(mvg_graph_add_node(f->graph, &node, &id));
  return (mvg_value){id, 0};
}

static mvg_value make_index(fixture *f, int64_t last) {
  mvg_type type = {.dtype = MVG_DTYPE_I32, .shape = DIMS(ELEMENTS)};
  mvg_value value;
  check(mvg_graph_leaf(f->graph, MVG_KIND_INPUT, "index", f->input_count, &type, &value));
  mvg_ndarray *array;
  check(mvg_ndarray_create(MVG_DTYPE_I32, &type.shape, &array));
  for (int64_t i = 0; i < ELEMENTS; ++i)
    mvg_ndarray_set(array, i, (double)(i + 1 == ELEMENTS ? last : i));
  f->inputs[f->input_count++] = array;
  return value;
}

static void test_programs_that_are_right_pass(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value table = make_input(&f, DIMS(ELEMENTS));
  mvg_value y = add_gather(&f, MAP(&f, "a * 2", table), make_index(&f, 3), ELEMENTS, ELEMENTS);
  mvg_value weights = make_state(&f, DIMS(ELEMENTS));
  add_output(&f, "y", MAP(&f, "a + b", y, weights));
  add_update(&f, 0, MAP(&f, "a * b", y, weights));
  mvg_ndarray *out;
  check(run_guarded(&f, &out));
  mvg_ndarray_release(out);
  fixture_close(&f);
}

static void test_a_write_past_the_end_is_caught(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value table = make_input(&f, DIMS(ELEMENTS));
  mvg_value y = add_gather(&f, table, make_index(&f, 3), ELEMENTS, ELEMENTS + 1);
  add_output(&f, "y", MAP(&f, "a + 1", VIEW(&f, y, DIMS(ELEMENTS), NULL, "6 - i")));
  expect_caught(&f, "step 0, kernel wrong_gather, wrote out of bounds",
                "element 7 of (engine):0 wrong_gather f32[7], which has 7");
  fixture_close(&f);
}

static void test_a_write_past_the_end_of_a_state_is_caught(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value table = make_input(&f, DIMS(ELEMENTS));
  mvg_value y = add_gather(&f, table, make_index(&f, 3), ELEMENTS, ELEMENTS + 1);
  make_state(&f, DIMS(ELEMENTS));
  add_update(&f, 0, y);
  add_output(&f, "z", MAP(&f, "a + 1", table));
  expect_caught(&f, "wrong_gather, wrote out of bounds",
                "element 7 of (engine):0 wrong_gather f32[7]");
  fixture_close(&f);
}

static void test_a_read_past_the_end_finds_nan(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value table = make_input(&f, DIMS(ELEMENTS));
  add_output(&f, "y", add_gather(&f, table, make_index(&f, ELEMENTS), ELEMENTS + 1, ELEMENTS));
  mvg_ndarray *out;
  check(run_guarded(&f, &out));
  for (int64_t i = 0; i + 1 < ELEMENTS; ++i)
    assert_true(mvg_ndarray_get(out, i) == mvg_ndarray_get(f.inputs[0], i));
  assert_true(isnan(mvg_ndarray_get(out, ELEMENTS - 1)));
  mvg_ndarray_release(out);
  fixture_close(&f);
}

// ---- host operators ----

static mvg_status write_outside(void *context, const mvg_constant *constants,
                                uint32_t constant_count, const mvg_ndarray *const *inputs,
                                uint32_t input_count, mvg_ndarray *const *outputs,
                                uint32_t output_count) {
  (void)context, (void)constant_count, (void)input_count, (void)output_count;
  float *y = outputs[0]->data;
  memcpy(y, inputs[0]->data, inputs[0]->size_bytes);
  y[constants[0].integer] = 1;
  return NULL;
}

static void expect_host_caught(int64_t element, const char *place) {
  static const mvg_opdef def = {.name = "wrong_copy", .kind = MVG_KIND_HOST, .run = write_outside};
  fixture f;
  fixture_open(&f);
  const mvg_value x = make_input(&f, DIMS(ELEMENTS));
  const mvg_constant at = {.name = "at", .is_integer = true, .integer = element};
  mvg_type type = {.dtype = MVG_DTYPE_F32, .shape = DIMS(ELEMENTS)};
  mvg_node node = {.kind = MVG_KIND_HOST,
                   .op = def.name,
                   .def = &def,
                   .input_count = 1,
                   .output_count = 1,
                   .inputs = &x,
                   .outputs = &type,
                   .host = {.constants = &at, .constant_count = 1}};
  uint32_t id;
  check(mvg_graph_add_node(f.graph, &node, &id));
  add_output(&f, "y", MAP(&f, "a + 1", (mvg_value){id, 0}));
  expect_caught(&f, "host wrong_copy, wrote out of bounds", place);
  fixture_close(&f);
}

static void test_host_operators_are_caught_on_both_sides(void **state) {
  (void)state;
  expect_host_caught(-1, "element -1 of (engine):0 wrong_copy f32[7]");
  expect_host_caught(ELEMENTS, "element 7 of (engine):0 wrong_copy f32[7]");
}

static int pretend_gpu(void **state) {
  (void)state;
  ((mvg_caps *)mvg_device_get_caps(device))->is_cpu = false;
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
      cmocka_unit_test(test_programs_that_are_right_pass),
      cmocka_unit_test(test_a_write_past_the_end_is_caught),
      cmocka_unit_test(test_a_write_past_the_end_of_a_state_is_caught),
      cmocka_unit_test(test_a_read_past_the_end_finds_nan),
      cmocka_unit_test(test_host_operators_are_caught_on_both_sides),
  };
  // Again by the path of GPUs, whose inputs and outputs are staged.
  enum { COUNT = sizeof tests / sizeof tests[0] };
  struct CMUnitTest all[2 * COUNT];
  char names[COUNT][96];
  for (int i = 0; i < COUNT; ++i) {
    all[i] = tests[i];
    all[i].teardown_func = expect_silence;
    all[COUNT + i] = all[i];
    snprintf(names[i], sizeof names[i], "%s_as_a_gpu", tests[i].name);
    all[COUNT + i].name = names[i];
    all[COUNT + i].setup_func = pretend_gpu;
  }
  int failed = _cmocka_run_group_tests("guard", all, 2 * COUNT, NULL, NULL);
  mvg_device_release(device);
  return expect_silence(NULL) ? 1 : failed;
}

// Sixteen-bit storage and recomputation: the formats, the passes, and programs that use them.
#include "support/graph_fixture.h"

#include "autodiff/backward.h"
#include "base/half.h"
#include "passes/pass_list.h"
#include "program/host_matmul.h"

// ---- formats ----

// `value` rounded to `bits` bits of mantissa, ties to even, no exponent below `lowest`.
static double round_to(double value, int bits, int lowest) {
  int exponent;
  frexp(value, &exponent);
  if (exponent < lowest) exponent = lowest;
  double unit = ldexp(1, exponent - bits);
  return nearbyint(value / unit) * unit;
}

static void test_every_half_survives_the_way_through_f32(void **state) {
  (void)state;
  for (uint32_t half = 0; half < 65536; ++half) {
    float f16 = mvg_float_from_f16((uint16_t)half), bf16 = mvg_float_from_bf16((uint16_t)half);
    if (isnan(f16)) {
      assert_true(isnan(mvg_float_from_f16(mvg_float_to_f16(f16))));
    } else {
      assert_int_equal(mvg_float_to_f16(f16), half);
    }
    if (isnan(bf16)) {
      assert_true(isnan(mvg_float_from_bf16(mvg_float_to_bf16(bf16))));
    } else {
      assert_int_equal(mvg_float_to_bf16(bf16), half);
    }
  }
  assert_true(mvg_float_from_f16(0x3c00) == 1 && mvg_float_from_f16(0x0001) == 0x1p-24f);
  assert_true(mvg_float_from_f16(0x7bff) == 65504 && isinf(mvg_float_from_f16(0xfc00)));
}

static void test_halves_are_rounded_to_nearest_even(void **state) {
  (void)state;
  for (uint32_t i = 0; i < 2000000; ++i) {
    float value = mvg_float_from_bits(i * 2147u + 3u);
    double f16 = round_to(value, 11, -13), bf16 = round_to(value, 8, -125);
    if (!isfinite(value)) continue;
    if (fabs(f16) > 65504) f16 = INFINITY;
    assert_true(fabs(mvg_float_from_f16(mvg_float_to_f16(value))) == fabs(f16));
    if (fabs(bf16) > 3.39e38) bf16 = INFINITY;
    assert_true(fabs(mvg_float_from_bf16(mvg_float_to_bf16(value))) == fabs(bf16));
  }
  assert_true(isnan(mvg_float_from_f16(mvg_float_to_f16(NAN))));
  assert_true(isnan(mvg_float_from_bf16(mvg_float_to_bf16(NAN))));
  assert_true(signbit(mvg_float_from_f16(mvg_float_to_f16(-0.0f))));
}

// ---- products ----

static void *make_elements(mvg_dtype dtype, int64_t count, uint32_t seed, float *widened) {
  uint16_t *halves = calloc((size_t)count, sizeof *halves);
  for (int64_t i = 0; i < count; ++i) {
    seed = seed * 1664525u + 1013904223u;
    float value = (float)(seed >> 8) / 8388608.0f - 1.0f;
    halves[i] = dtype == MVG_DTYPE_F16 ? mvg_float_to_f16(value) : mvg_float_to_bf16(value);
    widened[i] = dtype == MVG_DTYPE_F16    ? mvg_float_from_f16(halves[i])
                 : dtype == MVG_DTYPE_BF16 ? mvg_float_from_bf16(halves[i])
                                           : value;
  }
  if (mvg_dtype_is_half(dtype)) return halves;
  free(halves);
  return NULL;
}

static void expect_rounded_product(const mvg_matmul *shape) {
  mvg_matmul plain = *shape;
  plain.a = plain.b = plain.y = MVG_DTYPE_F32;
  int64_t a_count = shape->batch * shape->m * shape->k,
          b_count = shape->batch * shape->k * shape->n;
  int64_t count = shape->batch * shape->m * shape->n;
  float *a = calloc((size_t)a_count, sizeof *a), *b = calloc((size_t)b_count, sizeof *b);
  float *y = calloc((size_t)count, sizeof *y);
  void *a_halves = make_elements(shape->a, a_count, 1, a);
  void *b_halves = make_elements(shape->b, b_count, 2, b);
  void *y_halves = calloc((size_t)count, sizeof(float));
  mvg_host_matmul(&plain, a, b, y);
  mvg_host_matmul(shape, a_halves ? a_halves : a, b_halves ? b_halves : b, y_halves);
  for (int64_t i = 0; i < count; ++i) {
    if (shape->y == MVG_DTYPE_F32) {
      assert_true(((float *)y_halves)[i] == y[i]);
    } else {
      uint16_t want = shape->y == MVG_DTYPE_F16 ? mvg_float_to_f16(y[i]) : mvg_float_to_bf16(y[i]);
      assert_int_equal(((uint16_t *)y_halves)[i], want);
    }
  }
  free(a);
  free(b);
  free(y);
  free(a_halves);
  free(b_halves);
  free(y_halves);
}

static void test_products_of_halves_are_those_of_floats_rounded_once(void **state) {
  (void)state;
  static const int64_t shapes[][4] = {
      {1, 300, 65, 400}, {3, 17, 33, 5}, {1, 64, 64, 64}, {2, 1, 7, 193}};
  static const mvg_dtype types[][3] = {{MVG_DTYPE_BF16, MVG_DTYPE_F32, MVG_DTYPE_BF16},
                                       {MVG_DTYPE_F32, MVG_DTYPE_BF16, MVG_DTYPE_F32},
                                       {MVG_DTYPE_BF16, MVG_DTYPE_BF16, MVG_DTYPE_F32},
                                       {MVG_DTYPE_F16, MVG_DTYPE_F16, MVG_DTYPE_F16}};
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; ++i) {
    for (size_t t = 0; t < sizeof types / sizeof types[0]; ++t) {
      for (int flags = 0; flags < 4; ++flags) {
        mvg_matmul shape = {.batch = shapes[i][0],
                            .m = shapes[i][1],
                            .n = shapes[i][2],
                            .k = shapes[i][3],
                            .transpose_a = flags & 1,
                            .transpose_b = flags >> 1,
                            .a = types[t][0],
                            .b = types[t][1],
                            .y = types[t][2]};
        expect_rounded_product(&shape);
      }
    }
  }
}

// ---- scopes ----

static bool contains(const char *pattern, const char *path, size_t *length) {
  return mvg_scope_contains(&(mvg_scope){&pattern, 1}, path, length);
}

static void test_scopes_name_modules_and_what_lies_in_them(void **state) {
  (void)state;
  size_t length;
  assert_true(contains("net.layers.*", "net.layers.3.norm", &length) && length == 12);
  assert_true(contains("net.layers.*", "net.layers.12", &length) && length == 13);
  assert_true(contains("", "anything", &length) && length == 0);
  assert_true(contains("*", "anything.below", &length) && length == 8);
  assert_false(contains("net.layers.*", "net.layers", &length));
  assert_false(contains("net.layer", "net.layers.3", &length));
  assert_false(contains("layers", "net.layers", &length));
  assert_false(mvg_scope_contains(&(mvg_scope){0}, "net", &length));
}

// ---- passes ----

static void set_path(fixture *f, const char *path, bool is_gradient) {
  mvg_graph_set_origin(f->graph, &(mvg_origin){"test", 1, path, is_gradient});
}

static mvg_graph *run(const fixture *f, const mvg_pass_options *options) {
  mvg_graph *graph;
  check(mvg_pass_run_all(f->graph, options, NULL, NULL, &graph));
  return graph;
}

static mvg_dtype find_dtype(const mvg_graph *graph, const char *op) {
  for (uint32_t id = 0; id < mvg_graph_get_node_count(graph); ++id) {
    const mvg_node *node = mvg_graph_get_node(graph, id);
    if (strcmp(node->op, op) == 0) return node->outputs[0].dtype;
  }
  fail_msg("no %s", op);
  return MVG_DTYPE_COUNT;
}

static uint32_t count_ops(const mvg_graph *graph, const char *op) {
  uint32_t count = 0;
  for (uint32_t id = 0; id < mvg_graph_get_node_count(graph); ++id)
    count += strcmp(mvg_graph_get_node(graph, id)->op, op) == 0;
  return count;
}

static mvg_value name_map(fixture *f, const char *op, const char *text, mvg_value a, mvg_value b) {
  const mvg_expr *expr;
  const char *names[] = {"a", "b"};
  check(mvg_expr_parse(mvg_graph_get_arena(f->graph), text, names, 2, &expr));
  mvg_value out;
  check(mvg_graph_map(f->graph, NULL, op, MVG_DTYPE_F32, expr, (mvg_value[]){a, b}, 2, &out));
  return out;
}

static void test_activations_become_halves_and_what_leaves_the_program_does_not(void **state) {
  (void)state;
  static const char *const patterns[] = {"net"};
  fixture f;
  fixture_open(&f);
  mvg_value x = make_input(&f, DIMS(64, 64)), s = make_state(&f, DIMS(64));
  set_path(&f, "net.a", false);
  mvg_value inner = name_map(&f, "inner", "a * b", x, s);
  mvg_value turned = VIEW(&f, inner, DIMS(64, 64), NULL, "j", "i");
  set_path(&f, "loss", false);
  mvg_value outside = name_map(&f, "outside", "a + b", turned, s);
  set_path(&f, "net.b", false);
  mvg_value sum = make_sum(&f, 1, name_map(&f, "again", "a * b", outside, outside));
  mvg_value next = name_map(&f, "next", "a - b", s, sum),
            last = name_map(&f, "last", "a + b", outside, s);
  add_update(&f, 0, next);
  add_output(&f, "last", last);
  mvg_pass_options options = {.precision = MVG_DTYPE_BF16, .halves = {patterns, 1}};
  mvg_graph *graph = run(&f, &options);
  assert_int_equal(find_dtype(graph, "inner"), MVG_DTYPE_F32); // a map away from an output
  assert_int_equal(find_dtype(graph, "again"), MVG_DTYPE_BF16);
  assert_int_equal(find_dtype(graph, "reduce"), MVG_DTYPE_F32);
  assert_int_equal(find_dtype(graph, "next"), MVG_DTYPE_F32);
  mvg_graph_destroy(graph);
  options.precision = MVG_DTYPE_F32;
  graph = run(&f, &options);
  assert_int_equal(find_dtype(graph, "again"), MVG_DTYPE_F32);
  mvg_graph_destroy(graph);
  fixture_close(&f);
}

static void test_a_module_is_computed_again_for_its_gradient(void **state) {
  (void)state;
  static const char *const patterns[] = {"net.*"};
  fixture f;
  fixture_open(&f);
  mvg_value x = make_input(&f, DIMS(64, 64));
  set_path(&f, "net.a", false);
  mvg_value first = name_map(&f, "first", "exp(a)", x, x);
  mvg_value second = name_map(&f, "second", "sin(a)", first, first);
  set_path(&f, "loss", false);
  mvg_value loss, gradient;
  check(mvg_graph_sum(f.graph, name_map(&f, "third", "a * a", second, second), 3, &loss));
  check(mvg_backward(f.graph, loss, &x, 1, &gradient));
  add_output(&f, "gradient", gradient);
  add_output(&f, "loss", loss);
  mvg_graph *plain = run(&f, NULL);
  mvg_graph *again = run(&f, &(mvg_pass_options){.recompute = {patterns, 1}});
  assert_int_equal(count_ops(plain, "first"), 1);
  assert_int_equal(count_ops(again, "first"), 2);
  assert_int_equal(count_ops(again, "second"), 1); // the loss reads it: it is held
  assert_int_equal(count_ops(again, "gate"), 1);
  mvg_graph_destroy(plain);
  mvg_graph_destroy(again);
  fixture_close(&f);
}

// ---- programs ----

// A chain whose middle is stored: reductions of it are read by every element.
static void make_chain(fixture *f) {
  mvg_value x = make_input(f, DIMS(96, 40)), y = make_input(f, DIMS(96, 40));
  set_path(f, "net", false);
  mvg_value inner = MAP(f, "a * 3 + b", x, y);
  mvg_value middle = MAP(f, "tanh(a) * b", inner, y);
  mvg_value turned = VIEW(f, middle, DIMS(40, 96), NULL, "95 - j", "i"); // no mere permutation
  mvg_value rows = make_reduce(f, "-inf", "max(acc, x)", "acc", 2, turned);
  mvg_value spread = VIEW(f, rows, DIMS(40, 96), NULL, "i");
  add_output(f, "sum", make_sum(f, 3, MAP(f, "a * a + b", turned, spread)));
  add_output(f, "rows", make_sum(f, 1, MAP(f, "a - b * 2", turned, spread)));
}

static void run_chain(mvg_device *device, mvg_dtype precision, bool keep_off, float *out) {
  static const char *const patterns[] = {"net"};
  fixture f;
  fixture_open(&f);
  make_chain(&f);
  mvg_compile_options options = {.keep_host_bindings_off = keep_off,
                                 .passes = {.precision = precision, .halves = {patterns, 1}}};
  mvg_program *program;
  check(mvg_compile(f.graph, device, NULL, 0, &options, &program));
  mvg_ndarray *outputs[2] = {make_array(SCALAR, 0), make_array(DIMS(96), 0)};
  check(mvg_program_run(program, (const mvg_ndarray *const *)f.inputs, 2, outputs, 2));
  out[0] = *(float *)outputs[0]->data;
  memcpy(out + 1, outputs[1]->data, 96 * sizeof *out);
  mvg_ndarray_release(outputs[0]);
  mvg_ndarray_release(outputs[1]);
  mvg_program_destroy(program);
  fixture_close(&f);
}

static void test_shaders_and_host_code_round_alike(void **state) {
  (void)state;
  mvg_device *device = open_device();
  if (!device) skip();
  float exact[97], host[97], shader[97];
  run_chain(device, MVG_DTYPE_F32, false, exact);
  static const mvg_dtype types[] = {MVG_DTYPE_BF16, MVG_DTYPE_F16};
  static const double tolerances[] = {0.02, 0.003};
  for (int t = 0; t < 2; ++t) {
    run_chain(device, types[t], false, host);
    run_chain(device, types[t], true, shader);
    bool differs = false;
    for (int i = 0; i < 97; ++i) {
      assert_true(fabs(host[i] - exact[i]) <= tolerances[t] * 100);
      assert_true(fabs(host[i] - shader[i]) <= 1e-3 * fabs(exact[i]) + 0.05 * tolerances[t]);
      differs = differs || host[i] != exact[i];
    }
    assert_true(differs); // something was stored in 16 bits
  }
  mvg_device_release(device);
}

int main(void) {
  setenv("MVGRAPH_ONEDNN", "0", 1); // which sums floats in another order than the engine does
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_half_survives_the_way_through_f32),
      cmocka_unit_test(test_halves_are_rounded_to_nearest_even),
      cmocka_unit_test(test_products_of_halves_are_those_of_floats_rounded_once),
      cmocka_unit_test(test_scopes_name_modules_and_what_lies_in_them),
      cmocka_unit_test(test_activations_become_halves_and_what_leaves_the_program_does_not),
      cmocka_unit_test(test_a_module_is_computed_again_for_its_gradient),
      cmocka_unit_test(test_shaders_and_host_code_round_alike),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

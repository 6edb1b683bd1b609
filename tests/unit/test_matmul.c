// Matrix products in shaders: the choice of tiles and slices for made-up devices, and every tile
// against sums in double precision on a real one.
#include "codegen/matmul_tile.h"
#include "passes/slice.h"
#include "program/matrix_check.h"
#include "program/tuned.h"
#include "tests/support/graph_fixture.h"
#include "tests/support/validation.h"

static mvg_device *device;
static mvg_compile_options compile_options;

// ---- choice ----

static mvg_kernel_body make_product(mvg_constant constants[4], int64_t batch, int64_t m, int64_t n,
                                    int64_t k) {
  constants[0] = (mvg_constant){"B", true, batch, 0};
  constants[1] = (mvg_constant){"K", true, k, 0};
  constants[2] = (mvg_constant){"M", true, m, 0};
  constants[3] = (mvg_constant){"N", true, n, 0};
  return (mvg_kernel_body){
      .source = "matmul/matmul.comp", .constants = constants, .constant_count = 4};
}

static void expect_choice(const mvg_caps *caps, int64_t m, int64_t n, const char *name) {
  mvg_constant constants[4];
  mvg_kernel_body product = make_product(constants, 1, m, n, 96);
  const mvg_matmul_tile *tile;
  check(mvg_matmul_tile_choose(&product, caps, MVG_OPERANDS_F32, &tile));
  assert_string_equal(tile->name, name);
}

static const mvg_caps large_gpu = {
    .name = "large", .max_local_size = 1024, .max_shared_bytes = 49152, .core_count = 132};
static const mvg_caps least_gpu = {
    .name = "least", .max_local_size = 128, .max_shared_bytes = 16384};

static void test_large_products_take_the_tile_that_pads_least(void **state) {
  (void)state;
  expect_choice(&large_gpu, 131072, 384, "128x128x16");
  expect_choice(&large_gpu, 131072, 96, "128x96x16");
  expect_choice(&large_gpu, 131072, 288, "128x96x16");
}

static void test_small_products_take_tiles_that_occupy_all_cores(void **state) {
  (void)state;
  expect_choice(&large_gpu, 2048, 768, "64x64x16"); // 384 workgroups; of 128 x 96 there were 128
  expect_choice(&large_gpu, 32, 1000, "32x32x32");
  mvg_caps few = large_gpu;
  few.core_count = 8;
  expect_choice(&few, 2048, 768, "128x128x16");
}

static void test_tiles_keep_within_the_least_limits(void **state) {
  (void)state;
  expect_choice(&least_gpu, 131072, 96, "64x64x16");
  mvg_caps cpu = least_gpu;
  cpu.is_cpu = true;
  expect_choice(&cpu, 131072, 96, "direct");
}

static void test_a_forced_tile_must_exist_and_fit(void **state) {
  (void)state;
  mvg_constant constants[4];
  mvg_kernel_body product = make_product(constants, 1, 64, 64, 64);
  const mvg_matmul_tile *tile;
  setenv("MVGRAPH_TILE", "128x96x16", 1);
  check(mvg_matmul_tile_choose(&product, &large_gpu, MVG_OPERANDS_F32, &tile));
  assert_string_equal(tile->name, "128x96x16");
  mvg_status status = mvg_matmul_tile_choose(&product, &least_gpu, MVG_OPERANDS_F32, &tile);
  assert_int_equal(mvg_status_get_code(status), MVG_UNSUPPORTED);
  mvg_status_destroy(status);
  setenv("MVGRAPH_TILE", "7x7", 1);
  status = mvg_matmul_tile_choose(&product, &large_gpu, MVG_OPERANDS_F32, &tile);
  assert_int_equal(mvg_status_get_code(status), MVG_INVALID_ARGUMENT);
  assert_non_null(strstr(mvg_status_get_message(status), "direct"));
  mvg_status_destroy(status);
  unsetenv("MVGRAPH_TILE");
}

static void test_only_long_sums_with_few_results_are_sliced(void **state) {
  (void)state;
  assert_int_equal(mvg_slice_choose(1, 131072, 96, 384), 384);
  assert_int_equal(mvg_slice_choose(1, 3072, 768, 2048), 2048);
  int64_t slice = mvg_slice_choose(1, 288, 96, 131072); // 10 tiles of 64 x 64
  assert_int_equal(slice % 32, 0);
  int64_t slices = (131072 + slice - 1) / slice;
  assert_in_range(slices, 40, 52);
  assert_int_equal(mvg_slice_choose(1, 8, 8, 2048), 512);
}

// ---- numbers ----

typedef struct {
  int64_t batch, m, n, k;
  bool ta, tb, broadcast_b;
  bool is_fused; // with a prologue, an epilogue and a bias
  bool is_half;  // bf16 operands
  bool is_gram;  // b is a
  mvg_operands operands;
} product;

static mvg_value add_product(fixture *f, const product *p, mvg_value a, mvg_value b) {
  static const char *const inputs[] = {"a", "b"}, *const outputs[] = {"y"};
  const mvg_constant constants[] = {{"B", true, p->batch, 0},
                                    {"BROADCAST_A", true, 0, 0},
                                    {"BROADCAST_B", true, p->broadcast_b, 0},
                                    {"K", true, p->k, 0},
                                    {"M", true, p->m, 0},
                                    {"N", true, p->n, 0},
                                    {"TRANSPOSE_A", true, p->ta, 0},
                                    {"TRANSPOSE_B", true, p->tb, 0}};
  mvg_type type = {.dtype = MVG_DTYPE_F32, .shape = DIMS(p->batch, p->m, p->n)};
  const mvg_value operands[2] = {a, b};
  mvg_node node = {.kind = MVG_KIND_KERNEL,
                   .op = "matmul",
                   .input_count = 2,
                   .output_count = 1,
                   .inputs = operands,
                   .outputs = &type,
                   .kernel = {.source = "matmul/matmul.comp",
                              .input_names = inputs,
                              .output_names = outputs,
                              .constant_count = 8,
                              .groups = {(uint32_t)((p->n + 31) / 32), (uint32_t)((p->m + 31) / 32),
                                         (uint32_t)p->batch},
                              .local_size = 64,
                              .binding = "matmul"}};
  check(mvg_arena_copy(mvg_graph_get_arena(f->graph), constants, 8, sizeof *constants,
                       (void **)&node.kernel.constants));
  uint32_t id;
  check(mvg_graph_add_node(f->graph, &node, &id));
  return (mvg_value){id, 0};
}

// Operands that fit into 16 bits, so that products of them are exact.
static void keep_short(fixture *f) {
  for (uint32_t i = 0; i < 2; ++i) {
    for (int64_t at = 0; at < mvg_shape_get_size(&f->inputs[i]->shape); ++at) {
      double x = mvg_ndarray_get(f->inputs[i], at);
      mvg_ndarray_set(f->inputs[i], at, 0.125 * (1 + floor(8 * fabs(x))));
    }
  }
}

// What the host gives, rounded on the device.
static mvg_value round_to_half(fixture *f, mvg_value x) {
  const mvg_expr *expr;
  mvg_value out;
  check(mvg_expr_parse(mvg_graph_get_arena(f->graph), "exp(log(x))", (const char *const[]){"x"}, 1,
                       &expr));
  check(mvg_graph_map(f->graph, NULL, "round", MVG_DTYPE_BF16, expr, &x, 1, &out));
  return out;
}

static void compare(const product *p, const fixture *f, const mvg_ndarray *out) {
  const float *left = f->inputs[0]->data, *right = f->inputs[1]->data, *add = f->inputs[2]->data;
  for (int64_t at = 0; at < p->batch * p->m * p->n; ++at) {
    int64_t i = at / (p->m * p->n), r = at / p->n % p->m, c = at % p->n;
    int64_t j = p->broadcast_b ? 0 : i;
    double sum = 0;
    for (int64_t l = 0; l < p->k; ++l) {
      double x = left[i * p->m * p->k + (p->ta ? l * p->m + r : r * p->k + l)];
      sum += x * right[j * p->k * p->n + (p->tb ? c * p->k + l : l * p->n + c)];
    }
    double want = p->is_fused ? fmax(0.5 * sum + add[c], 0) : sum, got = mvg_ndarray_get(out, at);
    double tolerance = p->operands == MVG_OPERANDS_SPLIT ? 5e-4 : 1e-4;
    if (fabs(got - want) <= tolerance * (1 + fabs(want))) continue;
    print_error("%lldx%lldx%lld %d%d: y[%lld, %lld, %lld] is %.9g, not %.9g\n", (long long)p->m,
                (long long)p->n, (long long)p->k, p->ta, p->tb, (long long)i, (long long)r,
                (long long)c, got, want);
    fail();
  }
}

static void expect_product(const product *p, bool has_bindings) {
  fixture f;
  fixture_open(&f);
  mvg_value a = make_input(&f, p->ta ? DIMS(p->batch, p->k, p->m) : DIMS(p->batch, p->m, p->k));
  int64_t own = p->broadcast_b ? 1 : p->batch;
  mvg_value b = make_input(&f, p->tb ? DIMS(own, p->n, p->k) : DIMS(own, p->k, p->n));
  mvg_value bias = make_input(&f, DIMS(p->n));
  if (p->is_gram) {
    memcpy(f.inputs[1]->data, f.inputs[0]->data, f.inputs[0]->size_bytes);
    b = a;
  }
  if (p->is_half || p->operands == MVG_OPERANDS_F16 || p->operands == MVG_OPERANDS_BF16)
    keep_short(&f);
  if (p->is_half) a = round_to_half(&f, a), b = round_to_half(&f, b);
  mvg_value y = add_product(&f, p, p->is_fused ? MAP(&f, "a * 0.5", a) : a, b);
  add_output(&f, "y", p->is_fused ? MAP(&f, "max(a + b, 0)", y, bias) : y);
  mvg_program *program;
  mvg_compile_options options = compile_options;
  options.keep_host_bindings_off = !has_bindings;
  check(mvg_compile(f.graph, device, NULL, 0, &options, &program));
  mvg_ndarray *out;
  mvg_shape shape = DIMS(p->batch, p->m, p->n);
  check(mvg_ndarray_create(MVG_DTYPE_F32, &shape, &out));
  check(mvg_program_run(program, (const mvg_ndarray *const *)f.inputs, 3, &out, 1));
  compare(p, &f, out);
  mvg_ndarray_release(out);
  mvg_program_destroy(program);
  fixture_close(&f);
}

// Each operand in both layouts, element by element and in vectors, at edges and without.
static void expect_products(bool has_bindings, bool is_brief) {
  static const product shapes[] = {
      {.batch = 2, .m = 70, .n = 90, .k = 85, .tb = true, .is_fused = true},
      {.batch = 3, .m = 132, .n = 100, .k = 36, .ta = true, .tb = true, .broadcast_b = true},
      {.batch = 1, .m = 128, .n = 192, .k = 64}, // whole tiles of every size
      {.batch = 2, .m = 36, .n = 70, .k = 44, .ta = true, .is_half = true},
      {.batch = 1, .m = 44, .n = 44, .k = 40, .tb = true, .is_gram = true},
      {.batch = 1, .m = 33, .n = 1, .k = 3},
  };
  uint32_t count = is_brief ? 3 : sizeof shapes / sizeof shapes[0];
  for (uint32_t i = 0; i < count; ++i)
    expect_product(&shapes[i], has_bindings);
}

static void test_default_tiles_give_the_product(void **state) {
  (void)state;
  expect_products(true, false);
  expect_products(false, false);
}

static void test_every_tile_gives_the_product(void **state) {
  (void)state;
  for (uint32_t i = 0; i < mvg_matmul_tile_count; ++i) {
    const mvg_matmul_tile *tile = &mvg_matmul_tiles[i];
    const mvg_caps *caps = mvg_device_get_caps(device);
    if (tile->operands != MVG_OPERANDS_F32 || !mvg_matmul_tile_fits(tile, caps)) continue;
    setenv("MVGRAPH_TILE", tile->name, 1);
    expect_products(false, tile->rows != 64); // one way to load serves all
  }
  unsetenv("MVGRAPH_TILE");
}

// By matrix units where there are some, else by what stands for them.
static void test_matrix_tiles_give_the_product(void **state) {
  (void)state;
  product p = {.batch = 2, .m = 70, .n = 90, .k = 45, .ta = true, .is_fused = true};
  for (uint32_t i = 0; i < mvg_matmul_tile_count; ++i) {
    const mvg_matmul_tile *tile = &mvg_matmul_tiles[i];
    const mvg_caps *caps = mvg_device_get_caps(device);
    bool is_tested = tile->operands != MVG_OPERANDS_F32 && mvg_matmul_tile_fits(tile, caps) &&
                     (tile->rows == 64 || mvg_matmul_tile_is_native(tile, caps));
    if (!is_tested) continue;
    setenv("MVGRAPH_TILE", tile->name, 1);
    p.operands = tile->operands;
    expect_product(&p, false);
  }
  unsetenv("MVGRAPH_TILE");
}

static void expect_verdict(const mvg_matmul_tile *tile, bool wanted) {
  bool is_right = !wanted;
  check(mvg_matrix_check(device, tile, &is_right));
  assert_int_equal(is_right, wanted);
  is_right = !wanted; // from the cache
  check(mvg_matrix_check(device, tile, &is_right));
  assert_int_equal(is_right, wanted);
}

static void test_the_self_test_tells_right_from_wrong(void **state) {
  (void)state;
  static const char *const right[] = {"64x64x32-f16", "64x64x32-bf16", "64x64x32-split"};
  const mvg_caps *caps = mvg_device_get_caps(device);
  for (uint32_t i = 0; i < 3; ++i) {
    const mvg_matmul_tile *tile = mvg_matmul_tile_find(right[i]);
    if (mvg_matmul_tile_fits(tile, caps)) expect_verdict(tile, true);
  }
  // Workgroups that do a quarter of what the grid is made for.
  mvg_matmul_tile wrong = *mvg_matmul_tile_find("direct");
  wrong.rows = wrong.columns = 64;
  wrong.own_rows = wrong.own_columns = 8;
  expect_verdict(&wrong, false);
  mvg_matmul_tile missing = *mvg_matmul_tile_find("direct");
  missing.source = "matmul/no_such_file.comp";
  mvg_status status = mvg_matrix_check(device, &missing, &(bool){false});
  assert_int_equal(mvg_status_get_code(status), MVG_NOT_FOUND);
  mvg_status_destroy(status);
}

static void test_programs_fall_back_without_matrix_units(void **state) {
  (void)state;
  static const product halves = {.batch = 1, .m = 40, .n = 50, .k = 60, .is_half = true};
  const mvg_caps *caps = mvg_device_get_caps(device);
  if (caps->matrix_bf16.m > 0) return;
  compile_options.program.products = MVG_PRODUCTS_HALF;
  expect_product(&halves, false);
  compile_options.program.products = MVG_PRODUCTS_SPLIT;
  expect_product(&halves, false);
  compile_options.program.products = MVG_PRODUCTS_F32;
}

static void test_tuning_is_kept_and_taken(void **state) {
  (void)state;
  const mvg_caps *caps = mvg_device_get_caps(device);
  const mvg_matmul_tile *tile = mvg_matmul_tile_find("32x32x32");
  mvg_tuned tuned, again;
  check(mvg_tuned_load(caps, &tuned));
  check(mvg_tuned_set(&tuned, 17, tile));
  check(mvg_tuned_set(&tuned, 18, mvg_matmul_tile_find("direct")));
  check(mvg_tuned_set(&tuned, 18, NULL));
  check(mvg_tuned_save(&tuned, caps));
  check(mvg_tuned_load(caps, &again));
  assert_ptr_equal(mvg_tuned_find(&again, 17), tile);
  assert_null(mvg_tuned_find(&again, 18));
  mvg_tuned_deinit(&tuned);
  mvg_tuned_deinit(&again);
}

static void test_sliced_products_add_up(void **state) {
  (void)state;
  static const product long_sum = {.batch = 2, .m = 40, .n = 50, .k = 2500, .ta = true};
  static const char *const tiles[] = {"direct", "64x64x16", "32x32x32"};
  for (uint32_t i = 0; i < sizeof tiles / sizeof tiles[0]; ++i) {
    setenv("MVGRAPH_TILE", tiles[i], 1);
    expect_product(&long_sum, false);
  }
  unsetenv("MVGRAPH_TILE");
}

// Grids with an axis longer than devices take: of the least limits, and of tiny ones.
static void test_long_batches_and_many_rows_fit_the_grid(void **state) {
  (void)state;
  static const product batch = {.batch = 65553, .m = 3, .n = 3, .k = 3},
                       rows = {.batch = 1, .m = 65535 * 32 + 1, .n = 1, .k = 1};
  expect_product(&batch, false);
  expect_product(&rows, false);
}

static void test_tiles_go_without_a_third_axis(void **state) {
  (void)state;
  product shapes[] = {
      {.batch = 3, .m = 132, .n = 100, .k = 36, .ta = true, .is_fused = true},
      {.batch = 2, .m = 40, .n = 50, .k = 2500}, // in slices
  };
  mvg_caps *caps = (mvg_caps *)mvg_device_get_caps(device);
  const mvg_caps own = *caps;
  memcpy(caps->max_group_count, (const uint32_t[3]){7, 72, 1}, sizeof caps->max_group_count);
  for (uint32_t i = 0; i < mvg_matmul_tile_count; ++i) {
    const mvg_matmul_tile *tile = &mvg_matmul_tiles[i];
    bool is_native = mvg_matmul_tile_is_native(tile, caps) && mvg_matmul_tile_fits(tile, caps);
    if (!is_native || (tile->operands == MVG_OPERANDS_F32 && tile->columns > 32)) continue;
    setenv("MVGRAPH_TILE", tile->name, 1);
    for (uint32_t k = 0; k < 2; ++k) {
      shapes[k].operands = tile->operands;
      expect_product(&shapes[k], false);
    }
  }
  unsetenv("MVGRAPH_TILE");
  *caps = own;
}

int main(void) {
  unsetenv("MVGRAPH_TILE");
  if (skips_without_layers()) return 0;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_large_products_take_the_tile_that_pads_least),
      cmocka_unit_test(test_small_products_take_tiles_that_occupy_all_cores),
      cmocka_unit_test(test_tiles_keep_within_the_least_limits),
      cmocka_unit_test(test_a_forced_tile_must_exist_and_fit),
      cmocka_unit_test(test_only_long_sums_with_few_results_are_sliced),
      cmocka_unit_test_teardown(test_default_tiles_give_the_product, expect_silence),
      cmocka_unit_test_teardown(test_every_tile_gives_the_product, expect_silence),
      cmocka_unit_test_teardown(test_matrix_tiles_give_the_product, expect_silence),
      cmocka_unit_test_teardown(test_the_self_test_tells_right_from_wrong, expect_silence),
      cmocka_unit_test_teardown(test_programs_fall_back_without_matrix_units, expect_silence),
      cmocka_unit_test_teardown(test_tuning_is_kept_and_taken, expect_silence),
      cmocka_unit_test_teardown(test_sliced_products_add_up, expect_silence),
      cmocka_unit_test_teardown(test_long_batches_and_many_rows_fit_the_grid, expect_silence),
      cmocka_unit_test_teardown(test_tiles_go_without_a_third_axis, expect_silence),
  };
  device = open_device();
  size_t count = sizeof tests / sizeof tests[0];
  int failed = _cmocka_run_group_tests("matmul", tests, device ? count : count - 9, NULL, NULL);
  if (device) mvg_device_release(device);
  return failed;
}

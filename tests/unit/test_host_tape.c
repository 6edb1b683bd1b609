// Groups as host code against the double-precision reference: random graphs of maps, views and
// reductions, elementary functions over their range, and the same bits at any number of threads.
#include "support/graph_fixture.h"

#include "base/rng.h"
#include "base/threads.h"
#include "program/host_group.h"

static const mvg_caps caps = {.is_cpu = true,
                              .max_bindings = 32,
                              .max_storage_range_bytes = 1u << 30,
                              .max_group_count = {65535, 65535, 65535},
                              .max_local_size = 1024,
                              .storage_alignment_bytes = 64};

// ---- running a graph without a device ----

typedef struct {
  mvg_plan *plan;
  mvg_host_group **groups; // per step
  mvg_host_scratch scratch;
  void **memory; // per value
} host_run;

static void *find_memory(host_run *run, const fixture *f, mvg_value value) {
  const mvg_fusion *fusion = run->plan->fusion;
  uint32_t number = mvg_fusion_number(fusion, value);
  if (run->memory[number]) return run->memory[number];
  const mvg_node *node = mvg_graph_get_node(fusion->graph, value.node);
  size_t bytes = (size_t)mvg_shape_get_size(&mvg_graph_get_type(fusion->graph, value)->shape) * 4;
  run->memory[number] = calloc(bytes + 4, 1);
  if (node->kind == MVG_KIND_INPUT)
    memcpy(run->memory[number], f->inputs[node->leaf.slot]->data, bytes);
  if (node->kind == MVG_KIND_CONST) memcpy(run->memory[number], node->constant.data, bytes);
  return run->memory[number];
}

static void run_open(host_run *run, const fixture *f) {
  const mvg_fuse_options options = {0};
  mvg_fusion *fusion;
  *run = (host_run){0};
  check(mvg_fusion_create(f->graph, &caps, &options, &fusion));
  check(mvg_plan_create(fusion, &caps, false, &run->plan));
  run->groups = calloc(run->plan->step_count + 1, sizeof *run->groups);
  run->memory = calloc(fusion->value_count + 1, sizeof *run->memory);
  for (uint32_t i = 0; i < run->plan->step_count; ++i) {
    check(mvg_host_group_create(fusion, run->plan->steps[i].group, &run->groups[i]));
    mvg_host_group_measure_scratch(run->groups[i], &run->scratch);
  }
  check(mvg_host_scratch_init(&run->scratch));
}

static void run_close(host_run *run) {
  for (uint32_t i = 0; i < run->plan->fusion->value_count; ++i)
    free(run->memory[i]);
  for (uint32_t i = 0; i < run->plan->step_count; ++i)
    mvg_host_group_destroy(run->groups[i]);
  mvg_host_scratch_deinit(&run->scratch);
  free(run->memory);
  free(run->groups);
  mvg_plan_destroy(run->plan);
}

static void run_all(host_run *run, const fixture *f) {
  for (uint32_t i = 0; i < run->plan->step_count; ++i) {
    const mvg_group *group = run->plan->steps[i].group;
    const void *reads[64];
    void *writes[64];
    for (uint32_t k = 0; k < group->read_count; ++k)
      reads[k] = find_memory(run, f, group->reads[k].value);
    for (uint32_t k = 0; k < group->write_count; ++k)
      writes[k] = find_memory(run, f, group->writes[k]);
    mvg_host_group_run(run->groups[i], reads, writes, &run->scratch);
  }
}

static float *get_target(host_run *run, const fixture *f, uint32_t i) {
  mvg_value value = mvg_graph_get_target(run->plan->fusion->graph, i)->value;
  return find_memory(run, f, mvg_fusion_resolve(run->plan->fusion, value));
}

static void expect_like_reference(fixture *f, double tolerance) {
  uint32_t count = mvg_graph_get_target_count(f->graph);
  mvg_value values[FIXTURE_MAX];
  mvg_ndarray *wanted[FIXTURE_MAX];
  for (uint32_t i = 0; i < count; ++i)
    values[i] = mvg_graph_get_target(f->graph, i)->value;
  check(
      mvg_host_eval(f->graph, (const mvg_ndarray *const *)f->inputs, NULL, values, count, wanted));
  host_run run;
  run_open(&run, f);
  run_all(&run, f);
  for (uint32_t i = 0; i < count; ++i) {
    const float *got = get_target(&run, f, i);
    const double *want = wanted[i]->data;
    for (int64_t k = 0; k < mvg_shape_get_size(&wanted[i]->shape); ++k) {
      bool is_same = (isnan(got[k]) && isnan(want[k])) || got[k] == (float)want[k];
      if (is_same || fabs(got[k] - want[k]) <= tolerance * (1 + fabs(want[k]))) continue;
      print_error("target %u[%lld]: got %.9g, want %.9g\n", i, (long long)k, got[k], want[k]);
      fail();
    }
    mvg_ndarray_release(wanted[i]);
  }
  run_close(&run);
}

// ---- random graphs ----

static uint32_t seed;

static uint32_t draw(uint32_t below) {
  seed = seed * 1664525u + 1013904223u;
  return (seed >> 8) % below;
}

static mvg_value draw_map(fixture *f, mvg_value x) {
  static const char *const texts[] = {"sin(a * 3)",      "tanh(a) * 0.5 + 0.25",   "abs(a) - 0.5",
                                      "exp(-a * a)",     "a > 0.1 ? a : 0.25 * a", "max(a, -0.25)",
                                      "erf(a) * cos(a)", "a * 0.5 + (i % 7) * 0.1"};
  return MAP(f, texts[draw(sizeof texts / sizeof texts[0])], x);
}

// With a tensor of the same shape but some axes of size 1.
static mvg_value draw_broadcast(fixture *f, mvg_value x) {
  mvg_shape shape = mvg_graph_get_type(f->graph, x)->shape;
  for (uint32_t i = 0; i < shape.rank; ++i) {
    if (draw(2)) shape.dims[i] = 1;
  }
  if (f->input_count == FIXTURE_MAX) return x;
  return MAP(f, draw(2) ? "a * b" : "(a - b) * 0.5", x, make_input(f, shape));
}

static const char *const coordinates[] = {"i", "j", "k", "l"};

// One of: permuted, padded or cut, rolled, flipped, strided, repeated.
static mvg_value draw_view(fixture *f, mvg_value x) {
  mvg_shape source = mvg_graph_get_type(f->graph, x)->shape, shape = source;
  char texts[MVG_MAX_RANK][48], valid[64];
  const char *pointers[MVG_MAX_RANK];
  bool has_valid = false;
  uint32_t kind = draw(6), axis = draw(source.rank);
  int64_t dim = source.dims[axis];
  for (uint32_t i = 0; i < source.rank; ++i) {
    snprintf(texts[i], sizeof texts[i], "%s", coordinates[i]);
    pointers[i] = texts[i];
  }
  const char *name = coordinates[axis];
  if (kind == 0) {
    for (uint32_t i = 0; i < source.rank; ++i) {
      uint32_t to = (i + axis) % source.rank;
      shape.dims[to] = source.dims[i];
      pointers[i] = coordinates[to];
    }
  } else if (kind == 1) {
    int low = (int)draw(4) - 1;
    shape.dims[axis] = dim + (int)draw(5);
    snprintf(texts[axis], sizeof texts[axis], "%s - %d", name, low);
    snprintf(valid, sizeof valid, "%s >= %d && %s - %d < %d", name, low, name, low, (int)dim);
    has_valid = true;
  } else if (kind == 2) {
    snprintf(texts[axis], sizeof texts[axis], "(%s + %d) %% %d", name, (int)draw((uint32_t)dim),
             (int)dim);
  } else if (kind == 3) {
    snprintf(texts[axis], sizeof texts[axis], "%d - %s", (int)dim - 1, name);
  } else if (kind == 4) {
    shape.dims[axis] = (dim + 1) / 2;
    snprintf(texts[axis], sizeof texts[axis], "2 * %s", name);
  } else if (dim * 3 < 200) {
    shape.dims[axis] = dim * 3;
    snprintf(texts[axis], sizeof texts[axis], "%s / 3", name);
  }
  return make_view(f, x, shape, pointers, has_valid ? valid : NULL);
}

static mvg_value draw_reshape(fixture *f, mvg_value x) {
  mvg_shape shape = mvg_graph_get_type(f->graph, x)->shape;
  uint32_t axis = draw(shape.rank);
  if (shape.rank > 1 && axis + 1 < shape.rank) { // merges two axes
    shape.dims[axis] *= shape.dims[axis + 1];
    for (uint32_t i = axis + 1; i + 1 < shape.rank; ++i)
      shape.dims[i] = shape.dims[i + 1];
    --shape.rank;
  } else if (shape.rank < 4 && shape.dims[axis] % 2 == 0) { // splits the last one
    shape.dims[axis] /= 2;
    shape.dims[shape.rank++] = 2;
  }
  return make_reshape(f, x, shape);
}

static mvg_value draw_reduce(fixture *f, mvg_value x) {
  mvg_shape shape = mvg_graph_get_type(f->graph, x)->shape;
  uint32_t axes = 1 + draw((1u << shape.rank) - 1);
  if (axes == (1u << shape.rank) - 1 && draw(4)) axes &= axes - 1;
  if (axes == 0) return x;
  switch (draw(3)) {
  case 0:
    return make_reduce(f, "-inf", "max(acc, x)", "acc", axes, x);
  case 1:
    return make_reduce(f, "0", "acc + x", "acc / n", axes, x);
  default:
    return make_reduce(f, "0", "acc + x * x", "sqrt(acc / n)", axes, x);
  }
}

static void draw_graph(fixture *f, int64_t largest) {
  mvg_shape shape = {.rank = 1 + draw(4)};
  for (uint32_t i = 0; i < shape.rank; ++i) {
    int64_t most = largest;
    for (uint32_t k = 1; k < shape.rank; ++k)
      most = (int64_t)sqrt((double)most) + 1;
    shape.dims[i] = 1 + draw((uint32_t)most);
  }
  fixture_open(f);
  mvg_value x = make_input(f, shape);
  uint32_t length = 3 + draw(8);
  for (uint32_t i = 0; i < length; ++i) {
    if (mvg_graph_get_type(f->graph, x)->shape.rank == 0) break;
    uint32_t kind = draw(8);
    x = kind < 2    ? draw_map(f, x)
        : kind == 2 ? draw_broadcast(f, x)
        : kind < 6  ? draw_view(f, x)
        : kind == 6 ? draw_reshape(f, x)
                    : draw_reduce(f, x);
    if (draw(6) == 0) add_output(f, "part", x);
  }
  add_output(f, "y", MAP(f, "a * 2", x));
}

static void test_random_graphs(void **state) {
  (void)state;
  for (uint32_t i = 0; i < 400; ++i) {
    seed = i * 7919u + 1;
    fixture f;
    draw_graph(&f, i % 20 == 0 ? 60000 : 1500);
    expect_like_reference(&f, 1e-4);
    fixture_close(&f);
  }
}

static void test_two_reductions_in_one_value(void **state) {
  (void)state;
  for (uint32_t axes = 1; axes < 8; ++axes) {
    fixture f;
    fixture_open(&f);
    mvg_value x = make_input(&f, DIMS(6, 4, 23)), w = make_input(&f, DIMS(6, 4, 23));
    mvg_value squared = MAP(&f, "a * a", x), weight = MAP(&f, "abs(b) * (a > 0.25 ? 1 : 0)", x, w);
    mvg_value top = make_sum(&f, axes, MAP(&f, "a * b", squared, weight));
    add_output(&f, "mean", MAP(&f, "a / max(b, 1e-6)", top, make_sum(&f, axes, weight)));
    expect_like_reference(&f, 1e-5);
    fixture_close(&f);
  }
}

// A view that is 0 in places, of elements that another reader has already, in memory or computed.
static void test_guards_of_what_is_at_hand(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value x = make_input(&f, DIMS(9, 40));
  mvg_value cut = VIEW(&f, x, DIMS(9, 40), "j >= 3 && i < 8", "i", "j");
  add_output(&f, "both", MAP(&f, "a + 2 * b", x, cut));
  mvg_value a = MAP(&f, "sin(a) * exp(a) + cos(a * 2)", x), b = MAP(&f, "erf(a) - a * tanh(a)", x);
  mvg_value left = VIEW(&f, a, DIMS(9, 40, 2), "k < 1", "i", "j"),
            right = VIEW(&f, b, DIMS(9, 40, 2), "k >= 1", "i", "j");
  mvg_value joined = MAP(&f, "a + b", left, right);
  add_output(&f, "joined", make_sum(&f, 4, MAP(&f, "a * a + a", joined)));
  add_output(&f, "difference", MAP(&f, "a - b", a, b));
  expect_like_reference(&f, 1e-5);
  fixture_close(&f);
}

// What patches of `taps` rows, each `stride` below the one before, say of every row of pixels.
static void test_sums_of_overlapping_patches(void **state) {
  (void)state;
  static const struct {
    int64_t taps, stride, channels;
  } cases[] = {{3, 2, 16}, {3, 1, 40}, {4, 2, 3}, {9, 2, 8}, {40, 1, 16}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
    int64_t taps = cases[i].taps, stride = cases[i].stride, channels = cases[i].channels;
    int64_t rows = 19, count = (rows + 1 - taps) / stride + 1;
    if (count < 1) count = 1;
    char patch[32], row[32], valid[128];
    snprintf(patch, sizeof patch, "(j + 1) / %d - i", (int)stride);
    snprintf(row, sizeof row, "(j + 1) %% %d + i * %d", (int)stride, (int)stride);
    snprintf(valid, sizeof valid, "%s >= 0 && %s < %d && %s < %d", patch, patch, (int)count, row,
             (int)taps);
    fixture f;
    fixture_open(&f);
    mvg_value x = make_input(&f, DIMS(count, taps, channels)), c = make_input(&f, DIMS(channels));
    mvg_shape shape = DIMS((taps + stride - 1) / stride, rows, channels);
    mvg_value each = VIEW(&f, x, shape, valid, patch, row, "k");
    add_output(&f, "y", MAP(&f, "a * b + 1", make_sum(&f, 1, each), c));
    expect_like_reference(&f, 1e-5);
    fixture_close(&f);
  }
}

// Widths below, at and above a block, lengths with a last chunk that is short, several sums of the
// same columns, and what is computed of them.
static void test_sums_of_columns(void **state) {
  (void)state;
  static const struct {
    int64_t outer, length, width;
  } cases[] = {{1, 5000, 8},  {1, 701, 96},  {3, 173, 256},
               {1, 33, 1000}, {2, 16, 1537}, {5, 900, 11}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
    int64_t outer = cases[i].outer, length = cases[i].length, width = cases[i].width;
    fixture f;
    fixture_open(&f);
    mvg_value x = make_input(&f, DIMS(outer, length, width)),
              c = make_input(&f, DIMS(outer, 1, width));
    mvg_value y = make_input(&f, DIMS(width)), shifted = MAP(&f, "(a - b) * c", x, c, y);
    mvg_value mean = make_reduce(&f, "0.5", "acc + x", "acc / n", 2, x);
    add_output(&f, "mean", mean);
    add_output(&f, "both", MAP(&f, "a * b + c", mean, make_sum(&f, 2, shifted), y));
    add_output(
        &f, "cut",
        make_sum(&f, 2, VIEW(&f, x, DIMS(outer, length, width), "j % 3 > 0", "i", "j", "k")));
    expect_like_reference(&f, 1e-5);
    fixture_close(&f);
  }
}

// Tensors with a value a channel, whose number of channels divides a block, is divided by one, or
// neither; two of them in one part; and rows of them that are reduced.
static void test_values_of_channels(void **state) {
  (void)state;
  static const struct {
    int64_t rows, channels, group;
  } cases[] = {{700, 64, 8},  {333, 96, 6}, {2000, 3, 3},  {77, 384, 64},  {50, 300, 12},
               {41, 1024, 4}, {600, 45, 9}, {900, 250, 5}, {130, 160, 16}, {1, 64, 2}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
    int64_t rows = cases[i].rows, channels = cases[i].channels, group = cases[i].group;
    fixture f;
    fixture_open(&f);
    mvg_value x = make_input(&f, DIMS(rows, channels)), mean = make_input(&f, DIMS(channels));
    mvg_value scale = make_input(&f, DIMS(1, channels)), few = make_input(&f, DIMS(group));
    mvg_value centred = MAP(&f, "a - b", x, mean);
    mvg_value y = MAP(&f, "max(a * (b * b + 0.5) + sin(c), 0)", centred, scale, mean);
    add_output(&f, "y", y);
    add_output(&f, "mean", MAP(&f, "a * 1", mean));
    mvg_value split = make_reshape(&f, y, DIMS(rows, channels / group, group));
    mvg_value weighted = MAP(&f, "a * exp(b)", split, few);
    add_output(&f, "weighted", weighted);
    add_output(&f, "rows", make_sum(&f, 4, weighted));
    add_output(&f, "largest", make_reduce(&f, "-inf", "max(acc, x)", "acc", 2, weighted));
    add_output(&f, "all", make_sum(&f, 6, weighted));
    expect_like_reference(&f, 1e-5);
    fixture_close(&f);
  }
}

// ---- threads ----

typedef struct {
  host_run *run;
  const fixture *f;
} alone_job;

static void run_alone(void *context, int64_t index) {
  const alone_job *job = context;
  if (index == 0) run_all(job->run, job->f);
}

// A task that starts another job runs all of it itself.
static void test_the_same_bits_at_any_number_of_threads(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value x = make_input(&f, DIMS(301, 517)), w = make_input(&f, DIMS(517));
  add_output(&f, "rows", make_sum(&f, 2, MAP(&f, "a * b", x, w)));
  add_output(&f, "columns", make_sum(&f, 1, MAP(&f, "sin(a)", x)));
  add_output(&f, "all", make_sum(&f, 3, x));
  add_output(&f, "map", MAP(&f, "erf(a) * exp(b)", x, w));
  host_run together, alone;
  run_open(&together, &f);
  run_open(&alone, &f);
  run_all(&together, &f);
  mvg_threads_run(2, run_alone, &(alone_job){&alone, &f});
  static const size_t counts[] = {301, 517, 1, 301 * 517};
  for (uint32_t i = 0; i < 4; ++i) {
    assert_memory_equal(get_target(&together, &f, i), get_target(&alone, &f, i),
                        counts[i] * sizeof(float));
  }
  run_close(&together);
  run_close(&alone);
  expect_like_reference(&f, 1e-5);
  fixture_close(&f);
}

// ---- elementary functions ----

static void set_range(mvg_ndarray *array, double low, double high) {
  static const float special[] = {0.0f, -0.0f, 1.0f, -1.0f, INFINITY, -INFINITY, NAN, 1e-40f};
  int64_t count = mvg_shape_get_size(&array->shape);
  float *data = array->data;
  for (int64_t i = 0; i < count; ++i)
    data[i] = (float)(low + (high - low) * (double)i / (double)count);
  memcpy(data, special, sizeof special);
}

static void expect_function(const char *text, double low, double high, double tolerance) {
  fixture f;
  fixture_open(&f);
  mvg_value x = make_input(&f, DIMS(5003));
  set_range(f.inputs[0], low, high);
  add_output(&f, text, MAP(&f, text, x));
  expect_like_reference(&f, tolerance);
  fixture_close(&f);
}

static void test_elementary_functions(void **state) {
  (void)state;
  expect_function("exp(a)", -110, 88, 5e-7);
  expect_function("log(abs(a))", 1e-9, 20, 3e-7);
  expect_function("abs(a) < 1e9 ? sin(a) : 0", -300, 300, 3e-7);
  expect_function("abs(a) < 1e9 ? cos(a) : 0", -300, 300, 3e-7);
  expect_function("tanh(a)", -12, 12, 5e-7);
  expect_function("erf(a)", -5, 5, 5e-7);
  expect_function("sigmoid(a)", -100, 100, 5e-7);
  expect_function("sqrt(abs(a)) + rsqrt(abs(a) + 1)", 0, 50, 5e-7);
  expect_function("round(a) + floor(a) * 2 + ceil(a)", -9, 9, 1e-6);
  expect_function("min(a, 0.5) + max(a, -0.5) + sign(a)", -2, 2, 1e-6);
  expect_function("isnan(a) || a > 0.5 && !(a == 1) ? 1 : 2", -2, 2, 0);
  expect_function("abs(a) < 100 ? pow(abs(a), 1.7) + a % 0.75 : 0", -3, 3, 1e-5);
  expect_function("abs(a) < 1 ? asin(a) + acos(a) + atan2(a, 0.5) + tan(a) : 0", -1, 1, 2e-6);
}

static void test_small_results_are_relatively_right(void **state) {
  (void)state;
  expect_function("erf(a * 1e-6) * 1e6 + tanh(a * 1e-6) * 1e6 + sin(a * 1e-6) * 1e6", 0.1, 3, 5e-7);
}

static void test_random_numbers_are_those_of_shaders(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value x = make_input(&f, DIMS(1000)), step = make_input(&f, SCALAR);
  ((float *)f.inputs[1]->data)[0] = 12;
  add_output(&f, "y", MAP(&f, "a * 0 + random_uniform(7, b, 3, i)", x, step));
  host_run run;
  run_open(&run, &f);
  run_all(&run, &f);
  const float *got = get_target(&run, &f, 0);
  for (uint32_t i = 0; i < 1000; ++i)
    assert_true(got[i] == (float)mvg_rng_uniform(7, 12, 3, i));
  run_close(&run);
  fixture_close(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_random_graphs),
      cmocka_unit_test(test_two_reductions_in_one_value),
      cmocka_unit_test(test_guards_of_what_is_at_hand),
      cmocka_unit_test(test_sums_of_columns),
      cmocka_unit_test(test_values_of_channels),
      cmocka_unit_test(test_sums_of_overlapping_patches),
      cmocka_unit_test(test_the_same_bits_at_any_number_of_threads),
      cmocka_unit_test(test_elementary_functions),
      cmocka_unit_test(test_small_results_are_relatively_right),
      cmocka_unit_test(test_random_numbers_are_those_of_shaders),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

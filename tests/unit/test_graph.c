// The graph up to the plan: building, verifying, evaluating, differentiating and rewriting, with no
// device.
#include "tests/support/test_support.h"

#include <math.h>

#include "autodiff/backward.h"
#include "graph/host_eval.h"
#include "graph/text.h"
#include "passes/pass.h"
#include "passes/pass_list.h"

static mvg_graph *create_graph(void) {
  mvg_graph *graph;
  assert_ok(mvg_graph_create("test", &graph));
  return graph;
}

static mvg_type make_type(uint32_t rank, int64_t a, int64_t b) {
  return (mvg_type){.dtype = MVG_DTYPE_F32, .shape = {.rank = rank, .dims = {a, b}}};
}

static mvg_value add_input(mvg_graph *graph, uint32_t slot, mvg_type type) {
  mvg_value value;
  assert_ok(mvg_graph_leaf(graph, MVG_KIND_INPUT, "x", slot, &type, &value));
  return value;
}

static mvg_value add_map(mvg_graph *graph, const char *text, mvg_value a, mvg_value b) {
  static const char *const names[] = {"a", "b"};
  const mvg_expr *expr;
  mvg_value inputs[] = {a, b}, out;
  assert_ok(mvg_expr_parse(mvg_graph_get_arena(graph), text, names, 2, &expr));
  assert_ok(mvg_graph_map(graph, NULL, "map", MVG_DTYPE_F32, expr, inputs, 2, &out));
  return out;
}

static mvg_ndarray *make_array(mvg_type type) {
  mvg_ndarray *array;
  assert_ok(mvg_ndarray_create(MVG_DTYPE_F64, &type.shape, &array));
  for (int64_t i = 0; i < mvg_shape_get_size(&type.shape); ++i) {
    mvg_ndarray_set(array, i, 0.3 + 0.17 * (double)i);
  }
  return array;
}

static double eval_scalar(const mvg_graph *graph, const mvg_ndarray *const *inputs,
                          mvg_value value) {
  mvg_ndarray *result;
  assert_ok(mvg_host_eval(graph, inputs, NULL, &value, 1, &result));
  double number = mvg_ndarray_get(result, 0);
  mvg_ndarray_release(result);
  return number;
}

static mvg_status sum_vjp(void *context, mvg_graph *graph, uint32_t id, const mvg_value *dys,
                          const bool *needed, mvg_value *out_dxs) {
  (void)context;
  (void)needed;
  const mvg_shape shape =
      mvg_graph_get_type(graph, mvg_graph_get_node(graph, id)->inputs[0])->shape;
  return mvg_graph_view(graph, NULL, "expand", dys[0], &shape, NULL, NULL, out_dxs); // of a scalar
}

static void test_map_gradients_match_central_differences(void **state) {
  (void)state;
  static const mvg_opdef sum = {
      .name = "sum", .kind = MVG_KIND_REDUCE, .is_differentiable = true, .vjp = sum_vjp};
  mvg_graph *graph = create_graph();
  mvg_arena *arena = mvg_graph_get_arena(graph);
  mvg_type matrix = make_type(2, 3, 4), row = make_type(1, 4, 0);
  mvg_value x = add_input(graph, 0, matrix), y = add_input(graph, 1, row), z, loss, gradients[2];
  z = add_map(graph, "a * b + sin(a)", x, y);
  assert_ok(
      mvg_graph_reshape(graph, NULL, "reshape", z, &(mvg_shape){.rank = 1, .dims = {12}}, &z));
  z = add_map(graph, "a * exp(b)", z, z);
  mvg_reduce_body body = {.axes = 1};
  static const char *const names[] = {"acc", "x"};
  assert_ok(mvg_expr_const(arena, 0, &body.init));
  assert_ok(mvg_expr_parse(arena, "acc + x", names, 2, &body.combine));
  assert_ok(mvg_expr_var(arena, 0, &body.finish));
  assert_ok(mvg_graph_reduce(graph, &sum, "sum", z, &body, &loss));
  const mvg_value wrt[] = {x, y};
  assert_ok(mvg_backward(graph, loss, wrt, 2, gradients));
  mvg_ndarray *inputs[] = {make_array(matrix), make_array(row)};
  const mvg_ndarray *const *fed = (const mvg_ndarray *const *)inputs;
  for (int which = 0; which < 2; ++which) {
    mvg_ndarray *exact;
    assert_ok(mvg_host_eval(graph, fed, NULL, &gradients[which], 1, &exact));
    for (int64_t i = 0; i < mvg_shape_get_size(&exact->shape); ++i) {
      double middle = mvg_ndarray_get(inputs[which], i), step = 1e-6;
      mvg_ndarray_set(inputs[which], i, middle + step);
      double high = eval_scalar(graph, fed, loss);
      mvg_ndarray_set(inputs[which], i, middle - step);
      double low = eval_scalar(graph, fed, loss);
      mvg_ndarray_set(inputs[which], i, middle);
      double numeric = (high - low) / (2 * step);
      assert_true(fabs(numeric - mvg_ndarray_get(exact, i)) < 1e-6 * fmax(1, fabs(numeric)));
    }
    mvg_ndarray_release(exact);
  }
  for (int which = 0; which < 2; ++which)
    mvg_ndarray_release(inputs[which]);
  mvg_graph_destroy(graph);
}

static void test_missing_rule_names_the_operator(void **state) {
  (void)state;
  mvg_graph *graph = create_graph();
  mvg_value x = add_input(graph, 0, make_type(1, 4, 0)), loss, gradient;
  mvg_arena *arena = mvg_graph_get_arena(graph);
  mvg_reduce_body body = {.axes = 1};
  const mvg_expr *pair[2];
  assert_ok(mvg_expr_const(arena, 1, &body.init));
  assert_ok(mvg_expr_var(arena, 0, &pair[0]));
  assert_ok(mvg_expr_var(arena, 1, &pair[1]));
  assert_ok(mvg_expr_make(arena, MVG_EXPR_MUL, pair, &body.combine));
  body.finish = pair[0];
  assert_ok(mvg_graph_reduce(graph, NULL, "product", x, &body, &loss));
  assert_fails(mvg_backward(graph, loss, &x, 1, &gradient), MVG_UNSUPPORTED,
               "operator 'product' has no gradient");
  mvg_graph_destroy(graph);
}

// Autodiff makes such sums of gradients of broadcast inputs; second derivatives go through them.
static void test_sums_of_the_engine_have_a_gradient(void **state) {
  (void)state;
  mvg_graph *graph = create_graph();
  mvg_value x = add_input(graph, 0, make_type(2, 3, 4)), rows, loss, gradient;
  assert_ok(mvg_graph_sum(graph, x, 2, &rows));
  assert_ok(mvg_graph_sum(graph, rows, 1, &loss));
  assert_ok(mvg_backward(graph, loss, &x, 1, &gradient));
  const mvg_shape *shape = &mvg_graph_get_type(graph, gradient)->shape;
  assert_int_equal(shape->rank, 2);
  assert_int_equal(shape->dims[0], 3);
  assert_int_equal(shape->dims[1], 4);
  mvg_graph_destroy(graph);
}

static void test_shape_mismatch_names_both_shapes(void **state) {
  (void)state;
  mvg_graph *graph = create_graph();
  mvg_value out, x = add_input(graph, 0, make_type(1, 4, 0)),
                 y = add_input(graph, 1, make_type(1, 3, 0));
  assert_fails(mvg_graph_add(graph, x, y, &out), MVG_INVALID_ARGUMENT, "[4] and [3]");
  mvg_graph_destroy(graph);
}

static uint32_t count_after(mvg_graph *graph, mvg_status (*run)(const mvg_graph *, mvg_graph **)) {
  mvg_graph *next;
  assert_ok(run(graph, &next));
  uint32_t count = mvg_graph_get_node_count(next);
  mvg_graph_destroy(next);
  return count;
}

static void test_passes_remove_what_they_say(void **state) {
  (void)state;
  mvg_graph *graph = create_graph();
  mvg_value x = add_input(graph, 0, make_type(1, 4, 0)), two, y, z, out;
  assert_ok(mvg_graph_scalar(graph, 2, &two)); // 1
  y = add_map(graph, "a * b", x, two);         // 2
  z = add_map(graph, "a * b", x, two);         // 3: a duplicate
  mvg_shape square = {.rank = 2, .dims = {2, 2}}, flat = {.rank = 1, .dims = {4}};
  assert_ok(mvg_graph_reshape(graph, NULL, "reshape", y, &square, &y)); // 4
  assert_ok(mvg_graph_reshape(graph, NULL, "reshape", y, &flat, &y));   // 5: undoes it
  assert_ok(mvg_graph_add(graph, y, z, &out));                          // 6
  (void)add_map(graph, "a - b", x, z);                                  // 7: dead
  assert_ok(mvg_graph_add_target(graph, &(mvg_target){.name = "out", .value = out}));
  assert_int_equal(mvg_graph_get_node_count(graph), 8);
  assert_int_equal(count_after(graph, mvg_pass_dce), 7);
  assert_int_equal(count_after(graph, mvg_pass_cse), 7);
  mvg_graph *optimised;
  assert_ok(mvg_pass_run_all(graph, NULL, NULL, NULL, &optimised));
  mvg_str text = {0};
  mvg_graph_print(optimised, false, &text);
  assert_string_equal(text.text, "graph \"test\"\n"
                                 "  %0 = input input() f32[4] \"x\" slot 0\n"
                                 "  %1 = map map(%0) f32[4] { (v0 * 2) }\n"
                                 "  %2 = map add(%1, %1) f32[4] { (v0 + v1) }\n"
                                 "  output \"out\" %2\n");
  mvg_str_deinit(&text);
  mvg_graph_destroy(optimised);
  mvg_graph_destroy(graph);
}

static void test_constants_are_evaluated(void **state) {
  (void)state;
  mvg_graph *graph = create_graph();
  const float data[] = {1, 2, 3};
  mvg_type type = make_type(1, 3, 0);
  mvg_value a, total;
  assert_ok(mvg_graph_const(graph, &type, data, &a));
  a = add_map(graph, "a * b", a, a);
  assert_ok(mvg_graph_sum(graph, a, 1, &total));
  assert_ok(mvg_graph_add_target(graph, &(mvg_target){.name = "out", .value = total}));
  mvg_graph *optimised;
  assert_ok(mvg_pass_run_all(graph, NULL, NULL, NULL, &optimised));
  assert_int_equal(mvg_graph_get_node_count(optimised), 1);
  assert_true(*(const float *)mvg_graph_get_node(optimised, 0)->constant.data == 14);
  mvg_graph_destroy(optimised);
  mvg_graph_destroy(graph);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_map_gradients_match_central_differences),
      cmocka_unit_test(test_missing_rule_names_the_operator),
      cmocka_unit_test(test_sums_of_the_engine_have_a_gradient),
      cmocka_unit_test(test_shape_mismatch_names_both_shapes),
      cmocka_unit_test(test_passes_remove_what_they_say),
      cmocka_unit_test(test_constants_are_evaluated),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

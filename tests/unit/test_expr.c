// Expressions: parsing, folding, evaluation, derivatives against finite differences, and errors.
#include "tests/support/test_support.h"

#include <math.h>

#include "graph/expr_range.h"

static const char *const names[] = {"x", "y"};

static const mvg_expr *parse(mvg_arena *arena, const char *text) {
  const mvg_expr *expr;
  assert_ok(mvg_expr_parse(arena, text, names, 2, &expr));
  return expr;
}

static void assert_near(double actual, double expected, double tolerance) {
  double scale = fmax(1, fabs(expected));
  if (!(fabs(actual - expected) <= tolerance * scale)) {
    fail_msg("%.12g is not %.12g", actual, expected);
  }
}

static void test_precedence_follows_c(void **state) {
  (void)state;
  mvg_arena arena = {0};
  const double vars[] = {3, 5};
  assert_near(mvg_expr_eval(parse(&arena, "1 + x * y - 4 / 2"), vars), 14, 0);
  assert_near(mvg_expr_eval(parse(&arena, "x < y && y < 6 ? -x : y"), vars), -3, 0);
  assert_near(mvg_expr_eval(parse(&arena, "-x % 5"), vars), 2, 0);
  assert_near(mvg_expr_eval(parse(&arena, "!(x == 3) || y >= 5"), vars), 1, 0);
  mvg_arena_deinit(&arena);
}

static void test_constants_fold_and_neutral_elements_vanish(void **state) {
  (void)state;
  mvg_arena arena = {0};
  assert_int_equal(parse(&arena, "2 * 3 + sqrt(16)")->op, MVG_EXPR_CONST);
  assert_int_equal(parse(&arena, "x * 1 + 0")->op, MVG_EXPR_VAR);
  assert_int_equal(parse(&arena, "0 * exp(x)")->op, MVG_EXPR_CONST);
  mvg_arena_deinit(&arena);
}

static void test_derivatives_match_central_differences(void **state) {
  (void)state;
  static const char *const texts[] = {"x * y + x / y",
                                      "exp(-x * x) * sin(y)",
                                      "pow(x, y)",
                                      "sqrt(x) + rsqrt(y)",
                                      "tanh(x * y)",
                                      "erf(x) * cos(y)",
                                      "sigmoid(x - y)",
                                      "log(x + y)",
                                      "atan2(x, y)",
                                      "max(x, y) * min(x, 2)",
                                      "abs(x - 2) + tan(y * 0.3)",
                                      "x > 1 ? x * x : y",
                                      "asin(x * 0.3) + acos(y * 0.2) + atan(x)",
                                      "x % 0.7 + floor(y) + sign(x)",
                                      "0.5 * x * (1 + erf(x * 0.7071067811865476))"};
  mvg_arena arena = {0};
  for (size_t t = 0; t < sizeof texts / sizeof texts[0]; ++t) {
    const mvg_expr *expr = parse(&arena, texts[t]);
    for (uint32_t var = 0; var < 2; ++var) {
      const mvg_expr *derivative;
      assert_ok(mvg_expr_differentiate(&arena, expr, var, &derivative));
      double vars[2] = {1.237, 0.613};
      double exact = mvg_expr_eval(derivative, vars), step = 1e-6;
      vars[var] += step;
      double high = mvg_expr_eval(expr, vars);
      vars[var] -= 2 * step;
      double low = mvg_expr_eval(expr, vars);
      assert_near(exact, (high - low) / (2 * step), 1e-7);
    }
  }
  mvg_arena_deinit(&arena);
}

static void test_text_form_parses_back_to_the_same_tree(void **state) {
  (void)state;
  mvg_arena arena = {0};
  const mvg_expr *expr = parse(&arena, "x > -1.5 ? max(x, inf) * 3 : -y % 2 + pow(x, 0.1)");
  mvg_str text = {0};
  mvg_expr_print_text(&text, expr, names);
  assert_true(mvg_expr_is_equal(expr, parse(&arena, text.text)));
  mvg_str_deinit(&text);
  mvg_arena_deinit(&arena);
}

static void test_glsl_has_constants_in_single_precision(void **state) {
  (void)state;
  mvg_arena arena = {0};
  const char *const vars[] = {"a", "b"};
  mvg_str text = {0};
  const mvg_expr *expr = parse(&arena, "max(min(x, 1e39), -1e300) - 1e38 + 3 - 1e-60");
  mvg_expr_print_glsl(&text, expr, vars, false);
  assert_string_equal(text.text, "(((max_(min_(a, INF_), (-INF_)) - 9.99999968e+37) + 3.0) - 0.0)");
  mvg_str_deinit(&text);
  mvg_arena_deinit(&arena);
}

static void test_integer_division_floors(void **state) {
  (void)state;
  mvg_arena arena = {0};
  const int64_t vars[] = {-7, 3};
  assert_int_equal(mvg_expr_eval_int(parse(&arena, "x / y"), vars), -3);
  assert_int_equal(mvg_expr_eval_int(parse(&arena, "x % y"), vars), 2);
  assert_int_equal(mvg_expr_eval_int(parse(&arena, "floor(x / y) + round(y)"), vars), 0);
  mvg_arena_deinit(&arena);
}

static void test_whole_numbers_have_bounds(void **state) {
  (void)state;
  mvg_arena arena = {0};
  const mvg_range vars[] = {{0, 9}, {0, 99}};
  mvg_range range;
  assert_ok(mvg_expr_get_range(parse(&arena, "(x * 100 + y) / 10 % 7 - 3"), vars, &range));
  assert_true(range.low == -3 && range.high == 3);
  assert_ok(mvg_expr_get_range(parse(&arena, "x > 3 ? x * 4 : -y"), vars, &range));
  assert_true(range.low == -99 && range.high == 36);
  const char *const outside[] = {"x + 0.5", "x * 1e300", "inf", "sqrt(x)", "(x + 1e15) * y / 1e15"};
  for (size_t i = 0; i < sizeof outside / sizeof *outside; ++i) {
    assert_fails(mvg_expr_get_range(parse(&arena, outside[i]), vars, &range), MVG_INVALID_ARGUMENT,
                 "");
  }
  mvg_arena_deinit(&arena);
}

static void test_errors_name_place_and_nearest_name(void **state) {
  (void)state;
  mvg_arena arena = {0};
  const mvg_expr *expr;
  assert_fails(mvg_expr_parse(&arena, "x + sqroot(y)", names, 2, &expr), MVG_INVALID_ARGUMENT,
               "did you mean 'sqrt'");
  assert_fails(mvg_expr_parse(&arena, "x + ", names, 2, &expr), MVG_INVALID_ARGUMENT, "column 5");
  assert_fails(mvg_expr_parse(&arena, "max(x)", names, 2, &expr), MVG_INVALID_ARGUMENT,
               "too few arguments");
  assert_fails(mvg_expr_parse(&arena, "x y", names, 2, &expr), MVG_INVALID_ARGUMENT,
               "unexpected text");
  char deep[2000];
  memset(deep, '(', sizeof deep - 1);
  deep[sizeof deep - 1] = '\0';
  assert_fails(mvg_expr_parse(&arena, deep, names, 2, &expr), MVG_INVALID_ARGUMENT, "too deeply");
  mvg_arena_deinit(&arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_precedence_follows_c),
      cmocka_unit_test(test_constants_fold_and_neutral_elements_vanish),
      cmocka_unit_test(test_derivatives_match_central_differences),
      cmocka_unit_test(test_text_form_parses_back_to_the_same_tree),
      cmocka_unit_test(test_glsl_has_constants_in_single_precision),
      cmocka_unit_test(test_integer_division_floors),
      cmocka_unit_test(test_whole_numbers_have_bounds),
      cmocka_unit_test(test_errors_name_place_and_nearest_name),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

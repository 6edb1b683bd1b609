// Index arithmetic: what must simplify to the same pointer, and what must stay.
#include "support/graph_fixture.h"

#include "passes/index.h"

static mvg_index_pool pool;

static int close_pool(void **state) {
  (void)state;
  check(mvg_index_pool_take_failure(&pool));
  mvg_index_pool_deinit(&pool);
  pool = (mvg_index_pool){0};
  return 0;
}

static void test_splitting_and_joining_gives_the_element_back(void **state) {
  (void)state;
  const mvg_index *v = mvg_index_make_var(&pool, 2 * 3 * 5 * 7, 0);
  const mvg_shape shapes[] = {DIMS(2, 3, 5, 7), DIMS(210), DIMS(1, 6, 35), DIMS(14, 15),
                              DIMS(210, 1)};
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; ++i) {
    mvg_place place;
    mvg_place_from_linear(&pool, &shapes[i], v, &place);
    assert_ptr_equal(mvg_place_get_linear(&pool, &place), v);
  }
}

static void test_reshape_to_new_axes_needs_no_division_by_old_ones(void **state) {
  (void)state;
  const mvg_index *i = mvg_index_make_var(&pool, 8, 0), *j = mvg_index_make_var(&pool, 64, 1);
  const mvg_index *linear = mvg_index_make_sum(&pool, i, 64, j, 1);
  assert_ptr_equal(mvg_index_make_digit(&pool, linear, 64, 0), i);
  assert_ptr_equal(mvg_index_make_digit(&pool, linear, 1, 64), j);
  assert_ptr_equal(mvg_index_make_digit(&pool, linear, 16, 4),
                   mvg_index_make_digit(&pool, j, 16, 0));
}

static void test_comparisons_follow_from_ranges(void **state) {
  (void)state;
  const mvg_index *i = mvg_index_make_var(&pool, 10, 0);
  static const char *const names[] = {"i"};
  static const struct {
    const char *text;
    int decided; // -1: it depends
  } cases[] = {{"i < 10", 1},      {"i < 9", -1},  {"i >= 10", 0},   {"i >= 0 && i < 10", 1},
               {"i - 3 >= 0", -1}, {"i == 12", 0}, {"!(i < 10)", 0}, {"i < 5 || i >= 0", 1}};
  mvg_arena arena = {0};
  for (size_t k = 0; k < sizeof cases / sizeof cases[0]; ++k) {
    const mvg_expr *expr;
    check(mvg_expr_parse(&arena, cases[k].text, names, 1, &expr));
    const mvg_index *index = mvg_index_from_expr(&pool, expr, &i);
    bool is_constant = mvg_index_is_const(index, 0) || mvg_index_is_const(index, 1);
    assert_int_equal(is_constant, cases[k].decided >= 0);
    if (is_constant) assert_int_equal(index->constant, cases[k].decided);
  }
  mvg_arena_deinit(&arena);
}

static int64_t eval(const mvg_index *index, const mvg_index *v, int64_t value) {
  if (index == v) return value;
  int64_t sum = index->constant;
  switch (index->kind) {
  case MVG_INDEX_SUM:
    for (uint32_t i = 0; i < index->term_count; ++i) {
      sum += index->terms[i].coefficient * eval(index->terms[i].index, v, value);
    }
    return sum;
  case MVG_INDEX_DIGIT: {
    int64_t base = eval(index->args[0], v, value), d = index->divisor, m = index->modulus;
    int64_t q = base / d - (base % d < 0);
    return m ? ((q % m) + m) % m : q;
  }
  case MVG_INDEX_ASSUME:
    return eval(index->args[0], v, value);
  default:
    fail();
    return 0;
  }
}

// Every simplification must agree with plain arithmetic.
static void test_random_digits_mean_what_they_say(void **state) {
  (void)state;
  const mvg_index *v = mvg_index_make_var(&pool, 5040, 0);
  uint32_t seed = 1;
  for (int round = 0; round < 3000; ++round) {
    const mvg_index *index = v;
    int count = 0;
    for (; count < 5; ++count) {
      seed = seed * 1664525u + 1013904223u;
      int64_t factor = 1 + (seed >> 8) % 6, offset = (int64_t)((seed >> 12) % 9) - 4;
      int64_t divisor = 1 + (seed >> 16) % 8, modulus = (seed >> 20) % 13;
      const mvg_index *scaled =
          mvg_index_make_sum(&pool, index, factor, mvg_index_make_const(&pool, offset), 1);
      scaled = mvg_index_make_sum(&pool, scaled, 1, v, count & 1);
      index = mvg_index_make_digit(&pool, scaled, divisor, modulus);
      for (int64_t x = 0; x < 5040; x += 97) {
        int64_t got = eval(index, v, x), base = eval(scaled, v, x);
        int64_t q = base / divisor - (base % divisor < 0);
        int64_t want = modulus ? ((q % modulus) + modulus) % modulus : q;
        assert_int_equal(got, want);
        assert_true(got >= index->low && got <= index->high);
      }
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(test_splitting_and_joining_gives_the_element_back, close_pool),
      cmocka_unit_test_teardown(test_reshape_to_new_axes_needs_no_division_by_old_ones, close_pool),
      cmocka_unit_test_teardown(test_comparisons_follow_from_ranges, close_pool),
      cmocka_unit_test_teardown(test_random_digits_mean_what_they_say, close_pool),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

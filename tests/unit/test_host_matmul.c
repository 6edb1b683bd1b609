// Host products against a plain triple loop.
#include "support/graph_fixture.h"

#include "program/host_matmul.h"

static float *make_values(int64_t count, uint32_t seed) {
  float *values = malloc((size_t)(count ? count : 1) * sizeof *values);
  for (int64_t i = 0; i < count; ++i) {
    seed = seed * 1664525u + 1013904223u;
    values[i] = (float)(seed >> 8) / 8388608.0f - 1.0f;
  }
  return values;
}

static void expect_product(const mvg_matmul *s) {
  float *a = make_values((s->broadcast_a ? 1 : s->batch) * s->m * s->k, 1);
  float *b = make_values((s->broadcast_b ? 1 : s->batch) * s->k * s->n, 2);
  int64_t count = s->batch * s->m * s->n;
  float *y = make_values(count, 3), *again = make_values(count, 4);
  mvg_host_matmul(s, a, b, y);
  mvg_host_matmul(s, a, b, again);
  assert_memory_equal(y, again, (size_t)count * sizeof *y);
  for (int64_t at = 0; at < count; at += 1 + count * s->k / 5000000) {
    int64_t i = at / (s->m * s->n), r = at / s->n % s->m, c = at % s->n;
    const float *left = a + (s->broadcast_a ? 0 : i * s->m * s->k);
    const float *right = b + (s->broadcast_b ? 0 : i * s->k * s->n);
    double sum = 0;
    for (int64_t l = 0; l < s->k; ++l) {
      sum += (double)left[s->transpose_a ? l * s->m + r : r * s->k + l] *
             right[s->transpose_b ? c * s->k + l : l * s->n + c];
    }
    assert_true(fabs(y[at] - sum) <= 1e-5 * (double)s->k);
  }
  free(a);
  free(b);
  free(y);
  free(again);
}

static void expect_shapes(void) {
  static const mvg_matmul shapes[] = {
      {.batch = 1, .m = 1, .n = 1, .k = 1},       {.batch = 1000, .m = 4, .n = 4, .k = 4},
      {.batch = 3, .m = 33, .n = 65, .k = 300},   {.batch = 1, .m = 1000, .n = 96, .k = 96},
      {.batch = 1, .m = 97, .n = 1003, .k = 131}, {.batch = 40, .m = 49, .n = 49, .k = 32},
      {.batch = 2, .m = 5, .n = 7, .k = 0},       {.batch = 0, .m = 5, .n = 7, .k = 3},
      {.batch = 1, .m = 1, .n = 700, .k = 193},   {.batch = 1, .m = 700, .n = 19, .k = 1},
      {.batch = 1, .m = 300, .n = 1, .k = 250},   {.batch = 1, .m = 45, .n = 50, .k = 9001},
      {.batch = 1, .m = 210, .n = 401, .k = 4111}};
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; ++i) {
    for (int flags = 0; flags < 16; ++flags) {
      mvg_matmul s = shapes[i];
      s.transpose_a = flags & 1;
      s.transpose_b = flags >> 1 & 1;
      s.broadcast_a = flags >> 2 & 1;
      s.broadcast_b = flags >> 3 & 1;
      expect_product(&s);
    }
  }
}

static void test_product_is_right_and_repeats(void **state) {
  (void)state;
  expect_shapes();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_product_is_right_and_repeats),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

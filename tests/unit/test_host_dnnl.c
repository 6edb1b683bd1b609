// oneDNN's products against a plain triple loop, and what is taken or left to the engine's own.
#include "support/graph_fixture.h"

#include "program/host_dnnl.h"

static float *make_values(int64_t count, uint32_t seed) {
  float *values = malloc((size_t)count * sizeof *values);
  for (int64_t i = 0; i < count; ++i) {
    seed = seed * 1664525u + 1013904223u;
    values[i] = (float)(seed >> 8) / 8388608.0f - 1.0f;
  }
  return values;
}

// Rows, of the matrices as they are stored, that are `gap` longer than need be.
static mvg_product make_product(int64_t m, int64_t n, int64_t k, int flags, int64_t gap) {
  bool turns_a = flags & 1, turns_b = flags >> 1 & 1;
  return (mvg_product){.m = m,
                       .n = n,
                       .k = k,
                       .a_row = turns_a ? 1 : k + gap,
                       .a_column = turns_a ? m + gap : 1,
                       .b_row = turns_b ? 1 : n + gap,
                       .b_column = turns_b ? k + gap : 1,
                       .y_row = n + gap,
                       .a = MVG_DTYPE_F32,
                       .b = MVG_DTYPE_F32,
                       .y = MVG_DTYPE_F32,
                       .overwrites = flags >> 2 & 1};
}

static bool expect_product(const mvg_product *p, int64_t gap) {
  float *a = make_values((p->m + gap) * (p->k + gap), 1);
  float *b = make_values((p->k + gap) * (p->n + gap), 2);
  int64_t count = p->m * p->y_row;
  float *y = make_values(count, 3), *again = make_values(count, 3), *old = make_values(count, 3);
  bool is_done = mvg_dnnl_multiply(p, a, b, y);
  assert_int_equal(mvg_dnnl_multiply(p, a, b, again), is_done);
  assert_memory_equal(y, again, (size_t)count * sizeof *y);
  for (int64_t at = 0; at < count; ++at) {
    int64_t i = at / p->y_row, j = at % p->y_row;
    double sum = is_done && p->overwrites && j < p->n ? 0 : old[at];
    for (int64_t l = 0; l < p->k && is_done && j < p->n; ++l)
      sum += (double)a[i * p->a_row + l * p->a_column] * b[l * p->b_row + j * p->b_column];
    assert_true(fabs(y[at] - sum) <= 1e-6 * (double)p->k);
  }
  free(a);
  free(b);
  free(y);
  free(again);
  free(old);
  return is_done;
}

// All that the engine asks for: either transposed or not, in place of or on top of what is there.
static void test_products_are_right_and_repeat(void **state) {
  (void)state;
  static const int64_t shapes[][3] = {{33, 47, 61},  {577, 16, 41}, {5, 131, 300},
                                      {1, 700, 193}, {700, 1, 193}, {96, 97, 1000}};
  int64_t done = 0;
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; ++i) {
    for (int flags = 0; flags < 8; ++flags) {
      for (int64_t gap = 0; gap <= 3; gap += 3) {
        mvg_product p = make_product(shapes[i][0], shapes[i][1], shapes[i][2], flags, gap);
        bool is_done = expect_product(&p, gap);
        if (!(flags & 2)) assert_true(is_done);
        done += is_done;
      }
    }
  }
  assert_true(done >= 6 * 4 * 2 + 2 * 2 * 2); // of b transposed, too
}

static void test_others_are_left_alone(void **state) {
  (void)state;
  mvg_product small = make_product(16, 16, 33, 4, 0), thin = make_product(4096, 3, 256, 4, 0);
  mvg_product both = make_product(64, 64, 64, 3, 0), empty = make_product(64, 64, 0, 4, 0);
  assert_false(expect_product(&small, 0));
  assert_false(expect_product(&thin, 0));
  assert_false(expect_product(&both, 0));
  assert_false(expect_product(&empty, 0));
  mvg_product sparse = make_product(64, 64, 64, 4, 0), half = sparse;
  sparse.a_row = 128;
  sparse.a_column = 2;
  half.b = MVG_DTYPE_BF16;
  assert_false(mvg_dnnl_multiply(&sparse, NULL, NULL, NULL));
  assert_false(mvg_dnnl_multiply(&half, NULL, NULL, NULL));
}

// That test_host_conv's larger shapes are done here, and what is not.
static void test_convolutions_of_networks_are_taken(void **state) {
  (void)state;
  mvg_conv c = {.batch = 1,
                .channels = 33,
                .outputs = 47,
                .groups = 1,
                .size = {1, 53, 31},
                .out = {1, 53, 16},
                .taps = {1, 3, 3},
                .stride = {1, 1, 2},
                .padding = {0, 2, 1},
                .dilation = {1, 2, 1},
                .parts = 1};
  float *x = make_values(53 * 31 * 33, 1), *weight = make_values(47 * 33 * 9, 2);
  float *y = make_values(53 * 16 * 47, 3);
  assert_true(mvg_dnnl_convolve(&c, false, x, weight, y));
  assert_true(mvg_dnnl_convolve(&c, true, y, weight, x));
  mvg_conv empty = c, grouped = c;
  empty.batch = 0;
  grouped.groups = 11;
  assert_false(mvg_dnnl_convolve(&empty, false, x, weight, y));
  assert_false(mvg_dnnl_convolve(&grouped, false, x, weight, y));
  free(x);
  free(weight);
  free(y);
}

int main(void) {
  unsetenv("MVGRAPH_ONEDNN");
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_products_are_right_and_repeat),
      cmocka_unit_test(test_others_are_left_alone),
      cmocka_unit_test(test_convolutions_of_networks_are_taken),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

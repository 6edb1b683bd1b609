// Attention on the host against plain loops in double precision: layouts, broadcast tables, tiles
// and what is left of them, causal rows, rows without keys, and the same bits on one thread and on
// many.
#include "support/graph_fixture.h"

#include "base/threads.h"
#include "program/host_window_attention.h"

typedef struct {
  int64_t g, heads, queries, keys, width, value_width;
  bool by_head, is_causal;
  int64_t bias[4], mask[4], parts;
} shape;

typedef struct {
  mvg_attention a;
  float *query, *key, *value, *bias, *mask, *dy, *delta;
  float *y, *lse, *dquery, *dkey, *dvalue, *dbias;
  int64_t query_count, key_count, value_count, y_count, row_count, bias_count;
} job;

static float *make_values(int64_t count, uint32_t seed) {
  float *values = malloc((size_t)(count ? count : 1) * sizeof *values);
  for (int64_t i = 0; i < count; ++i) {
    seed = seed * 1664525u + 1013904223u;
    values[i] = (float)(seed >> 8) / 8388608.0f - 1.0f;
  }
  return values;
}

static mvg_attention_layout lay_out(const shape *s, int64_t rows, int64_t width) {
  int64_t row = s->by_head ? width : s->heads * width;
  return (mvg_attention_layout){s->heads * rows * width, s->by_head ? rows * width : width, row, 0};
}

static mvg_attention_table lay_table(const int64_t *sizes) {
  return (mvg_attention_table){sizes[0], sizes[1] * sizes[2] * sizes[3],
                               sizes[1] > 1 ? sizes[2] * sizes[3] : 0, sizes[2] > 1 ? sizes[3] : 0,
                               sizes[3] > 1};
}

static job make_job(const shape *s) {
  job j = {.a = {.batches = s->g,
                 .heads = s->heads,
                 .queries = s->queries,
                 .keys = s->keys,
                 .width = s->width,
                 .value_width = s->value_width,
                 .scale = 0.4f,
                 .is_causal = s->is_causal,
                 .query = lay_out(s, s->queries, s->width),
                 .key = lay_out(s, s->keys, s->width),
                 .value = lay_out(s, s->keys, s->value_width),
                 .y = lay_out(s, s->queries, s->value_width),
                 .bias = lay_table(s->bias),
                 .mask = lay_table(s->mask),
                 .parts = s->parts}};
  j.query_count = s->g * j.a.query.batch;
  j.key_count = s->g * j.a.key.batch;
  j.value_count = s->g * j.a.value.batch;
  j.y_count = s->g * j.a.y.batch;
  j.row_count = s->g * s->heads * s->queries;
  j.bias_count = s->bias[0] * s->bias[1] * s->bias[2] * s->bias[3];
  j.query = make_values(j.query_count, 1);
  j.key = make_values(j.key_count, 2);
  j.value = make_values(j.value_count, 3);
  j.bias = make_values(j.bias_count, 4);
  int64_t mask_count = s->mask[0] * s->mask[1] * s->mask[2] * s->mask[3];
  j.mask = make_values(mask_count, 5);
  for (int64_t i = 2; mask_count > 2 && i < mask_count; i += 3)
    j.mask[i] = -INFINITY;
  j.dy = make_values(j.y_count, 6);
  j.delta = make_values(j.row_count, 7);
  j.y = make_values(j.y_count, 8);
  j.lse = make_values(j.row_count, 9);
  j.dquery = make_values(j.query_count, 10);
  j.dkey = make_values(j.key_count, 11);
  j.dvalue = make_values(j.value_count, 12);
  j.dbias = make_values(s->parts * j.bias_count, 13);
  return j;
}

static void free_job(job *j) {
  float *all[] = {j->query, j->key, j->value,  j->bias, j->mask,   j->dy,   j->delta,
                  j->y,     j->lse, j->dquery, j->dkey, j->dvalue, j->dbias};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; ++i)
    free(all[i]);
}

static void run_job(void *context, int64_t index) {
  job *j = context;
  if (index) return;
  mvg_attention_inputs in = {j->query, j->key, j->value, j->bias, j->mask};
  mvg_host_attention(&j->a, &in, j->y, j->lse);
  mvg_attention_gradients gradients = {j->dy,   j->lse,    j->delta, j->dquery,
                                       j->dkey, j->dvalue, j->dbias};
  mvg_host_attention_grad(&j->a, &in, &gradients);
}

static int64_t place(const mvg_attention_layout *l, int64_t g, int64_t h, int64_t i) {
  return g * l->batch + h * l->head + i * l->row;
}

static int64_t table_place(const mvg_attention_table *t, int64_t g, int64_t h, int64_t i,
                           int64_t k) {
  return g % t->count * t->batch + h * t->head + i * t->row + k * t->column;
}

static double score(const job *j, int64_t g, int64_t h, int64_t i, int64_t k) {
  const mvg_attention *a = &j->a;
  if (a->is_causal && k > i) return -INFINITY;
  double sum = 0;
  for (int64_t c = 0; c < a->width; ++c) {
    sum += (double)j->query[place(&a->query, g, h, i) + c] *
           (double)j->key[place(&a->key, g, h, k) + c];
  }
  return sum * (double)a->scale + (double)j->bias[table_place(&a->bias, g, h, i, k)] +
         (double)j->mask[table_place(&a->mask, g, h, i, k)];
}

static void expect_near(const float *got, const double *expected, int64_t count) {
  double largest = 1;
  for (int64_t i = 0; i < count; ++i)
    largest = fmax(largest, fabs(expected[i]));
  for (int64_t i = 0; i < count; ++i)
    assert_true(fabs((double)got[i] - expected[i]) <= 1e-5 * largest);
}

static double *make_zeros(int64_t count) {
  return calloc((size_t)(count ? count : 1), sizeof(double));
}

typedef struct {
  double *y, *dquery, *dkey, *dvalue, *dbias;
} expectation;

// One row: its softmax, and what it adds to the gradients.
static void add_row(const job *j, expectation *e, int64_t g, int64_t h, int64_t i, double *p) {
  const mvg_attention *a = &j->a;
  double peak = -INFINITY, total = 0;
  for (int64_t k = 0; k < a->keys; ++k)
    peak = fmax(peak, p[k] = score(j, g, h, i, k));
  for (int64_t k = 0; k < a->keys; ++k)
    total += p[k] = isinf(peak) ? 0 : exp(p[k] - peak);
  int64_t q = place(&a->query, g, h, i), y = place(&a->y, g, h, i);
  double lse = peak + log(total);
  if (total > 0)
    assert_true(fabs((double)j->lse[y / a->value_width] - lse) <= 1e-5 * fabs(lse) + 1e-5);
  int64_t outer = a->batches / a->bias.count,
          share = (outer + a->parts - 1) / (a->parts ? a->parts : 1);
  int64_t part = share ? g / a->bias.count / share : 0;
  for (int64_t k = 0; k < a->keys && total > 0; ++k) {
    int64_t from = place(&a->key, g, h, k), v = place(&a->value, g, h, k);
    double weight = p[k] / total, slope = 0;
    for (int64_t c = 0; c < a->value_width; ++c) {
      e->y[y + c] += weight * (double)j->value[v + c];
      e->dvalue[v + c] += weight * (double)j->dy[y + c];
      slope += (double)j->dy[y + c] * (double)j->value[v + c];
    }
    double ds = weight * (slope - (double)j->delta[y / a->value_width]);
    if (a->parts) e->dbias[part * j->bias_count + table_place(&a->bias, g, h, i, k)] += ds;
    for (int64_t c = 0; c < a->width; ++c) {
      e->dquery[q + c] += ds * (double)a->scale * (double)j->key[from + c];
      e->dkey[from + c] += ds * (double)a->scale * (double)j->query[q + c];
    }
  }
}

static void expect_right(const job *j) {
  const mvg_attention *a = &j->a;
  expectation e = {make_zeros(j->y_count), make_zeros(j->query_count), make_zeros(j->key_count),
                   make_zeros(j->value_count), make_zeros(a->parts * j->bias_count)};
  double *p = make_zeros(a->keys);
  for (int64_t row = 0; row < j->row_count; ++row)
    add_row(j, &e, row / a->queries / a->heads, row / a->queries % a->heads, row % a->queries, p);
  expect_near(j->y, e.y, j->y_count);
  expect_near(j->dquery, e.dquery, j->query_count);
  expect_near(j->dkey, e.dkey, j->key_count);
  expect_near(j->dvalue, e.dvalue, j->value_count);
  expect_near(j->dbias, e.dbias, a->parts * j->bias_count);
  free(e.y);
  free(e.dquery);
  free(e.dkey);
  free(e.dvalue);
  free(e.dbias);
  free(p);
}

static void expect_same(const job *a, const job *b) {
  assert_memory_equal(a->y, b->y, (size_t)a->y_count * sizeof(float));
  assert_memory_equal(a->lse, b->lse, (size_t)a->row_count * sizeof(float));
  assert_memory_equal(a->dquery, b->dquery, (size_t)a->query_count * sizeof(float));
  assert_memory_equal(a->dkey, b->dkey, (size_t)a->key_count * sizeof(float));
  assert_memory_equal(a->dvalue, b->dvalue, (size_t)a->value_count * sizeof(float));
  assert_memory_equal(a->dbias, b->dbias, (size_t)(a->a.parts * a->bias_count) * sizeof(float));
}

static const shape shapes[] = {
    {1, 1, 1, 1, 1, 1, false, false, {1, 1, 1, 1}, {1, 1, 1, 1}, 1},
    {12, 3, 7, 7, 24, 24, false, false, {1, 3, 7, 7}, {4, 1, 7, 7}, 5},
    {6, 2, 49, 49, 32, 32, false, false, {1, 2, 49, 49}, {3, 1, 49, 49}, 4},
    {2, 2, 64, 64, 40, 8, true, false, {2, 1, 64, 64}, {1, 1, 1, 1}, 1},
    {3, 1, 65, 65, 64, 64, true, true, {1, 1, 1, 65}, {1, 1, 65, 1}, 2},
    {1, 2, 200, 131, 16, 24, false, true, {1, 2, 200, 131}, {1, 1, 1, 131}, 1},
    {1, 1, 130, 300, 200, 3, false, false, {1, 1, 1, 1}, {1, 1, 1, 300}, 0},
    {2, 2, 3, 17, 8, 8, true, false, {1, 1, 3, 17}, {2, 2, 3, 17}, 2},
    {0, 2, 3, 5, 4, 4, false, false, {1, 1, 1, 1}, {1, 1, 1, 1}, 1},
};

static void test_output_and_gradients_are_right(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; ++i) {
    job j = make_job(&shapes[i]);
    run_job(&j, 0);
    expect_right(&j);
    free_job(&j);
  }
}

static void test_bits_do_not_depend_on_threads(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; ++i) {
    job many = make_job(&shapes[i]), one = make_job(&shapes[i]);
    run_job(&many, 0);
    mvg_threads_run(2, run_job, &one); // a task has the calling thread alone
    expect_same(&many, &one);
    free_job(&many);
    free_job(&one);
  }
}

static void test_rows_without_keys_are_zero(void **state) {
  (void)state;
  job j = make_job(&(shape){1, 1, 3, 5, 4, 4, false, false, {1, 1, 1, 1}, {1, 1, 3, 1}, 1});
  j.mask[1] = -INFINITY;
  run_job(&j, 0);
  for (int64_t c = 0; c < 4; ++c) {
    assert_true(j.y[4 + c] == 0);
    assert_true(j.dquery[4 + c] == 0);
  }
  assert_true(isfinite(j.lse[1]));
  free_job(&j);
}

static void test_not_a_number_spreads_over_its_row_alone(void **state) {
  (void)state;
  job j = make_job(&(shape){1, 1, 3, 5, 4, 4, false, false, {1, 1, 1, 1}, {1, 1, 1, 1}, 1});
  j.query[4] = NAN;
  run_job(&j, 0);
  for (int64_t c = 0; c < 4; ++c) {
    assert_true(isfinite(j.y[c]) && isnan(j.y[4 + c]) && isfinite(j.y[8 + c]));
  }
  free_job(&j);
}

// ---- windows; their numbers are ops_spec's ----

typedef struct {
  mvg_window_attention a;
  float *qkv, *pad, *bias, *dy, *delta;
  float *outputs[5]; // y, lse, dqkv, dpad, dbias
  int64_t counts[5];
} window_job;

static window_job make_window_job(void) {
  window_job j = {.a = {.images = 2,
                        .height = 16,
                        .width = 17,
                        .window = {7, 7},
                        .shift = {3, 3},
                        .heads = 3,
                        .channels = 32,
                        .scale = 0.2f,
                        .bias = {1, 3 * 49 * 49, 49 * 49, 49, 1},
                        .mask = {.count = 1},
                        .parts = 4}};
  int64_t tokens = 2 * 16 * 17, channels = 3 * 32;
  int64_t counts[5] = {tokens * channels, tokens * 3, tokens * 3 * channels,
                       mvg_window_count(&j.a) * 3 * channels, j.a.parts * j.a.bias.batch};
  j.qkv = make_values(counts[2], 1);
  j.pad = make_values(3 * channels, 2);
  j.bias = make_values(j.a.bias.batch, 3);
  j.dy = make_values(counts[0], 4);
  j.delta = make_values(counts[1], 5);
  for (uint32_t i = 0; i < 5; ++i) {
    j.counts[i] = counts[i];
    j.outputs[i] = make_values(counts[i], 6 + i);
  }
  return j;
}

static void run_window_job(void *context, int64_t index) {
  window_job *j = context;
  if (index) return;
  static const float mask = 0;
  mvg_window_inputs in = {j->qkv, j->pad, j->bias, &mask};
  mvg_host_window_attention(&j->a, &in, j->outputs[0], j->outputs[1]);
  mvg_window_gradients gradients = {j->dy,         j->outputs[1], j->delta,
                                    j->outputs[2], j->outputs[3], j->outputs[4]};
  mvg_host_window_attention_grad(&j->a, &in, &gradients);
}

static void free_window_job(window_job *j) {
  float *all[] = {j->qkv, j->pad, j->bias, j->dy, j->delta};
  for (uint32_t i = 0; i < 5; ++i) {
    free(all[i]);
    free(j->outputs[i]);
  }
}

static void test_bits_of_windows_do_not_depend_on_threads(void **state) {
  (void)state;
  window_job many = make_window_job(), one = make_window_job();
  run_window_job(&many, 0);
  mvg_threads_run(2, run_window_job, &one);
  for (uint32_t i = 0; i < 5; ++i)
    assert_memory_equal(many.outputs[i], one.outputs[i], (size_t)many.counts[i] * sizeof(float));
  free_window_job(&many);
  free_window_job(&one);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_output_and_gradients_are_right),
      cmocka_unit_test(test_bits_do_not_depend_on_threads),
      cmocka_unit_test(test_bits_of_windows_do_not_depend_on_threads),
      cmocka_unit_test(test_rows_without_keys_are_zero),
      cmocka_unit_test(test_not_a_number_spreads_over_its_row_alone),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

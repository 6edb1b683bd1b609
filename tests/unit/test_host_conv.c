// Host convolutions and their gradients against plain loops.
#include "support/graph_fixture.h"

#include "program/host_conv.h"

static float *make_values(int64_t count, uint32_t seed) {
  float *values = malloc((size_t)(count ? count : 1) * sizeof *values);
  for (int64_t i = 0; i < count; ++i) {
    seed = seed * 1664525u + 1013904223u;
    values[i] = (float)(seed >> 8) / 8388608.0f - 1.0f;
  }
  return values;
}

static int64_t multiply_all(const int64_t counts[MVG_CONV_AXES]) {
  return counts[0] * counts[1] * counts[2];
}

static void take_apart(int64_t index, const int64_t counts[MVG_CONV_AXES],
                       int64_t at[MVG_CONV_AXES]) {
  for (int d = MVG_CONV_AXES - 1; d >= 0; --d) {
    at[d] = index % counts[d];
    index /= counts[d];
  }
}

typedef struct {
  const mvg_conv *conv;
  const float *x, *weight, *dy;
  double *y, *dx, *dweight;
} sums;

// What one output pixel and one tap add to all three; nothing beyond the ends.
static void add_pixel(const sums *s, int64_t image, int64_t out, int64_t tap) {
  const mvg_conv *c = s->conv;
  int64_t o_at[MVG_CONV_AXES], t_at[MVG_CONV_AXES], from = image;
  take_apart(out, c->out, o_at);
  take_apart(tap, c->taps, t_at);
  for (int d = 0; d < MVG_CONV_AXES; ++d) {
    int64_t p = o_at[d] * c->stride[d] - c->padding[d] + t_at[d] * c->dilation[d];
    if (p < 0 || p >= c->size[d]) return;
    from = from * c->size[d] + p;
  }
  int64_t to = image * multiply_all(c->out) + out;
  int64_t channels = c->channels / c->groups, outputs = c->outputs / c->groups;
  for (int64_t o = 0; o < c->outputs; ++o) {
    for (int64_t i = 0; i < channels; ++i) {
      int64_t x = from * c->channels + o / outputs * channels + i, y = to * c->outputs + o;
      int64_t w = (o * channels + i) * multiply_all(c->taps) + tap;
      s->y[y] += (double)s->x[x] * s->weight[w];
      s->dx[x] += (double)s->dy[y] * s->weight[w];
      s->dweight[w] += (double)s->dy[y] * s->x[x];
    }
  }
}

static void expect_near(const float *got, const double *expected, int64_t count, int64_t parts) {
  for (int64_t i = 0; i < count; ++i) {
    double sum = 0;
    for (int64_t part = 0; part < parts; ++part)
      sum += (double)got[part * count + i];
    assert_true(fabs(sum - expected[i]) <= 1e-4);
  }
}

static void run_all(const sums *s, float *y, float *dx, float *dweight) {
  mvg_host_conv(s->conv, s->x, s->weight, y);
  mvg_host_conv_transposed(s->conv, s->dy, s->weight, dx);
  mvg_host_conv_weight(s->conv, s->x, s->dy, dweight);
}

static void expect_conv(const mvg_conv *given) {
  mvg_conv c = *given;
  for (int d = 0; d < MVG_CONV_AXES; ++d) {
    int64_t room = c.size[d] + 2 * c.padding[d] - c.dilation[d] * (c.taps[d] - 1) - 1;
    if (room < 0) return;
    c.out[d] = room / c.stride[d] + 1;
  }
  int64_t pixels = c.batch * multiply_all(c.size), outs = c.batch * multiply_all(c.out);
  int64_t counts[] = {outs * c.outputs, pixels * c.channels,
                      c.outputs * (c.channels / c.groups) * multiply_all(c.taps)};
  float *x = make_values(counts[1], 1), *weight = make_values(counts[2], 2);
  float *dy = make_values(counts[0], 3), *got[2][3];
  double *expected[3];
  for (int i = 0; i < 3; ++i) {
    int64_t parts = i == 2 ? c.parts : 1;
    for (int run = 0; run < 2; ++run) // what was there is overwritten
      got[run][i] = make_values(counts[i] * parts, (uint32_t)(4 + run));
    expected[i] = calloc((size_t)(counts[i] ? counts[i] : 1), sizeof(double));
  }
  sums s = {&c, x, weight, dy, expected[0], expected[1], expected[2]};
  for (int64_t i = 0; i < outs * multiply_all(c.taps); ++i) {
    int64_t out = i / multiply_all(c.taps);
    add_pixel(&s, out / multiply_all(c.out), out % multiply_all(c.out), i % multiply_all(c.taps));
  }
  for (int run = 0; run < 2; ++run)
    run_all(&s, got[run][0], got[run][1], got[run][2]);
  for (int i = 0; i < 3; ++i) {
    int64_t parts = i == 2 ? c.parts : 1;
    expect_near(got[0][i], expected[i], counts[i], parts);
    assert_memory_equal(got[0][i], got[1][i], (size_t)(counts[i] * parts) * sizeof(float));
    free(got[0][i]);
    free(got[1][i]);
    free(expected[i]);
  }
  free(x);
  free(weight);
  free(dy);
}

// Strides above the kernel and kernels above the map; thin and deep maps; tasks and slices of more
// than one block; nothing at all.
static void test_shapes_of_networks_are_right_and_repeat(void **state) {
  (void)state;
  static const mvg_conv shapes[] = {
      {2, 64, 64, 1, {1, 12, 12}, {0}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, {1, 1, 1}, 3},
      {1, 200, 40, 1, {1, 5, 6}, {0}, {1, 3, 3}, {1, 2, 2}, {0, 1, 1}, {1, 1, 1}, 1},
      {2, 3, 48, 1, {1, 31, 30}, {0}, {1, 7, 7}, {1, 2, 2}, {0, 3, 3}, {1, 1, 1}, 2},
      {1, 4, 5, 1, {9, 10, 11}, {0}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, 4},
      {1, 1, 17, 1, {1, 40, 40}, {0}, {1, 5, 5}, {1, 1, 1}, {0, 2, 2}, {1, 1, 1}, 1},
      {1, 6, 9, 3, {4, 5, 6}, {0}, {2, 3, 1}, {3, 1, 2}, {1, 0, 2}, {2, 1, 3}, 2},
      {1, 70, 34, 1, {1, 9, 9}, {0}, {1, 4, 4}, {1, 2, 2}, {0, 1, 1}, {1, 1, 1}, 1},
      {3, 5, 5, 5, {1, 8, 9}, {0}, {1, 2, 2}, {1, 4, 3}, {0, 0, 1}, {1, 3, 2}, 5},
      {1, 2, 3, 1, {1, 2, 3}, {0}, {1, 5, 6}, {1, 1, 1}, {0, 2, 2}, {1, 1, 1}, 1},
      {0, 4, 8, 2, {1, 4, 4}, {0}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, {1, 1, 1}, 2},
      {1, 20, 33, 1, {1, 60, 70}, {0}, {1, 1, 1}, {1, 2, 2}, {0, 0, 0}, {1, 1, 1}, 6},
      {1, 33, 47, 1, {1, 53, 31}, {0}, {1, 3, 3}, {1, 1, 2}, {0, 2, 1}, {1, 2, 1}, 4},
      {3, 32, 37, 1, {1, 29, 62}, {0}, {1, 5, 4}, {1, 3, 2}, {0, 4, 1}, {1, 2, 1}, 3},
      {2, 32, 16, 1, {19, 9, 10}, {0}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, 7},
      {1, 40, 35, 1, {41, 8, 9}, {0}, {4, 2, 3}, {2, 1, 2}, {3, 0, 1}, {1, 3, 1}, 5},
      {20, 3, 24, 1, {1, 41, 37}, {0}, {1, 7, 7}, {1, 2, 2}, {0, 3, 3}, {1, 1, 1}, 20},
  };
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; ++i)
    expect_conv(&shapes[i]);
}

static int64_t draw(uint32_t *seed, int64_t count) {
  *seed = *seed * 1664525u + 1013904223u;
  return (int64_t)(*seed >> 16) % count;
}

static void test_drawn_shapes_are_right(void **state) {
  (void)state;
  uint32_t seed = 5;
  for (int i = 0; i < 150; ++i) {
    mvg_conv c = {.batch = 1 + draw(&seed, 2), .groups = 1 + draw(&seed, 3)};
    c.channels = c.groups * (1 + draw(&seed, 9));
    c.outputs = c.groups * (1 + draw(&seed, 19));
    c.parts = 1 + draw(&seed, 3);
    for (int d = 0; d < MVG_CONV_AXES; ++d) {
      c.size[d] = 1 + draw(&seed, d ? 9 : 3);
      c.taps[d] = 1 + draw(&seed, d ? 5 : 2);
      c.stride[d] = 1 + draw(&seed, 4);
      c.padding[d] = draw(&seed, 4);
      c.dilation[d] = 1 + draw(&seed, 3);
    }
    expect_conv(&c);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_shapes_of_networks_are_right_and_repeat),
      cmocka_unit_test(test_drawn_shapes_are_right),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

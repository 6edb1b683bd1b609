// Small graphs in few words, and the comparison of a compiled program with the double-precision
// reference.
#ifndef MVGRAPH_TESTS_SUPPORT_GRAPH_FIXTURE_H_
#define MVGRAPH_TESTS_SUPPORT_GRAPH_FIXTURE_H_

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compile/compile.h"
#include "graph/host_eval.h"
#include "plan/plan.h"

#define FIXTURE_MAX 16

typedef struct {
  mvg_graph *graph;
  mvg_ndarray *inputs[FIXTURE_MAX];
  uint32_t input_count;
  mvg_ndarray *state_values[FIXTURE_MAX];
  mvg_type state_types[FIXTURE_MAX];
  uint32_t state_count;
} fixture;

static inline void check(mvg_status status) {
  if (!status) return;
  print_error("%s (%s)\n", mvg_status_get_message(status), mvg_status_get_location(status));
  fail();
}

static inline mvg_shape shape_of(uint32_t rank, const int64_t *dims) {
  mvg_shape shape = {.rank = rank};
  for (uint32_t i = 0; i < rank; ++i)
    shape.dims[i] = dims[i];
  return shape;
}
#define DIMS(...)                                                                                  \
  shape_of((uint32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),                         \
           (const int64_t[]){__VA_ARGS__})
#define SCALAR ((mvg_shape){0})

static inline void fixture_open(fixture *f) {
  *f = (fixture){0};
  check(mvg_graph_create("test", &f->graph));
}

static inline void fixture_close(fixture *f) {
  mvg_graph_destroy(f->graph);
  for (uint32_t i = 0; i < f->input_count; ++i)
    mvg_ndarray_release(f->inputs[i]);
  for (uint32_t i = 0; i < f->state_count; ++i)
    mvg_ndarray_release(f->state_values[i]);
}

// Values in [-1, 1] that depend on the position only.
static inline mvg_ndarray *make_array(mvg_shape shape, uint32_t seed) {
  mvg_ndarray *array;
  check(mvg_ndarray_create(MVG_DTYPE_F32, &shape, &array));
  for (int64_t i = 0; i < mvg_shape_get_size(&shape); ++i) {
    uint32_t x = (uint32_t)i * 2654435761u + seed * 40503u + 12345u;
    x ^= x >> 15;
    x *= 2246822519u;
    x ^= x >> 13;
    mvg_ndarray_set(array, i, (double)(x >> 8) / 8388608.0 - 1.0);
  }
  return array;
}

static inline mvg_value make_input(fixture *f, mvg_shape shape) {
  mvg_value value;
  mvg_type type = {.dtype = MVG_DTYPE_F32, .shape = shape};
  char name[16];
  snprintf(name, sizeof name, "x%u", f->input_count);
  check(mvg_graph_leaf(f->graph, MVG_KIND_INPUT, name, f->input_count, &type, &value));
  f->inputs[f->input_count] = make_array(shape, f->input_count);
  f->input_count++;
  return value;
}

static inline mvg_value make_state(fixture *f, mvg_shape shape) {
  mvg_value value;
  mvg_type type = {.dtype = MVG_DTYPE_F32, .shape = shape};
  char name[16];
  snprintf(name, sizeof name, "s%u", f->state_count);
  check(mvg_graph_leaf(f->graph, MVG_KIND_STATE, name, f->state_count, &type, &value));
  f->state_types[f->state_count] = type;
  f->state_values[f->state_count] = make_array(shape, 100 + f->state_count);
  f->state_count++;
  return value;
}

static inline mvg_value make_map(fixture *f, const char *text, uint32_t count,
                                 const mvg_value *inputs) {
  static const char *const names[] = {"a", "b", "c", "d", "e"};
  const mvg_expr *expr;
  const char *all[6];
  for (uint32_t i = 0; i < count; ++i)
    all[i] = names[i];
  all[count] = "i";
  check(mvg_expr_parse(mvg_graph_get_arena(f->graph), text, all, count + 1, &expr));
  mvg_value out;
  check(mvg_graph_map(f->graph, NULL, "map", MVG_DTYPE_F32, expr, inputs, count, &out));
  return out;
}
#define MAP(f, text, ...)                                                                          \
  make_map((f), (text), (uint32_t)(sizeof((mvg_value[]){__VA_ARGS__}) / sizeof(mvg_value)),        \
           (const mvg_value[]){__VA_ARGS__})

static inline mvg_value make_reduce(fixture *f, const char *init, const char *combine,
                                    const char *finish, uint32_t axes, mvg_value input) {
  static const char *const combine_names[] = {"acc", "x"}, *const finish_names[] = {"acc", "n"};
  mvg_arena *arena = mvg_graph_get_arena(f->graph);
  mvg_reduce_body body = {.axes = axes};
  mvg_value out;
  check(mvg_expr_parse(arena, init, NULL, 0, &body.init));
  check(mvg_expr_parse(arena, combine, combine_names, 2, &body.combine));
  check(mvg_expr_parse(arena, finish, finish_names, 2, &body.finish));
  check(mvg_graph_reduce(f->graph, NULL, "reduce", input, &body, &out));
  return out;
}
static inline mvg_value make_sum(fixture *f, uint32_t axes, mvg_value input) {
  return make_reduce(f, "0", "acc + x", "acc", axes, input);
}

// `texts`: one index expression an input axis over output coordinates i, j, k, l; `valid` may be
// NULL.
static inline mvg_value make_view(fixture *f, mvg_value input, mvg_shape shape,
                                  const char *const *texts, const char *valid) {
  static const char *const names[] = {"i", "j", "k", "l", "m"};
  mvg_arena *arena = mvg_graph_get_arena(f->graph);
  const mvg_expr *index[MVG_MAX_RANK] = {0}, *condition = NULL;
  uint32_t rank = mvg_graph_get_type(f->graph, input)->shape.rank;
  for (uint32_t i = 0; i < rank; ++i)
    check(mvg_expr_parse(arena, texts[i], names, shape.rank, &index[i]));
  if (valid) check(mvg_expr_parse(arena, valid, names, shape.rank, &condition));
  mvg_value out;
  check(mvg_graph_view(f->graph, NULL, "view", input, &shape, index, condition, &out));
  return out;
}
#define VIEW(f, input, shape, valid, ...)                                                          \
  make_view((f), (input), (shape), (const char *const[]){__VA_ARGS__}, (valid))

static inline mvg_value make_reshape(fixture *f, mvg_value input, mvg_shape shape) {
  mvg_value out;
  check(mvg_graph_reshape(f->graph, NULL, "reshape", input, &shape, &out));
  return out;
}

static inline void add_output(fixture *f, const char *name, mvg_value value) {
  check(mvg_graph_add_target(f->graph, &(mvg_target){.name = name, .value = value}));
}
static inline void add_update(fixture *f, uint32_t slot, mvg_value value) {
  check(mvg_graph_add_target(
      f->graph, &(mvg_target){.name = "s", .value = value, .is_update = true, .slot = slot}));
}

// A device that computes, or NULL when there is none.
static inline mvg_device *open_device(void) {
  mvg_device *device;
  mvg_status status = mvg_device_create("auto", &device);
  if (status || mvg_device_get_caps(device)->is_null) {
    mvg_status_destroy(status);
    return NULL;
  }
  return device;
}

#endif // MVGRAPH_TESTS_SUPPORT_GRAPH_FIXTURE_H_

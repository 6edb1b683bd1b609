#include "passes/slice.h"

#include <string.h>

#include "passes/rewrite.h"

#define MIN_SLICED 2048   // k below which one sum is as fast
#define MIN_SLICE 512     // k that pay for storing a partial result and adding it
#define WANTED_GROUPS 512 // workgroups of 64 x 64 results: enough for the largest devices
#define MULTIPLE 32       // of k: the depth of every tile divides it

static int64_t divide_up(int64_t count, int64_t size) {
  return (count + size - 1) / size;
}

int64_t mvg_slice_choose(int64_t batch, int64_t m, int64_t n, int64_t k) {
  int64_t tiles = batch * divide_up(m, 64) * divide_up(n, 64);
  if (k < MIN_SLICED || tiles < 1 || tiles * 2 > WANTED_GROUPS) return k;
  int64_t wanted = WANTED_GROUPS / tiles, most = k / MIN_SLICE;
  int64_t slice = divide_up(divide_up(k, wanted < most ? wanted : most), MULTIPLE) * MULTIPLE;
  return slice < k ? slice : k;
}

static int64_t get_constant(const mvg_node *node, const char *name) {
  for (uint32_t i = 0; i < node->kernel.constant_count; ++i) {
    if (strcmp(node->kernel.constants[i].name, name) == 0) return node->kernel.constants[i].integer;
  }
  return 0;
}

static mvg_status add_slices(mvg_graph *graph, const mvg_node *node, const mvg_value *inputs,
                             const mvg_shape *shape, int64_t slice, mvg_value *out) {
  mvg_arena *arena = mvg_graph_get_arena(graph);
  const mvg_type type = {.dtype = MVG_DTYPE_F32, .shape = *shape};
  mvg_node sliced = *node;
  mvg_constant *constants;
  uint32_t count = node->kernel.constant_count;
  MVG_RETURN_IF_ERROR(mvg_arena_alloc(arena, count + 1, sizeof *constants, (void **)&constants));
  memcpy(constants, node->kernel.constants, count * sizeof *constants);
  uint32_t at = count; // they are sorted by name
  for (; at > 0 && strcmp(constants[at - 1].name, "SLICE") > 0; --at)
    constants[at] = constants[at - 1];
  constants[at] = (mvg_constant){.name = "SLICE", .is_integer = true, .integer = slice};
  sliced.outputs = &type;
  sliced.kernel.constants = constants;
  sliced.kernel.constant_count = count + 1;
  sliced.kernel.groups[2] = (uint32_t)(shape->dims[0] * shape->dims[1]);
  uint32_t id;
  MVG_RETURN_IF_ERROR(mvg_rewrite_copy(graph, &sliced, inputs, &id));
  *out = (mvg_value){id, 0};
  return NULL;
}

mvg_status mvg_slice_product(mvg_graph *graph, const mvg_node *node, const mvg_value *inputs,
                             mvg_value *out_value, bool *out_done) {
  *out_done = false;
  if (strcmp(node->kernel.source, "matmul/matmul.comp") != 0) return NULL;
  if (node->outputs[0].dtype != MVG_DTYPE_F32) return NULL;
  int64_t batch = get_constant(node, "B"), m = get_constant(node, "M"), n = get_constant(node, "N"),
          k = get_constant(node, "K");
  int64_t slice = mvg_slice_choose(batch, m, n, k);
  if (slice >= k) return NULL;
  const mvg_shape shape = {.rank = 4, .dims = {batch, divide_up(k, slice), m, n}};
  mvg_value slices;
  MVG_RETURN_IF_ERROR(add_slices(graph, node, inputs, &shape, slice, &slices));
  *out_done = true;
  mvg_graph_set_origin(graph, &node->origin);
  return mvg_graph_sum(graph, slices, 2, out_value);
}

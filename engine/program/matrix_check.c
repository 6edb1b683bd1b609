#include "program/matrix_check.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/log.h"
#include "codegen/emit_glsl.h"
#include "io/cache_file.h"
#include "plan/plan.h"
#include "program/program.h"

// y [M, N] = a [M, K] bt [N, K]: more than a tile each way, and nothing whole.
typedef struct {
  const mvg_matmul_tile *tile;
  int64_t m, n, k;
  mvg_ndarray *a, *bt, *y;
} check;

// Of f16 and bf16 eighths that they hold, so that products and sums are exact; of two parts what
// only both hold.
static void fill(const check *c, mvg_ndarray *array, uint32_t seed) {
  for (int64_t i = 0; i < mvg_shape_get_size(&array->shape); ++i) {
    uint64_t bits = mvg_hash_u64(seed, (uint64_t)i);
    double eighths = (double)(bits % 33) - 16, fraction = (double)(bits >> 40) * 0x1p-23 - 1;
    mvg_ndarray_set(array, i, c->tile->operands == MVG_OPERANDS_SPLIT ? fraction : eighths / 8);
  }
}

static mvg_status create_arrays(check *c) {
  const mvg_shape a = {.rank = 3, .dims = {1, c->m, c->k}},
                  bt = {.rank = 3, .dims = {1, c->n, c->k}},
                  y = {.rank = 3, .dims = {1, c->m, c->n}};
  MVG_RETURN_IF_ERROR(mvg_ndarray_create(MVG_DTYPE_F32, &a, &c->a));
  MVG_RETURN_IF_ERROR(mvg_ndarray_create(MVG_DTYPE_F32, &bt, &c->bt));
  MVG_RETURN_IF_ERROR(mvg_ndarray_create(MVG_DTYPE_F32, &y, &c->y));
  fill(c, c->a, 1);
  fill(c, c->bt, 2);
  return NULL;
}

static mvg_status add_product(const check *c, mvg_graph *graph) {
  static const char *const inputs[] = {"a", "b"}, *const outputs[] = {"y"};
  const mvg_constant constants[] = {{"B", true, 1, 0},           {"BROADCAST_A", true, 0, 0},
                                    {"BROADCAST_B", true, 0, 0}, {"K", true, c->k, 0},
                                    {"M", true, c->m, 0},        {"N", true, c->n, 0},
                                    {"TRANSPOSE_A", true, 0, 0}, {"TRANSPOSE_B", true, 1, 0}};
  enum { COUNT = sizeof constants / sizeof constants[0] };
  mvg_value operands[2];
  const mvg_type a = {.shape = c->a->shape}, bt = {.shape = c->bt->shape},
                 y = {.shape = c->y->shape};
  MVG_RETURN_IF_ERROR(mvg_graph_leaf(graph, MVG_KIND_INPUT, "a", 0, &a, &operands[0]));
  MVG_RETURN_IF_ERROR(mvg_graph_leaf(graph, MVG_KIND_INPUT, "b", 1, &bt, &operands[1]));
  mvg_node node = {
      .kind = MVG_KIND_KERNEL,
      .op = "matmul",
      .input_count = 2,
      .output_count = 1,
      .inputs = operands,
      .outputs = &y,
      .kernel = {.source = MVG_MATMUL_SOURCE,
                 .input_names = inputs,
                 .output_names = outputs,
                 .constant_count = COUNT,
                 .groups = {1, 1, 1},
                 .local_size = 64},
  };
  MVG_RETURN_IF_ERROR(
      mvg_constants_copy(mvg_graph_get_arena(graph), constants, COUNT, &node.kernel.constants));
  mvg_target target = {.name = "y"};
  MVG_RETURN_IF_ERROR(mvg_graph_add_node(graph, &node, &target.value.node));
  return mvg_graph_add_target(graph, &target);
}

static mvg_status create_fusion(const check *c, const mvg_caps *caps, mvg_fusion **out_fusion) {
  mvg_graph *graph = NULL;
  MVG_RETURN_IF_ERROR(mvg_graph_create("matrix_check", &graph));
  mvg_status status = add_product(c, graph);
  if (!status) status = mvg_fusion_create(graph, caps, &(mvg_fuse_options){0}, out_fusion);
  mvg_graph_destroy(graph);
  return status;
}

// Takes the fusion, even on failure.
static mvg_status multiply(const check *c, mvg_device *device, mvg_fusion *fusion) {
  mvg_plan *plan = NULL;
  mvg_program *program = NULL;
  MVG_RETURN_IF_ERROR(mvg_plan_create(fusion, mvg_device_get_caps(device), false, &plan));
  const mvg_program_options options = {.tile = c->tile};
  mvg_status status = mvg_program_create(device, plan, NULL, 0, &options, &program);
  const mvg_ndarray *const inputs[2] = {c->a, c->bt};
  mvg_ndarray *const outputs[1] = {c->y};
  if (!status) status = mvg_program_run(program, inputs, 2, outputs, 1);
  mvg_program_destroy(program);
  return status;
}

#define TOLERANCE 0x1p-15 // of the sum of magnitudes: a part lost would cost 2^-9

static bool is_product(const check *c) {
  const float *a = c->a->data, *bt = c->bt->data;
  for (int64_t i = 0; i < c->m * c->n; ++i) {
    double sum = 0, magnitude = 0;
    for (int64_t k = 0; k < c->k; ++k) {
      double term = (double)a[i / c->n * c->k + k] * bt[i % c->n * c->k + k];
      sum += term;
      magnitude += fabs(term);
    }
    if (!(fabs(mvg_ndarray_get(c->y, i) - sum) <= TOLERANCE * magnitude)) return false;
  }
  return true;
}

static mvg_status hash_kernel(const check *c, const mvg_caps *caps, const mvg_fusion *fusion,
                              uint64_t *out_hash) {
  mvg_shader shader;
  MVG_RETURN_IF_ERROR(mvg_shader_create(fusion, &fusion->groups[0], caps, c->tile, &shader));
  *out_hash = mvg_hash_string(mvg_hash_string(MVG_HASH_SEED, caps->name), caps->driver);
  *out_hash = mvg_hash_string(*out_hash, shader.glsl);
  mvg_shader_deinit(&shader);
  return NULL;
}

static bool read_verdict(const char *path, bool *out_is_right) {
  void *bytes = NULL;
  size_t size = 0;
  if (!mvg_cache_file_read(path, &bytes, &size)) return false;
  char verdict = *(const char *)bytes;
  mvg_free(bytes);
  *out_is_right = verdict == '1';
  return size == 1 && (verdict == '0' || verdict == '1');
}

static mvg_status judge(check *c, mvg_device *device, bool *out_is_right) {
  const mvg_caps *caps = mvg_device_get_caps(device);
  mvg_fusion *fusion = NULL;
  uint64_t hash;
  char path[64];
  MVG_RETURN_IF_ERROR(create_arrays(c));
  MVG_RETURN_IF_ERROR(create_fusion(c, caps, &fusion));
  mvg_status status = hash_kernel(c, caps, fusion, &hash);
  if (!status) snprintf(path, sizeof path, "matrix/%016" PRIx64 ".txt", hash);
  if (status || read_verdict(path, out_is_right)) {
    mvg_fusion_destroy(fusion);
    return status;
  }
  status = multiply(c, device, fusion);
  mvg_code code = mvg_status_get_code(status);
  if (code == MVG_OUT_OF_MEMORY || code == MVG_DEVICE_LOST) return status;
  if (status) mvg_log(MVG_LOG_DEBUG, "tile %s: %s", c->tile->name, mvg_status_get_message(status));
  *out_is_right = !status && is_product(c);
  mvg_status_destroy(status);
  mvg_cache_file_write(path, *out_is_right ? "1" : "0", 1);
  return NULL;
}

mvg_status mvg_matrix_check(mvg_device *device, const mvg_matmul_tile *tile, bool *out_is_right) {
  *out_is_right = false;
  check c = {.tile = tile, .m = tile->rows + 3, .n = tile->columns + 5, .k = 2 * tile->depth + 13};
  mvg_status status = judge(&c, device, out_is_right);
  mvg_ndarray_release(c.a);
  mvg_ndarray_release(c.bt);
  mvg_ndarray_release(c.y);
  return status;
}

#include "program/tile_choice.h"

#include <stdatomic.h>

#include "base/log.h"
#include "program/matrix_check.h"

mvg_status mvg_tile_chooser_init(mvg_tile_chooser *chooser, mvg_device *device,
                                 const mvg_program_options *options) {
  *chooser =
      (mvg_tile_chooser){.device = device, .products = options->products, .forced = options->tile};
  return mvg_tuned_load(mvg_device_get_caps(device), &chooser->tuned);
}

void mvg_tile_chooser_deinit(mvg_tile_chooser *chooser) {
  mvg_tuned_deinit(&chooser->tuned);
}

// ---- matrix units ----

// Two operands of the same 16 bits are exact in both ways that use matrix units.
static mvg_operands get_operands(mvg_products products, mvg_dtype a, mvg_dtype b) {
  bool has_f16 = a == MVG_DTYPE_F16 || b == MVG_DTYPE_F16;
  bool has_bf16 = a == MVG_DTYPE_BF16 || b == MVG_DTYPE_BF16;
  if (products == MVG_PRODUCTS_F32 || (has_f16 && has_bf16)) return MVG_OPERANDS_F32;
  if (products == MVG_PRODUCTS_SPLIT && a != b) return MVG_OPERANDS_SPLIT;
  if (has_f16) return MVG_OPERANDS_F16;
  if (has_bf16) return MVG_OPERANDS_BF16;
  return products == MVG_PRODUCTS_SPLIT ? MVG_OPERANDS_SPLIT : MVG_OPERANDS_F32;
}

static void warn_once(const mvg_caps *caps, const mvg_matmul_tile *tile) {
  static atomic_flag is_said = ATOMIC_FLAG_INIT;
  if (atomic_flag_test_and_set(&is_said)) return;
  if (tile) {
    mvg_log(MVG_LOG_WARNING,
            "the matrix units of '%s' fail the self-test of tile %s; products take f32 arithmetic",
            caps->name, tile->name);
  } else {
    mvg_log(MVG_LOG_WARNING,
            "'%s' has no matrix units for what the program asks; products take f32 arithmetic",
            caps->name);
  }
}

static mvg_status is_trusted(mvg_tile_chooser *chooser, const mvg_matmul_tile *tile,
                             bool *out_is_trusted) {
  signed char *verdict = &chooser->verdicts[tile - mvg_matmul_tiles];
  if (*verdict == 0) {
    bool is_right;
    MVG_RETURN_IF_ERROR(mvg_matrix_check(chooser->device, tile, &is_right));
    *verdict = is_right ? 1 : -1;
  }
  *out_is_trusted = *verdict > 0;
  return NULL;
}

// Less than one fragment of matrix units: transforms and the like.
static bool is_small(const mvg_kernel_body *product) {
  int64_t shape[4];
  mvg_matmul_get_shape(product, shape);
  return shape[1] < 16 || shape[2] < 16 || shape[3] < 16;
}

// *out_tile is NULL where f32 arithmetic has to do.
static mvg_status choose_matrix(mvg_tile_chooser *chooser, const mvg_kernel_body *product,
                                mvg_operands operands, const mvg_matmul_tile **out_tile) {
  const mvg_caps *caps = mvg_device_get_caps(chooser->device);
  const mvg_matmul_tile *tile;
  MVG_RETURN_IF_ERROR(mvg_matmul_tile_choose(product, caps, operands, &tile));
  bool is_usable = tile && tile->operands == operands && mvg_matmul_tile_is_native(tile, caps);
  if (!is_usable) {
    warn_once(caps, NULL);
    return NULL;
  }
  MVG_RETURN_IF_ERROR(is_trusted(chooser, tile, &is_usable));
  if (is_usable) *out_tile = tile;
  if (!is_usable) warn_once(caps, tile);
  return NULL;
}

mvg_status mvg_tile_choose(mvg_tile_chooser *chooser, const mvg_fusion *fusion,
                           const mvg_group *group, const mvg_matmul_tile **out_tile) {
  *out_tile = NULL;
  if (group->kind != MVG_GROUP_KERNEL) return NULL;
  const mvg_node *node = mvg_graph_get_node(fusion->graph, group->node);
  if (!mvg_matmul_is_product(node)) return NULL;
  *out_tile = chooser->forced;
  if (*out_tile) return NULL;
  mvg_operands operands =
      get_operands(chooser->products, mvg_graph_get_type(fusion->graph, node->inputs[0])->dtype,
                   mvg_graph_get_type(fusion->graph, node->inputs[1])->dtype);
  if (operands != MVG_OPERANDS_F32 && !is_small(&node->kernel))
    MVG_RETURN_IF_ERROR(choose_matrix(chooser, &node->kernel, operands, out_tile));
  if (*out_tile) return NULL;
  return mvg_matmul_tile_choose(&node->kernel, mvg_device_get_caps(chooser->device),
                                MVG_OPERANDS_F32, out_tile);
}

// ---- what tuning found ----

mvg_status mvg_tile_create_shader(mvg_tile_chooser *chooser, const mvg_fusion *fusion,
                                  const mvg_group *group, mvg_shader *out_shader) {
  const mvg_caps *caps = mvg_device_get_caps(chooser->device);
  const mvg_matmul_tile *tile;
  MVG_RETURN_IF_ERROR(mvg_tile_choose(chooser, fusion, group, &tile));
  MVG_RETURN_IF_ERROR(mvg_shader_create(fusion, group, caps, tile, out_shader));
  if (!tile || chooser->forced || mvg_matmul_tile_is_forced()) return NULL;
  const mvg_matmul_tile *faster = mvg_tuned_find(&chooser->tuned, mvg_tuned_hash(out_shader->glsl));
  bool is_usable = faster && faster != tile && faster->operands == tile->operands &&
                   mvg_matmul_tile_fits(faster, caps) && mvg_matmul_tile_is_native(faster, caps);
  if (is_usable && faster->operands != MVG_OPERANDS_F32) {
    mvg_status status = is_trusted(chooser, faster, &is_usable);
    if (status) {
      mvg_shader_deinit(out_shader);
      return status;
    }
  }
  if (!is_usable) return NULL;
  mvg_shader_deinit(out_shader);
  return mvg_shader_create(fusion, group, caps, faster, out_shader);
}

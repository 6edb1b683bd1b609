#include "device/caps.h"

#include <stdlib.h>
#include <string.h>

#define MIB (UINT64_C(1) << 20)

static void lower_u64(uint64_t *limit, uint64_t floor) {
  if (*limit > floor) *limit = floor;
}

static void lower_u32(uint32_t *limit, uint32_t floor) {
  if (*limit > floor) *limit = floor;
}

// Bindings a kernel: the specification allows 4 a stage, but attention_grad alone has 12, and
// drivers with Vulkan 1.2 for desktops have many more.
#define FLOOR_BINDINGS 12

// Vulkan 1.2, table "Required Limits".
static void lower_to_floor(mvg_caps *caps) {
  lower_u64(&caps->max_storage_range_bytes, 128 * MIB);
  lower_u64(&caps->max_allocation_bytes, 1024 * MIB);
  lower_u32(&caps->max_bindings, FLOOR_BINDINGS);
  lower_u32(&caps->max_push_bytes, 128);
  lower_u32(&caps->max_local_size, 128);
  lower_u32(&caps->max_shared_bytes, 16384);
  for (int axis = 0; axis < 3; ++axis)
    lower_u32(&caps->max_group_count[axis], 65535);
  caps->storage_alignment_bytes = 256;
  caps->subgroup_size = 0;
  caps->matrix_f16 = caps->matrix_bf16 = (mvg_matrix_shape){0};
}

mvg_status mvg_caps_lower(mvg_caps *caps) {
  const char *wanted = getenv("MVGRAPH_LIMITS");
  if (!wanted || !*wanted) return NULL;
  if (strcmp(wanted, "floor") != 0) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT,
                     "MVGRAPH_LIMITS=%s is not known; it may be 'floor', or not be set", wanted);
  }
  lower_to_floor(caps);
  return NULL;
}

// Groups of fused nodes as GLSL text: deterministic, with normalised names, so that equal kernels
// have equal text.
#ifndef MVGRAPH_CODEGEN_EMIT_GLSL_H_
#define MVGRAPH_CODEGEN_EMIT_GLSL_H_

#include "codegen/matmul_tile.h"
#include "passes/fuse.h"

#define MVG_SHADER_MAX_PUSH 32

// A kernel and the grid it is dispatched with. Bindings are the group's reads, then its writes.
typedef struct {
  char *glsl; // owned
  char name[64];
  uint32_t push[MVG_SHADER_MAX_PUSH]; // words
  uint32_t push_count;
  uint32_t groups[3];     // all zero: nothing to do
  uint32_t subgroup_size; // that it is written for; 0: any
} mvg_shader;

// `group` is FUSED or KERNEL. `tile` is for matrix products; NULL: the default.
mvg_status mvg_shader_create(const mvg_fusion *fusion, const mvg_group *group, const mvg_caps *caps,
                             const mvg_matmul_tile *tile, mvg_shader *out_shader) MVG_MUST_USE;
void mvg_shader_deinit(mvg_shader *shader);

#endif // MVGRAPH_CODEGEN_EMIT_GLSL_H_

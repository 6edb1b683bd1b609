// Kernel templates: text from kernels/ with the accessors, constants and grid of one node around
// it.
//
// A template defines `void kernel_main(uint id)`. Before it stand, generated from the node:
//   float load_NAME(uint element)           for each input (int for i32): the input's prologue at
//                                           that element
//   void store_NAME(uint element, float x)  for each output: its epilogue, then the store
//   vec4 load4_NAME(uint element)           of four elements from a multiple of 4 on, and
//   void store4_NAME(uint element, vec4 x)  likewise: if the template has such calls
//   const uint NAME = 8u; / const float NAME = 0.5;   for each constant; LOCAL_SIZE
//   #define MVG_IS_CPU 0 or 1               CPU devices want no shared memory and no barriers
//   #define MVG_HAS_GROUPS 0 or 1           1: the node asked for workgroups, kernel_main may use
//                                           gl_WorkGroupID (but not gl_NumWorkGroups where an
//                                           axis may be longer than devices take)
// and the helpers of kernels/include/math.glsl, erf.glsl and random.glsl. With a flat grid
// kernel_main is called for ids below the node's invocations only; with workgroups, by every
// invocation. Matrix products take the source, grid and constants of their tile, see matmul_tile.h.
#ifndef MVGRAPH_CODEGEN_TEMPLATE_H_
#define MVGRAPH_CODEGEN_TEMPLATE_H_

#include "codegen/emit_glsl.h"

// `tile`: of a product, or NULL for the default.
mvg_status mvg_template_fill(const mvg_fusion *fusion, const mvg_group *group, const mvg_caps *caps,
                             const mvg_matmul_tile *tile, mvg_shader *out_shader) MVG_MUST_USE;

#endif // MVGRAPH_CODEGEN_TEMPLATE_H_

// The parts every generated shader shares: bindings, push constants, helper functions, the flat invocation number.
#ifndef MVGRAPH_CODEGEN_SHADER_TEXT_H_
#define MVGRAPH_CODEGEN_SHADER_TEXT_H_

#include "base/str.h"
#include "passes/fuse.h"

// `has_vectors`: pointwise reads and all writes are arrays of vectors of four.
void mvg_shader_print_head(mvg_str *out, const mvg_fusion *fusion, const mvg_group *group,
                           uint32_t local_size, uint32_t push_count, bool has_vectors);
// The files of kernels/include/ that `body` calls.
mvg_status mvg_shader_print_helpers(mvg_str *out, const char *body) MVG_MUST_USE;
// Opens main() and defines flat_, the number of the invocation in a grid of one or two dimensions.
void mvg_shader_print_main(mvg_str *out, uint32_t local_size);
// Workgroups for `total` invocations within the device's limits.
mvg_status mvg_shader_choose_grid(const mvg_caps *caps, uint64_t total, uint32_t local_size,
                                  uint32_t out_groups[3]) MVG_MUST_USE;

#endif  // MVGRAPH_CODEGEN_SHADER_TEXT_H_

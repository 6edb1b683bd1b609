// The parts every generated shader shares: bindings, push constants, helper functions, the flat
// invocation number.
#ifndef MVGRAPH_CODEGEN_SHADER_TEXT_H_
#define MVGRAPH_CODEGEN_SHADER_TEXT_H_

#include "base/str.h"
#include "passes/fuse.h"

// `lanes`: of a row in kernels by rows; else 0.
// Read i is called b<i>, write i b<read_count + i>. `has_vectors`: pointwise reads and all writes
// are arrays of vectors of four. A tensor beyond the device's largest binding takes several
// bindings and a function that chooses between them.
// UNSUPPORTED where elements have 16 bits and the device cannot write them.
mvg_status mvg_shader_print_head(mvg_str *out, const mvg_fusion *fusion, const mvg_group *group,
                                 const mvg_caps *caps, uint32_t local_size, uint32_t push_count,
                                 uint32_t lanes, bool has_vectors) MVG_MUST_USE;
// What a kernel computes with: "int", "float", "ivec4", "vec4". Elements of 16 bits become float.
const char *mvg_shader_get_type(mvg_dtype dtype, bool is_vector);
// "b3[i7]", or the call that stands for it.
void mvg_shader_print_load(mvg_str *out, const mvg_graph *graph, const mvg_caps *caps,
                           mvg_value value, uint32_t number, bool is_vector, const char *index);
// "b3[v] = t5;", or the call that stands for it.
void mvg_shader_print_store(mvg_str *out, const mvg_graph *graph, const mvg_caps *caps,
                            mvg_value value, uint32_t number, bool is_vector, const char *index,
                            const char *text);
bool mvg_shader_has_pieces(const mvg_graph *graph, const mvg_caps *caps, mvg_value value);
// Can binding `number` be accessed in vectors of four too? Floating point in one piece can.
bool mvg_shader_has_vectors(const mvg_fusion *fusion, const mvg_group *group, const mvg_caps *caps,
                            uint32_t number);
// `vec4 load4_NAME(uint element)` or `void store4_NAME(uint element, vec4 x)` of such a binding, by
// a second name for it; `element` is a multiple of 4.
void mvg_shader_print_vector_access(mvg_str *out, const mvg_fusion *fusion, const mvg_group *group,
                                    const mvg_caps *caps, uint32_t number, const char *name);
// The files of kernels/include/ that `body` calls.
mvg_status mvg_shader_print_helpers(mvg_str *out, const char *body) MVG_MUST_USE;
// Opens main() and defines flat_, the number of the invocation in a grid of one or two dimensions.
void mvg_shader_print_main(mvg_str *out, uint32_t local_size);
// Workgroups for `total` invocations within the device's limits.
mvg_status mvg_shader_choose_grid(const mvg_caps *caps, uint64_t total, uint32_t local_size,
                                  uint32_t out_groups[3]) MVG_MUST_USE;

#endif // MVGRAPH_CODEGEN_SHADER_TEXT_H_

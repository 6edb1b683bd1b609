// Cooperative matrices for every glslang: shaders are written in GL_NV_cooperative_matrix, which
// all of them compile; drivers are given SPV_KHR_cooperative_matrix.
#ifndef MVGRAPH_CODEGEN_SPIRV_MATRIX_H_
#define MVGRAPH_CODEGEN_SPIRV_MATRIX_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

// What a matrix is used for stands in the module as the SpecId of the constant that is its number
// of rows, which also keeps equal types of different uses apart.
enum {
  MVG_MATRIX_A = 0,
  MVG_MATRIX_B = 1,
  MVG_MATRIX_SUM = 2,
  MVG_MATRIX_A_BF16 = 10, // written as 16-bit floats, which all become bfloat16
  MVG_MATRIX_B_BF16 = 11,
};

#define MVG_MATRIX_REWRITING 1 // grows when what the rewriting gives changes

bool mvg_spirv_has_nv_matrices(const uint32_t *words, size_t count);

// Replaces *inout_words (freed with mvg_free) by the same module in the KHR form: types get their
// use, loads and stores a layout constant in place of a flag. INTERNAL for a matrix whose use is
// not marked.
mvg_status mvg_spirv_rewrite_matrices(const char *name, uint32_t **inout_words,
                                      size_t *inout_count) MVG_MUST_USE;

#endif // MVGRAPH_CODEGEN_SPIRV_MATRIX_H_

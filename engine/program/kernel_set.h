// The kernels of a program: one for each distinct text, compiled on a few threads.
#ifndef MVGRAPH_PROGRAM_KERNEL_SET_H_
#define MVGRAPH_PROGRAM_KERNEL_SET_H_

#include "codegen/emit_glsl.h"
#include "device/device.h"

typedef struct {
  mvg_shader shader; // of the first step that needs it
  uint64_t hash;
  uint32_t binding_count;
  mvg_kernel *kernel;
} mvg_kernel_entry;

typedef struct {
  MVG_ARRAY(mvg_kernel_entry) entries;
} mvg_kernel_set;

void mvg_kernel_set_deinit(mvg_kernel_set *set);
// Takes the shader's text; *out_index is the entry with the same text and bindings.
mvg_status mvg_kernel_set_add(mvg_kernel_set *set, mvg_shader *shader, uint32_t binding_count,
                              uint32_t *out_index) MVG_MUST_USE;
mvg_status mvg_kernel_set_compile(mvg_kernel_set *set, mvg_device *device) MVG_MUST_USE;

#endif // MVGRAPH_PROGRAM_KERNEL_SET_H_

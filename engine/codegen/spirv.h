// GLSL compute shaders to SPIR-V words, in process, with a cache on disk. Knows nothing of graphs
// or devices but caps.
#ifndef MVGRAPH_CODEGEN_SPIRV_H_
#define MVGRAPH_CODEGEN_SPIRV_H_

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "device/caps.h"

// Compiles `glsl` (Vulkan 1.1, SPIR-V 1.3, no #include) or takes it from the cache. `name` is for
// errors; `caps` may be NULL, else its limits on workgroup sizes are checked too. *out_words is
// freed with mvg_free. UNSUPPORTED for a shader that needs more shared memory than the device has,
// or subgroup operations of one without. An error carries the shader's name, the compiler's log and
// the lines it speaks of. May be called from any thread.
mvg_status mvg_spirv_compile(const char *name, const char *glsl, const mvg_caps *caps,
                             uint32_t **out_words, size_t *out_count) MVG_MUST_USE;

typedef struct {
  uint64_t compiled;   // by glslang
  uint64_t from_cache; // read back from disk
  uint64_t validated;  // by spirv-val, where MVGRAPH_SPIRV_VAL=1 asks for it
} mvg_spirv_counts;    // since the process began

mvg_spirv_counts mvg_spirv_get_counts(void);

// Name of the cache file of a shader, for mvg_cache_file_*.
void mvg_spirv_get_cache_name(const char *glsl, const mvg_caps *caps, char out_name[64]);

#endif // MVGRAPH_CODEGEN_SPIRV_H_

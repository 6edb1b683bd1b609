// Limits and features of a device as plain data: all that passes and the plan may know of a device.
#ifndef MVGRAPH_DEVICE_CAPS_H_
#define MVGRAPH_DEVICE_CAPS_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

// What a subgroup multiplies at once: m x k times k x n, summed in fp32. All 0: nothing.
typedef struct {
  uint32_t m, n, k;
} mvg_matrix_shape;

typedef struct {
  char name[256];        // "llvmpipe (LLVM 15.0.6, 256 bits)"
  char driver[256];      // "llvmpipe Mesa 22.3.6", also part of cache keys
  bool is_cpu;           // buffers are host memory; dense nodes may be bound to host code
  bool is_null;          // records everything, computes nothing
  bool is_rehearsal;     // of a null device: plans what the device it is named after would do
  bool is_validated;     // the validation layers watch it
  bool has_timestamps;   // the queue can time what it runs
  bool has_half_storage; // kernels write single 16-bit elements of buffers
  uint64_t memory_bytes; // device-local heap
  uint64_t max_storage_range_bytes; // largest storage-buffer binding
  uint64_t max_allocation_bytes;
  uint32_t storage_alignment_bytes; // offsets of bindings are multiples of it
  uint32_t max_bindings;            // storage buffers per kernel
  uint32_t max_push_bytes;
  uint32_t max_group_count[3];
  uint32_t max_local_size; // invocations per workgroup
  uint32_t max_shared_bytes;
  uint32_t subgroup_size;                   // 0: no subgroup operations
  uint32_t core_count;                      // multiprocessors or compute units; 0: unknown
  mvg_matrix_shape matrix_f16, matrix_bf16; // matrix units, by the operands they take
} mvg_caps;

// Lowers limits to what MVGRAPH_LIMITS=floor in the environment asks for: the least that Vulkan's
// specification lets a device have. INVALID_ARGUMENT for another word than "floor".
mvg_status mvg_caps_lower(mvg_caps *caps) MVG_MUST_USE;

#endif // MVGRAPH_DEVICE_CAPS_H_

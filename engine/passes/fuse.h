// Which values a program stores, and which nodes share a dispatch. The result is what the plan
// orders and codegen prints.
#ifndef MVGRAPH_PASSES_FUSE_H_
#define MVGRAPH_PASSES_FUSE_H_

#include "device/caps.h"
#include "graph/graph.h"
#include "passes/index.h"

typedef enum {
  MVG_GROUP_FUSED,  // generated kernel: one invocation an element of its roots
  MVG_GROUP_KERNEL, // a template from kernels/ with its prologues and epilogues: part o holds
                    // output o and what follows
  MVG_GROUP_BOUND,  // a kernel node replaced by host code
  MVG_GROUP_HOST,   // a host operator
} mvg_group_kind;

typedef struct {
  mvg_value value;
  bool is_stored; // false: only read by later roots of the same part
} mvg_root;

// One range of invocations of a fused group, or one output of a kernel with its epilogues. A later
// root may read an earlier one, at its own element only.
typedef struct {
  int64_t count;
  mvg_root *roots;
  uint32_t root_count;
} mvg_part;

#define MVG_MANY_PARTS UINT32_MAX

typedef struct {
  mvg_value value;
  uint32_t part;     // the only part that reads it, or MVG_MANY_PARTS
  bool is_pointwise; // every element is read by its own invocation alone
} mvg_read;

typedef struct {
  mvg_group_kind kind;
  uint32_t node;   // kernel, bound, host
  mvg_part *parts; // fused, kernel
  uint32_t part_count;
  mvg_read *reads; // bindings: reads, then writes
  uint32_t read_count;
  mvg_value *writes;
  uint32_t write_count;
  uint32_t key;  // the lowest node it computes: its place in the order the script wrote
  double work;   // about how many operations
  bool has_loop; // contains a reduction
} mvg_group;

typedef struct {
  // May this kernel node run as host code? NULL: none may.
  bool (*accepts_binding)(const mvg_node *node);
} mvg_fuse_options;

typedef struct mvg_fusion {
  mvg_arena arena;
  mvg_graph *graph;     // lowered; owned
  uint32_t *value_base; // per node: number of its first value
  uint32_t value_count;
  bool *is_live;     // per node: some target depends on it
  bool *is_root;     // per value: computed by a group of its own right
  mvg_group *groups; // by key
  uint32_t group_count;
} mvg_fusion;

mvg_status mvg_fusion_create(const mvg_graph *graph, const mvg_caps *caps,
                             const mvg_fuse_options *options, mvg_fusion **out_fusion) MVG_MUST_USE;
void mvg_fusion_destroy(mvg_fusion *fusion);

static inline uint32_t mvg_fusion_number(const mvg_fusion *fusion, mvg_value value) {
  return fusion->value_base[value.node] + value.output;
}

// The stored value whose memory holds `value`: behind reshapes, which move nothing.
mvg_value mvg_fusion_resolve(const mvg_fusion *fusion, mvg_value value);

// A value that kernels load from memory: a leaf, a table, or a root. Single constants are printed
// instead.
bool mvg_fusion_is_loaded(const mvg_fusion *fusion, mvg_value value);

// A tensor larger than the device's largest binding is bound in pieces of this many bytes, one
// after another.
uint64_t mvg_get_piece_bytes(const mvg_caps *caps);
uint32_t mvg_count_pieces(const mvg_caps *caps, uint64_t size_bytes);

#endif // MVGRAPH_PASSES_FUSE_H_

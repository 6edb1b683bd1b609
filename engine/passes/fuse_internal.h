// Shared by the files of the fusion pass: the draft of a group, before merging is over.
#ifndef MVGRAPH_PASSES_FUSE_INTERNAL_H_
#define MVGRAPH_PASSES_FUSE_INTERNAL_H_

#include "passes/fuse.h"

typedef struct {
  mvg_value value;
  uint32_t part; // while drafting: the single part that reads it, or MVG_MANY_PARTS
  bool is_pointwise;
} draft_read;

typedef struct {
  uint32_t part;
  mvg_value value;
  bool is_stored;
} draft_root;

typedef struct {
  bool is_gone; // merged into another
  mvg_group_kind kind;
  uint32_t node;
  int64_t counts[MVG_MAX_OPERANDS]; // elements of each part
  uint32_t part_count;
  MVG_ARRAY(draft_root) roots;
  MVG_ARRAY(draft_read) reads;
  uint32_t size; // visited nodes: about the length of the text
  uint32_t level;
  bool has_loop; // contains a reduction
  double work;
} draft;

#define MVG_MAX_PARTS 15 // two push words each and one more in the 128 bytes that every device has
#define MVG_MAX_GROUP_SIZE 600
#define MVG_MAX_TREE_LOADS 12

typedef struct {
  mvg_fusion *fusion;
  const mvg_graph *graph;
  const mvg_caps *caps;
  const mvg_fuse_options *options;
  uint32_t max_bindings, max_tree_loads;
  uint32_t *use_count;        // per value: reads by live nodes and targets
  bool *is_target;            // per value
  uint32_t *update_slot;      // per value: state that it updates; UINT32_MAX
  MVG_ARRAY(mvg_value) users; // grouped by value: (node, input) pairs
  uint32_t *user_begin;       // per value, plus one
  MVG_ARRAY(draft) drafts;
  uint32_t *producer;         // per value: draft that stores it; UINT32_MAX
  uint32_t *stamp, stamp_now; // per draft: visited by the search of that number
} fuser;

// fuse_policy.c: which values become roots.
mvg_status mvg_fuse_mark_roots(fuser *f) MVG_MUST_USE;

// fuse_reads.c: what the tree behind a value loads, and how.
mvg_status mvg_fuse_collect_root(fuser *f, draft *group, uint32_t part,
                                 mvg_value root) MVG_MUST_USE;
mvg_status mvg_fuse_collect_input(fuser *f, draft *group, mvg_value input) MVG_MUST_USE;

// fuse_merge.c: epilogues, then chains of groups, then neighbours.
mvg_status mvg_fuse_merge(fuser *f) MVG_MUST_USE;

#endif // MVGRAPH_PASSES_FUSE_INTERNAL_H_

// Groups of fused nodes and kernels as host code, spread over the host's threads.
#ifndef MVGRAPH_PROGRAM_HOST_GROUP_H_
#define MVGRAPH_PROGRAM_HOST_GROUP_H_

#include "passes/fuse.h"

typedef struct mvg_host_group mvg_host_group;

// Memory for what groups keep while they run: one piece a thread, and partial sums.
typedef struct {
  char *memory;
  size_t piece_bytes, sum_bytes;
} mvg_host_scratch;

// `group` is FUSED or KERNEL; UNSUPPORTED for what only a shader can do. Borrows both.
mvg_status mvg_host_group_create(const mvg_fusion *fusion, const mvg_group *group,
                                 mvg_host_group **out_group) MVG_MUST_USE;
void mvg_host_group_destroy(mvg_host_group *group);
// Raises the sizes to what the group needs.
void mvg_host_group_measure_scratch(const mvg_host_group *group, mvg_host_scratch *scratch);

// Makes room for groups that were measured.
mvg_status mvg_host_scratch_init(mvg_host_scratch *scratch) MVG_MUST_USE;
void mvg_host_scratch_deinit(mvg_host_scratch *scratch);

// reads[i] and writes[i] hold the group's values. The same bits at any number of threads.
void mvg_host_group_run(const mvg_host_group *group, const void *const *reads, void *const *writes,
                        const mvg_host_scratch *scratch);

#endif // MVGRAPH_PROGRAM_HOST_GROUP_H_

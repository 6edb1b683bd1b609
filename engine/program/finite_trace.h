// One bad element followed back through a group to the node that made it.
#ifndef MVGRAPH_PROGRAM_FINITE_TRACE_H_
#define MVGRAPH_PROGRAM_FINITE_TRACE_H_

#include "graph/ndarray.h"
#include "passes/fuse.h"

typedef struct {
  mvg_value culprit;
  int64_t element; // of the culprit
  double result;
  double operands[MVG_MAX_OPERANDS]; // of maps, views: what that element was made from
  uint32_t operand_count;
  bool is_read;  // it was so in memory before the step
  bool is_meant; // a constant, or what an earlier step made of one
} mvg_finite_trace;

// reads[i] is what the group reads, in its order; `result` is the bad element of `written`.
mvg_status mvg_finite_follow(const mvg_fusion *fusion, const mvg_group *group,
                             mvg_ndarray *const *reads, mvg_value written, int64_t element,
                             double result, mvg_finite_trace *out) MVG_MUST_USE;

#endif // MVGRAPH_PROGRAM_FINITE_TRACE_H_

// Interval analysis of index arithmetic.
#ifndef MVGRAPH_GRAPH_EXPR_RANGE_H_
#define MVGRAPH_GRAPH_EXPR_RANGE_H_

#include "graph/expr.h"

typedef struct {
  int64_t low, high; // both included
} mvg_range;

// Bounds of an integer expression whose variables lie in `vars`; never too narrow. Fails where it
// is no index arithmetic: fractions, functions of real numbers, a divisor that may be below 1,
// values that may leave +-2^53.
mvg_status mvg_expr_get_range(const mvg_expr *expr, const mvg_range *vars,
                              mvg_range *out) MVG_MUST_USE;

#endif // MVGRAPH_GRAPH_EXPR_RANGE_H_

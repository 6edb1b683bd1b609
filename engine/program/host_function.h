// Elementary functions of arrays.
#ifndef MVGRAPH_PROGRAM_HOST_FUNCTION_H_
#define MVGRAPH_PROGRAM_HOST_FUNCTION_H_

#include <stdbool.h>
#include <stdint.h>

// y[i] = op(x[i]) of an mvg_expr_op; false where there is no such function here. x and y do not
// overlap.
bool mvg_host_function(uint16_t op, const float *x, int32_t count, float *y);

#endif // MVGRAPH_PROGRAM_HOST_FUNCTION_H_

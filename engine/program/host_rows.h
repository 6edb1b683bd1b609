// Kernels of kernels/ that work row by row, as host code.
#ifndef MVGRAPH_PROGRAM_HOST_ROWS_H_
#define MVGRAPH_PROGRAM_HOST_ROWS_H_

#include "graph/graph.h"

#define MVG_ROW_MAX_INPUTS 8
#define MVG_ROW_MAX_OUTPUTS 4

typedef struct {
  int64_t first_row, row_count;
  const void *inputs[MVG_ROW_MAX_INPUTS]; // of whole inputs: all elements, else the first row's
  void *outputs[MVG_ROW_MAX_OUTPUTS];     // the first row's
} mvg_row_job;

typedef struct mvg_row_kernel {
  void (*run)(const struct mvg_row_kernel *kernel, const mvg_row_job *job);
  int64_t rows, columns;                        // columns: constant C of the kernel
  int64_t input_elements[MVG_ROW_MAX_INPUTS];   // a row; 0: the input is read as a whole
  int64_t output_elements[MVG_ROW_MAX_OUTPUTS]; // a row
  double cost;                                  // nanoseconds a row, roughly
  double epsilon;
  int64_t other; // rows of a table, or of a list
} mvg_row_kernel;

// False where there is no host code for the kernel.
bool mvg_row_kernel_find(const mvg_node *node, mvg_row_kernel *out_kernel);

#endif // MVGRAPH_PROGRAM_HOST_ROWS_H_

// The text of the files below kernels/, built into the binary.
#ifndef MVGRAPH_CODEGEN_KERNEL_FILES_H_
#define MVGRAPH_CODEGEN_KERNEL_FILES_H_

#include "base/str.h"

typedef struct {
  const char *path; // "matmul/matmul.comp"
  const char *text;
} mvg_kernel_file;

extern const mvg_kernel_file mvg_kernel_files[]; // sorted by path; ends with a NULL path

// Appends a file with its `#include "..."` lines replaced by the files they name (relative to
// kernels/).
mvg_status mvg_kernel_file_append(const char *path, mvg_str *out) MVG_MUST_USE;

#endif // MVGRAPH_CODEGEN_KERNEL_FILES_H_

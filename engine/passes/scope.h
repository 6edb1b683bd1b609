// Patterns of module paths.
#ifndef MVGRAPH_PASSES_SCOPE_H_
#define MVGRAPH_PASSES_SCOPE_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// "encoder.layers.*.blocks.*" names modules component by component, "*" being any one; "" names
// them all.
typedef struct {
  const char *const *patterns;
  uint32_t count;
} mvg_scope;

// Whether `path` is a module that some pattern names, or lies in one; *out_length is the length of
// that module's own path, by the first pattern that fits.
bool mvg_scope_contains(const mvg_scope *scope, const char *path, size_t *out_length);

#endif // MVGRAPH_PASSES_SCOPE_H_

#include "passes/scope.h"

#include <string.h>

static bool match(const char *pattern, const char *path, size_t *out_length) {
  const char *at = path;
  *out_length = 0;
  while (*pattern) {
    size_t wanted = strcspn(pattern, "."), found = strcspn(at, ".");
    bool is_any = wanted == 1 && *pattern == '*';
    if (found == 0 || (!is_any && (wanted != found || strncmp(pattern, at, wanted) != 0))) {
      return false;
    }
    pattern += wanted;
    at += found;
    *out_length = (size_t)(at - path);
    pattern += *pattern == '.';
    at += *at == '.';
  }
  return true;
}

bool mvg_scope_contains(const mvg_scope *scope, const char *path, size_t *out_length) {
  for (uint32_t i = 0; i < scope->count; ++i) {
    if (match(scope->patterns[i], path, out_length)) return true;
  }
  return false;
}

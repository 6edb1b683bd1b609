#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const level_names[] = {"error", "warning", "info", "debug"};

static mvg_log_level get_threshold(void) {
  const char *wanted = getenv("MVGRAPH_LOG");
  for (int level = MVG_LOG_ERROR; wanted && level <= MVG_LOG_DEBUG; ++level) {
    if (strcmp(wanted, level_names[level]) == 0) return (mvg_log_level)level;
  }
  return MVG_LOG_INFO;
}

bool mvg_log_is_enabled(mvg_log_level level) {
  return level <= get_threshold();
}

void mvg_log(mvg_log_level level, const char *format, ...) {
  if (!mvg_log_is_enabled(level)) return;
  va_list args;
  va_start(args, format);
  if (level != MVG_LOG_INFO) fprintf(stderr, "%s: ", level_names[level]);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
}

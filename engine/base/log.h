// Messages to the person at the terminal, one sink, four levels.
// MVGRAPH_LOG=error|warning|info|debug.
#ifndef MVGRAPH_BASE_LOG_H_
#define MVGRAPH_BASE_LOG_H_

#include <stdbool.h>

#include "base/status.h"

typedef enum { MVG_LOG_ERROR, MVG_LOG_WARNING, MVG_LOG_INFO, MVG_LOG_DEBUG } mvg_log_level;

void mvg_log(mvg_log_level level, const char *format, ...) MVG_PRINTF(2, 3);
bool mvg_log_is_enabled(mvg_log_level level);

#endif // MVGRAPH_BASE_LOG_H_

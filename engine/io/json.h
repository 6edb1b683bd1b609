// JSON trees by cJSON, in the engine's memory, so that want of it is told from a mistake in the
// text.
#ifndef MVGRAPH_IO_JSON_H_
#define MVGRAPH_IO_JSON_H_

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

// Before any tree is built by hand; reading does it.
void mvg_json_init(void);

// The failure of whatever cJSON could not allocate last on this thread.
mvg_status mvg_json_out_of_memory(void) MVG_MUST_USE;

// Reads one value from `size` bytes; with `is_whole`, text[size] is NUL and nothing but blanks
// follows the value. A mistake leaves *out_tree NULL and *out_end at it; the only failure is want
// of memory.
mvg_status mvg_json_parse(const char *text, size_t size, bool is_whole, cJSON **out_tree,
                          const char **out_end) MVG_MUST_USE;

#endif // MVGRAPH_IO_JSON_H_

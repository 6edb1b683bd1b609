// A growable text buffer. Appending never fails visibly: the first failure is kept and handed out
// at take.
#ifndef MVGRAPH_BASE_STR_H_
#define MVGRAPH_BASE_STR_H_

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

typedef struct {
  char *text; // NUL-terminated once anything was appended; else NULL
  size_t length, capacity;
  mvg_status failure;
} mvg_str; // zeroed storage is a valid empty buffer

void mvg_str_deinit(mvg_str *str);
void mvg_str_append(mvg_str *str, const char *text);
void mvg_str_append_bytes(mvg_str *str, const char *bytes, size_t length);
void mvg_str_appendf(mvg_str *str, const char *format, ...) MVG_PRINTF(2, 3);

// Moves the text (never NULL on success) to the caller, who frees it with mvg_free; `str` is empty
// after.
mvg_status mvg_str_take(mvg_str *str, char **out_text) MVG_MUST_USE;

// Empties `part`, whose text was copied into `whole`: a failure of the part becomes the whole's.
void mvg_str_deinit_part(mvg_str *part, mvg_str *whole);

// Edit distance, for "did you mean".
size_t mvg_str_distance(const char *a, const char *b);

#endif // MVGRAPH_BASE_STR_H_

// A place in a graph's text, and the readers of words, numbers and spans there. Failures name file,
// line and column.
#ifndef MVGRAPH_GRAPH_TEXT_CURSOR_H_
#define MVGRAPH_GRAPH_TEXT_CURSOR_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

typedef struct {
  const char *file;
  uint32_t line;
  const char *line_begin, *at;
  mvg_arena *arena; // owns the strings that are read
} mvg_text_cursor;

mvg_status mvg_text_fail(const mvg_text_cursor *c, const char *format, ...)
    MVG_PRINTF(2, 3) MVG_MUST_USE;
// The same as a prefix of a failure that knows no place.
mvg_status mvg_text_locate(const mvg_text_cursor *c, mvg_status status) MVG_MUST_USE;

// Each of these skips spaces first; none leaves the line.
bool mvg_text_is_at_end(mvg_text_cursor *c); // of the line
bool mvg_text_accept(mvg_text_cursor *c, const char *token);
bool mvg_text_accept_word(mvg_text_cursor *c, const char *word);
mvg_status mvg_text_expect(mvg_text_cursor *c, const char *token) MVG_MUST_USE;
// A word, or anything in quotes; `what` names it where there is none.
mvg_status mvg_text_read_word(mvg_text_cursor *c, const char *what, const char **out) MVG_MUST_USE;
mvg_status mvg_text_read_quoted(mvg_text_cursor *c, const char *what,
                                const char **out) MVG_MUST_USE;
mvg_status mvg_text_read_uint(mvg_text_cursor *c, const char *what, uint64_t max,
                              uint64_t *out) MVG_MUST_USE;
// Text up to one of the characters `stops`, or the word `where`, outside of parentheses.
mvg_status mvg_text_read_span(mvg_text_cursor *c, const char *stops, const char **out) MVG_MUST_USE;

// To the first character of the next line that is neither empty nor a comment; false: there is
// none.
bool mvg_text_go_to_line(mvg_text_cursor *c);
mvg_status mvg_text_end_line(mvg_text_cursor *c) MVG_MUST_USE;

#endif // MVGRAPH_GRAPH_TEXT_CURSOR_H_

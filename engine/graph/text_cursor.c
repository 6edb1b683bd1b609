#include "graph/text_cursor.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "graph/text_names.h"

mvg_status mvg_text_locate(const mvg_text_cursor *c, mvg_status status) {
  int column = (int)(c->at - c->line_begin) + 1;
  return mvg_status_annotate(status, "%s:%u:%d", c->file, c->line, column);
}

mvg_status mvg_text_fail(const mvg_text_cursor *c, const char *format, ...) {
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return mvg_text_locate(c, MVG_ERROR(MVG_INVALID_ARGUMENT, "%s", text));
}

static bool is_line_end(char c) {
  return c == '\0' || c == '\n';
}

static void skip_space(mvg_text_cursor *c) {
  while (*c->at == ' ' || *c->at == '\t' || *c->at == '\r')
    ++c->at;
}

bool mvg_text_is_at_end(mvg_text_cursor *c) {
  skip_space(c);
  return is_line_end(*c->at);
}

bool mvg_text_accept(mvg_text_cursor *c, const char *token) {
  skip_space(c);
  size_t length = strlen(token);
  if (strncmp(c->at, token, length) != 0) return false;
  c->at += length;
  return true;
}

bool mvg_text_accept_word(mvg_text_cursor *c, const char *word) {
  const char *before = c->at;
  if (mvg_text_accept(c, word) && !mvg_text_is_word_char(*c->at, false)) return true;
  c->at = before;
  return false;
}

// The next few characters, for messages.
static mvg_status fail_expected(mvg_text_cursor *c, const char *what) {
  skip_space(c);
  char found[24];
  size_t length = 0;
  while (length < sizeof found - 1 && isgraph((unsigned char)c->at[length]))
    ++length;
  memcpy(found, c->at, length);
  found[length] = '\0';
  if (length) return mvg_text_fail(c, "expected %s, found '%s'", what, found);
  if (is_line_end(*c->at)) return mvg_text_fail(c, "expected %s; the line ends", what);
  return mvg_text_fail(c, "expected %s, found the byte 0x%02x", what, (unsigned char)*c->at);
}

mvg_status mvg_text_expect(mvg_text_cursor *c, const char *token) {
  if (mvg_text_accept(c, token)) return NULL;
  char what[32];
  snprintf(what, sizeof what, "'%s'", token);
  return fail_expected(c, what);
}

static mvg_status copy_span(mvg_text_cursor *c, const char *begin, size_t length,
                            const char **out) {
  char *copy;
  MVG_RETURN_IF_ERROR(mvg_arena_alloc(c->arena, length + 1, 1, (void **)&copy));
  memcpy(copy, begin, length);
  *out = copy;
  return NULL;
}

static int get_hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

mvg_status mvg_text_read_quoted(mvg_text_cursor *c, const char *what, const char **out) {
  skip_space(c);
  if (*c->at != '"') return fail_expected(c, what);
  size_t length = 1;
  while (!is_line_end(c->at[length]) && c->at[length] != '"')
    length += c->at[length] == '\\' && !is_line_end(c->at[length + 1]) ? 2 : 1;
  char *text;
  MVG_RETURN_IF_ERROR(mvg_arena_alloc(c->arena, length, 1, (void **)&text));
  *out = text;
  for (++c->at; *c->at != '"'; ++c->at) {
    if (is_line_end(*c->at)) return mvg_text_fail(c, "%s has no closing '\"'", what);
    *text = *c->at;
    if (*c->at == '\\') {
      ++c->at;
      int high = *c->at == 'x' ? get_hex(c->at[1]) : -1, low = high < 0 ? -1 : get_hex(c->at[2]);
      bool is_plain = *c->at == '"' || *c->at == '\\';
      if (!is_plain && (low < 0 || high + low == 0)) {
        return mvg_text_fail(c, "a backslash stands before '\"', '\\' or two digits as in '\\x0a'");
      }
      *text = is_plain ? *c->at : (char)(high << 4 | low);
      c->at += is_plain ? 0 : 2;
    }
    ++text;
  }
  ++c->at;
  return NULL;
}

mvg_status mvg_text_read_word(mvg_text_cursor *c, const char *what, const char **out) {
  skip_space(c);
  if (*c->at == '"') return mvg_text_read_quoted(c, what, out);
  size_t length = 0;
  while (mvg_text_is_word_char(c->at[length], length == 0))
    ++length;
  if (length == 0) return fail_expected(c, what);
  const char *begin = c->at;
  c->at += length;
  return copy_span(c, begin, length, out);
}

mvg_status mvg_text_read_uint(mvg_text_cursor *c, const char *what, uint64_t max, uint64_t *out) {
  skip_space(c);
  if (!isdigit((unsigned char)*c->at)) return fail_expected(c, what);
  char *end;
  errno = 0;
  uint64_t value = strtoull(c->at, &end, 10);
  if (errno || value > max) {
    return mvg_text_fail(c, "%s must be at most %" PRIu64, what, max);
  }
  c->at = end;
  *out = value;
  return NULL;
}

static bool is_where(const char *at) {
  return strncmp(at, "where", 5) == 0 && at[-1] == ' ' && at[5] == ' ';
}

mvg_status mvg_text_read_span(mvg_text_cursor *c, const char *stops, const char **out) {
  skip_space(c);
  size_t length = 0;
  int depth = 0;
  for (; !is_line_end(c->at[length]); ++length) {
    char next = c->at[length];
    depth += (next == '(') - (next == ')');
    if (depth <= 0 && (strchr(stops, next) || (length && is_where(c->at + length)))) break;
  }
  if (is_line_end(c->at[length])) {
    return mvg_text_fail(c, "the line ends inside of this; expected one of '%s' after it", stops);
  }
  const char *begin = c->at;
  c->at += length;
  while (length && begin[length - 1] == ' ')
    --length;
  return copy_span(c, begin, length, out);
}

bool mvg_text_go_to_line(mvg_text_cursor *c) {
  while (*c->at && (mvg_text_is_at_end(c) || *c->at == ';')) {
    c->at += strcspn(c->at, "\n");
    if (*c->at == '\0') return false;
    ++c->line;
    c->line_begin = ++c->at;
  }
  return *c->at != '\0';
}

mvg_status mvg_text_end_line(mvg_text_cursor *c) {
  return mvg_text_is_at_end(c) ? NULL : fail_expected(c, "the end of the line");
}

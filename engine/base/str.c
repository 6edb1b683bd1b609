#include "base/str.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/array.h"

void mvg_str_deinit(mvg_str *str) {
  mvg_free(str->text);
  mvg_status_destroy(str->failure);
  *str = (mvg_str){0};
}

void mvg_str_deinit_part(mvg_str *part, mvg_str *whole) {
  if (!whole->failure) {
    whole->failure = part->failure;
    part->failure = NULL;
  }
  mvg_str_deinit(part);
}

static bool reserve(mvg_str *str, size_t extra) {
  if (str->failure) return false;
  str->failure = mvg_array_grow((void **)&str->text, &str->capacity, str->length + extra + 1, 1);
  return !str->failure;
}

void mvg_str_append_bytes(mvg_str *str, const char *bytes, size_t length) {
  if (!reserve(str, length)) return;
  memcpy(str->text + str->length, bytes, length);
  str->length += length;
  str->text[str->length] = '\0';
}

void mvg_str_append(mvg_str *str, const char *text) {
  mvg_str_append_bytes(str, text, strlen(text));
}

void mvg_str_appendf(mvg_str *str, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int length = vsnprintf(NULL, 0, format, args);
  va_end(args);
  if (length < 0 || !reserve(str, (size_t)length)) return;
  va_start(args, format);
  vsnprintf(str->text + str->length, (size_t)length + 1, format, args);
  va_end(args);
  str->length += (size_t)length;
}

mvg_status mvg_str_take(mvg_str *str, char **out_text) {
  *out_text = NULL;
  mvg_str_append_bytes(str, "", 0);
  mvg_status failure = str->failure;
  str->failure = NULL;
  if (!failure) {
    *out_text = str->text;
    str->text = NULL;
  }
  mvg_str_deinit(str);
  return failure;
}

size_t mvg_str_distance(const char *a, const char *b) {
  size_t row[65];
  size_t b_length = strlen(b);
  if (b_length > 64) b_length = 64;
  for (size_t j = 0; j <= b_length; ++j)
    row[j] = j;
  for (size_t i = 1; a[i - 1]; ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b_length; ++j) {
      size_t best = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      if (row[j] + 1 < best) best = row[j] + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      row[j] = best;
    }
  }
  return row[b_length];
}

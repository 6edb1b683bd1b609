#include "base/status.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

struct mvg_status_record {
  mvg_code code;
  char *message;
  char location[96];
};

static struct mvg_status_record out_of_memory_record = {.code = MVG_OUT_OF_MEMORY,
                                                        .location = "status.c"};

static char *format_message(const char *format, va_list args) {
  va_list copy;
  va_copy(copy, args);
  int length = vsnprintf(NULL, 0, format, copy);
  va_end(copy);
  if (length < 0) return NULL;
  char *message = mvg_alloc_plain((size_t)length + 1);
  if (message) vsnprintf(message, (size_t)length + 1, format, args);
  return message;
}

mvg_status mvg_status_make(mvg_code code, const char *file, int line, const char *format, ...) {
  struct mvg_status_record *status = mvg_alloc_plain(sizeof *status);
  if (!status) return &out_of_memory_record;
  va_list args;
  va_start(args, format);
  *status = (struct mvg_status_record){.code = code, .message = format_message(format, args)};
  va_end(args);
  if (!status->message) {
    mvg_free(status);
    return &out_of_memory_record;
  }
  const char *slash = strrchr(file, '/');
  snprintf(status->location, sizeof status->location, "%s:%d", slash ? slash + 1 : file, line);
  return status;
}

mvg_status mvg_status_annotate(mvg_status status, const char *format, ...) {
  if (!status || status == &out_of_memory_record) return status;
  va_list args;
  va_start(args, format);
  char *prefix = format_message(format, args);
  va_end(args);
  if (!prefix) return status;
  const char *old = mvg_status_get_message(status);
  size_t size = strlen(prefix) + strlen(old) + 3;
  char *joined = mvg_alloc_plain(size);
  if (joined) {
    snprintf(joined, size, "%s: %s", prefix, old);
    mvg_free(status->message);
    status->message = joined;
  }
  mvg_free(prefix);
  return status;
}

mvg_status mvg_status_join(mvg_status first, mvg_status second) {
  if (!first) return second;
  mvg_status_destroy(second);
  return first;
}

void mvg_status_destroy(mvg_status status) {
  if (!status || status == &out_of_memory_record) return;
  mvg_free(status->message);
  mvg_free(status);
}

mvg_code mvg_status_get_code(mvg_status status) {
  return status ? status->code : MVG_OK;
}

const char *mvg_status_get_message(mvg_status status) {
  if (!status) return "ok";
  return status->message ? status->message : "out of host memory, with none left to say for what";
}

const char *mvg_status_get_location(mvg_status status) {
  return status ? status->location : "";
}

const char *mvg_code_get_name(mvg_code code) {
  switch (code) {
  case MVG_OK:
    return "ok";
  case MVG_INVALID_ARGUMENT:
    return "invalid argument";
  case MVG_NOT_FOUND:
    return "not found";
  case MVG_OUT_OF_MEMORY:
    return "out of memory";
  case MVG_UNSUPPORTED:
    return "unsupported";
  case MVG_FAILED_PRECONDITION:
    return "failed precondition";
  case MVG_DEVICE_LOST:
    return "device lost";
  case MVG_IO:
    return "input/output";
  case MVG_INTERNAL:
    return "internal";
  }
  return "unknown";
}

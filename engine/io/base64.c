#include "io/base64.h"

#include <limits.h>

#include <libavutil/base64.h>

size_t mvg_base64_get_capacity(size_t size) {
  return (size / 3 + (size % 3 != 0)) * 4 + 1;
}

bool mvg_base64_encode(const void *bytes, size_t size, char *out_text) {
  size_t capacity = mvg_base64_get_capacity(size);
  return capacity < INT_MAX && av_base64_encode(out_text, (int)capacity, bytes, (int)size) != NULL;
}

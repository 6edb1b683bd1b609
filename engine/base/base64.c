#include "base/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void mvg_base64_append(mvg_str *out, const void *bytes, size_t size_bytes) {
  const uint8_t *source = bytes;
  for (size_t i = 0; i < size_bytes; i += 3) {
    size_t count = size_bytes - i < 3 ? size_bytes - i : 3;
    uint32_t group = (uint32_t)source[i] << 16;
    if (count > 1) group |= (uint32_t)source[i + 1] << 8;
    if (count > 2) group |= source[i + 2];
    char text[4];
    for (uint32_t k = 0; k < 4; ++k)
      text[k] = k <= count ? digits[group >> (18 - 6 * k) & 63] : '=';
    mvg_str_append_bytes(out, text, sizeof text);
  }
}

static int get_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

size_t mvg_base64_read(const char *text, void *out_bytes, size_t size_bytes) {
  uint8_t *target = out_bytes;
  size_t used = 0;
  for (size_t i = 0; i < size_bytes; i += 3, used += 4) {
    size_t count = size_bytes - i < 3 ? size_bytes - i : 3;
    uint32_t group = 0;
    for (uint32_t k = 0; k < 4; ++k) { // stops at the first character that is none, before the end
      int digit = k <= count ? get_digit(text[used + k]) : text[used + k] == '=' ? 0 : -1;
      if (digit < 0) return 0;
      group = group << 6 | (uint32_t)digit;
    }
    for (size_t k = 0; k < count; ++k)
      target[i + k] = (uint8_t)(group >> (16 - 8 * k));
    if (group & ((1u << (8 * (3 - count))) - 1)) return 0; // bits that belong to no byte
  }
  return used;
}

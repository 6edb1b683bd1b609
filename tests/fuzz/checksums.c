#include "checksums.h"

#include <string.h>

#include <zlib.h>

static uint32_t get_u16(const uint8_t *at) {
  return at[0] | (uint32_t)at[1] << 8;
}

static uint32_t get_u32(const uint8_t *at) {
  return get_u16(at) | get_u16(at + 2) << 16;
}

static uint32_t get_big_u32(const uint8_t *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void repair_png(uint8_t *bytes, size_t size) {
  size_t at = 8; // chunks: length, type, data, checksum of type and data
  while (size - at >= 12) {
    size_t length = get_big_u32(bytes + at);
    if (length > size - at - 12) return;
    uint32_t sum = (uint32_t)crc32(0, bytes + at + 4, (uInt)length + 4);
    uint8_t *stored = bytes + at + 8 + length;
    for (int i = 0; i < 4; ++i)
      stored[i] = (uint8_t)(sum >> (24 - 8 * i));
    at += 12 + length;
  }
}

// The entry of the central directory at `entry`, whose fixed part is there.
static void repair_entry(uint8_t *bytes, size_t size, uint8_t *entry) {
  size_t packed = get_u32(entry + 20), local = get_u32(entry + 42);
  if (get_u16(entry + 10) != 0 || size < 30 || local > size - 30) return; // compressed, or nowhere
  size_t first = local + 30 + get_u16(bytes + local + 26) + get_u16(bytes + local + 28);
  if (first > size || packed > size - first) return;
  uint32_t sum = (uint32_t)crc32(0, bytes + first, (uInt)packed);
  for (int i = 0; i < 4; ++i)
    entry[16 + i] = bytes[local + 14 + i] = (uint8_t)(sum >> 8 * i);
}

static void repair_zip(uint8_t *bytes, size_t size) {
  for (size_t at = 0; at + 46 <= size; ++at) {
    if (memcmp(bytes + at, "PK\1\2", 4) == 0) repair_entry(bytes, size, bytes + at);
  }
}

void repair_checksums(uint8_t *bytes, size_t size) {
  if (size >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0) repair_png(bytes, size);
  if (size >= 4 && memcmp(bytes, "PK\3\4", 4) == 0) repair_zip(bytes, size);
}

#include "base/hash.h"

#include <string.h>

static uint64_t mix(uint64_t hash) {
  hash ^= hash >> 32;
  hash *= 0x9e3779b97f4a7c15ull;
  return hash ^ (hash >> 29);
}

uint64_t mvg_hash_bytes(uint64_t seed, const void *bytes, size_t size_bytes) {
  const unsigned char *cursor = bytes;
  uint64_t hash = seed;
  for (size_t i = 0; i < size_bytes; ++i)
    hash = (hash ^ cursor[i]) * 0x100000001b3ull;
  return mix(hash ^ size_bytes);
}

uint64_t mvg_hash_bulk(uint64_t seed, const void *bytes, size_t size_bytes) {
  const unsigned char *cursor = bytes;
  size_t rest = size_bytes % sizeof(uint64_t);
  uint64_t hash = seed;
  for (size_t i = 0; i < size_bytes - rest; i += sizeof(uint64_t)) {
    uint64_t word;
    memcpy(&word, cursor + i, sizeof word);
    hash = mix(hash ^ word);
  }
  return mvg_hash_bytes(hash, cursor + size_bytes - rest, rest);
}

uint64_t mvg_hash_u64(uint64_t seed, uint64_t value) {
  return mix((seed ^ value) * 0xff51afd7ed558ccdull + value);
}

uint64_t mvg_hash_string(uint64_t seed, const char *text) {
  return mvg_hash_bytes(seed, text, strlen(text));
}

// A stable 64-bit content hash (FNV-1a with a final mix) for keys and caches; the same on every
// machine.
#ifndef MVGRAPH_BASE_HASH_H_
#define MVGRAPH_BASE_HASH_H_

#include <stddef.h>
#include <stdint.h>

#define MVG_HASH_SEED 0xcbf29ce484222325ull

uint64_t mvg_hash_bytes(uint64_t seed, const void *bytes, size_t size_bytes);
// The same strength eight bytes at a time, for megabytes; other values than mvg_hash_bytes.
uint64_t mvg_hash_bulk(uint64_t seed, const void *bytes, size_t size_bytes);
uint64_t mvg_hash_u64(uint64_t seed, uint64_t value);
uint64_t mvg_hash_string(uint64_t seed, const char *text);

#endif // MVGRAPH_BASE_HASH_H_

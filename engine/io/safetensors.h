// The safetensors file format: named arrays and text metadata. The same content always gives the
// same bytes, and a file is trusted in nothing: every size, offset and name in its header is
// checked against the file's length.
#ifndef MVGRAPH_IO_SAFETENSORS_H_
#define MVGRAPH_IO_SAFETENSORS_H_

#include <stddef.h>

#include "base/status.h"
#include "graph/ndarray.h"

typedef struct {
  char *name;
  mvg_ndarray *array;
} mvg_safetensors_entry;

typedef struct {
  char *key, *value;
} mvg_safetensors_text;

// Owns the names and texts and one reference of each array.
typedef struct mvg_safetensors {
  mvg_safetensors_entry *entries;
  size_t count, capacity;
  mvg_safetensors_text *metadata;
  size_t metadata_count, metadata_capacity;
} mvg_safetensors; // zeroed storage is a valid empty set

void mvg_safetensors_deinit(mvg_safetensors *set);

// Copies the name and retains the array.
mvg_status mvg_safetensors_add(mvg_safetensors *set, const char *name,
                               mvg_ndarray *array) MVG_MUST_USE;
mvg_status mvg_safetensors_add_metadata(mvg_safetensors *set, const char *key,
                                        const char *value) MVG_MUST_USE;

// Borrowed; NULL when absent.
mvg_ndarray *mvg_safetensors_get(const mvg_safetensors *set, const char *name);
const char *mvg_safetensors_get_metadata(const mvg_safetensors *set, const char *key);

// Layout of the reference implementation: wider dtypes first, then names in byte order, header
// padded with spaces to 8 bytes. Sorts `set`. Written by mvg_file_write_parts.
mvg_status mvg_safetensors_save(const char *path, mvg_safetensors *set) MVG_MUST_USE;

// F32, I32, U8, F64, BOOL (as u8) as they are; F16 and BF16 widened to f32; I64 narrowed to i32
// when each value fits. Entries come sorted by name. On failure *out_set is empty.
mvg_status mvg_safetensors_load(const char *path, mvg_safetensors *out_set) MVG_MUST_USE;

// The same for bytes in memory; `source_name` stands in messages.
mvg_status mvg_safetensors_parse(const char *source_name, const void *bytes, size_t size_bytes,
                                 mvg_safetensors *out_set) MVG_MUST_USE;

#endif // MVGRAPH_IO_SAFETENSORS_H_

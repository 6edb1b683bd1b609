// ZIP archives, written through libzip: entries stored as they are.
#ifndef MVGRAPH_IO_ZIP_WRITE_H_
#define MVGRAPH_IO_ZIP_WRITE_H_

#include <stddef.h>

#include "base/status.h"

typedef struct {
  const char *name;
  const void *bytes;
  size_t size_bytes;
} mvg_zip_entry;

// Replaces `path` by an archive of one entry or more, as mvg_file_write_atomic does. The same
// entries give the same bytes.
mvg_status mvg_zip_write(const char *path, const mvg_zip_entry *entries, size_t count) MVG_MUST_USE;

#endif // MVGRAPH_IO_ZIP_WRITE_H_

// Whole files: read with a limit; written aside, synced and renamed, so that a reader sees the old
// bytes or the new.
#ifndef MVGRAPH_IO_FILE_H_
#define MVGRAPH_IO_FILE_H_

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

#define MVG_FILE_NO_LIMIT ((size_t)-1)

// The whole file, one NUL byte added after *out_size bytes. The caller frees *out_bytes with
// mvg_free. Fails (naming both sizes) when the file holds more than `limit_bytes`.
mvg_status mvg_file_read(const char *path, size_t limit_bytes, char **out_bytes,
                         size_t *out_size) MVG_MUST_USE;

// Opens a regular file (no folder, pipe or device) for reading; the caller closes the descriptor.
mvg_status mvg_file_open(const char *path, int *out_descriptor, size_t *out_size) MVG_MUST_USE;

typedef struct {
  const void *bytes;
  size_t size_bytes;
} mvg_file_part;

// Replaces `path`, or the file that a link there leads to, by the parts one after another; the mode
// stays. Of several writers at once each puts a whole file there. On any failure the file beside it
// is removed and what was at `path` stays. A pipe or a device is written straight into.
// MVGRAPH_FAULT_WRITE=n in the environment makes the process's n-th write call fail as on a full
// disk.
mvg_status mvg_file_write_parts(const char *path, const mvg_file_part *parts,
                                size_t count) MVG_MUST_USE;
mvg_status mvg_file_write_atomic(const char *path, const void *bytes,
                                 size_t size_bytes) MVG_MUST_USE;

// Adds to the end, synced where it must outlive the machine; a failed append is cut off again.
mvg_status mvg_file_append(const char *path, const void *bytes, size_t size_bytes,
                           bool is_synced) MVG_MUST_USE;

bool mvg_file_exists(const char *path);
bool mvg_file_is_directory(const char *path);

// Names in a folder without "." and "..", in byte order.
typedef struct {
  char **names;
  size_t count;
} mvg_file_names; // zeroed storage is a valid empty list

mvg_status mvg_file_list(const char *path, mvg_file_names *out_names) MVG_MUST_USE;
void mvg_file_names_deinit(mvg_file_names *names);

// Parents too; an existing folder is fine.
mvg_status mvg_file_make_directory(const char *path) MVG_MUST_USE;

// Takes a file away; one that is not there is fine.
mvg_status mvg_file_remove(const char *path) MVG_MUST_USE;

// Starts the write count of MVGRAPH_FAULT_WRITE anew. For tests.
void mvg_file_fault_restart(void);

#endif // MVGRAPH_IO_FILE_H_

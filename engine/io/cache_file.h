// Files that can be rebuilt: a folder per user, read whole, written aside and renamed. Losing one
// costs only time, so nothing here fails loudly; whoever reads must validate what comes back.
#ifndef MVGRAPH_IO_CACHE_FILE_H_
#define MVGRAPH_IO_CACHE_FILE_H_

#include <stdbool.h>
#include <stddef.h>

// `name` is a relative path such as "spirv/1f.bin", below $XDG_CACHE_HOME/mvgraph or
// ~/.cache/mvgraph. Read: false when there is no such file; the caller frees *out_bytes with
// mvg_free.
bool mvg_cache_file_read(const char *name, void **out_bytes, size_t *out_size);
bool mvg_cache_file_write(const char *name, const void *bytes, size_t size);
// Takes files of a folder away, those written longest ago first, until the rest hold no more than
// `limit_bytes`.
void mvg_cache_file_trim(const char *folder, size_t limit_bytes);
// The path itself; false when no home is known or the path is too long.
bool mvg_cache_file_get_path(const char *name, char *out_path, size_t capacity);

#endif // MVGRAPH_IO_CACHE_FILE_H_

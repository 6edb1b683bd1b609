// ZIP archives, read through libzip: names, sizes and whole entries.
#ifndef MVGRAPH_IO_ZIP_H_
#define MVGRAPH_IO_ZIP_H_

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct mvg_zip mvg_zip;

// UNSUPPORTED when the archive announces far more bytes than its packed ones can be arrays of.
mvg_status mvg_zip_open(const char *path, mvg_zip **out_zip) MVG_MUST_USE;
void mvg_zip_close(mvg_zip *zip);

size_t mvg_zip_get_count(const mvg_zip *zip);
const char *mvg_zip_get_name(const mvg_zip *zip, size_t index); // "" where the archive has none
uint64_t mvg_zip_get_size(const mvg_zip *zip, size_t index);    // as announced, unpacked

// Unpacks entry `index` into `bytes`, which has room for as many as were announced. Fails on a
// wrong checksum, on an encrypted entry, and when there are fewer or more bytes.
mvg_status mvg_zip_read(mvg_zip *zip, size_t index, void *bytes) MVG_MUST_USE;

#endif // MVGRAPH_IO_ZIP_H_

#include "io/zip_write.h"

#include <zip.h>

#include "base/alloc.h"
#include "io/file.h"

#define FIRST_DAY 0x21 // 1980-01-01, the first that an archive can tell

static mvg_status archive_failure(const char *path, zip_error_t *error) {
  return MVG_ERROR(MVG_INTERNAL, "cannot make the archive %s: %s", path, zip_error_strerror(error));
}

static mvg_status add_entry(zip_t *archive, const char *path, const mvg_zip_entry *entry) {
  zip_source_t *source = zip_source_buffer(archive, entry->bytes, entry->size_bytes, 0);
  if (!source) return archive_failure(path, zip_get_error(archive));
  zip_int64_t index = zip_file_add(archive, entry->name, source, ZIP_FL_ENC_UTF_8);
  if (index < 0) {
    zip_source_free(source);
    return archive_failure(path, zip_get_error(archive));
  }
  if (zip_set_file_compression(archive, (zip_uint64_t)index, ZIP_CM_STORE, 0) != 0 ||
      zip_file_set_dostime(archive, (zip_uint64_t)index, 0, FIRST_DAY, 0) != 0) {
    return archive_failure(path, zip_get_error(archive));
  }
  return NULL;
}

// Leaves the archive in `buffer`, of which it takes one reference.
static mvg_status fill(zip_source_t *buffer, const char *path, const mvg_zip_entry *entries,
                       size_t count) {
  zip_error_t error;
  zip_error_init(&error);
  zip_t *archive = zip_open_from_source(buffer, ZIP_TRUNCATE, &error);
  if (!archive) {
    zip_source_free(buffer);
    mvg_status status = archive_failure(path, &error);
    zip_error_fini(&error);
    return status;
  }
  zip_error_fini(&error);
  for (size_t i = 0; i < count; ++i) {
    mvg_status status = add_entry(archive, path, &entries[i]);
    if (status) {
      zip_discard(archive);
      return status;
    }
  }
  if (zip_close(archive) == 0) return NULL;
  mvg_status status = archive_failure(path, zip_get_error(archive));
  zip_discard(archive);
  return status;
}

static mvg_status write_buffer(zip_source_t *buffer, const char *path) {
  zip_stat_t stat;
  void *bytes = NULL;
  if (zip_source_stat(buffer, &stat) != 0 || zip_source_open(buffer) != 0) {
    return archive_failure(path, zip_source_error(buffer));
  }
  mvg_status status = mvg_alloc_resize(&bytes, stat.size, 1);
  if (!status && zip_source_read(buffer, bytes, stat.size) != (zip_int64_t)stat.size) {
    status = archive_failure(path, zip_source_error(buffer));
  }
  zip_source_close(buffer);
  if (!status) status = mvg_file_write_atomic(path, bytes, stat.size);
  mvg_free(bytes);
  return status;
}

mvg_status mvg_zip_write(const char *path, const mvg_zip_entry *entries, size_t count) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t *buffer = zip_source_buffer_create(NULL, 0, 0, &error);
  if (!buffer) {
    mvg_status status = archive_failure(path, &error);
    zip_error_fini(&error);
    return status;
  }
  zip_error_fini(&error);
  zip_source_keep(buffer); // the archive lets go of its own
  mvg_status status = fill(buffer, path, entries, count);
  if (!status) status = write_buffer(buffer, path);
  zip_source_free(buffer);
  return status;
}

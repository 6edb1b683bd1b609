#include "io/zip.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include <zip.h>

#include "base/alloc.h"
#include "io/file.h"

#define MAX_ENTRIES 1000000
#define MAX_RATIO 64
#define SMALL_BYTES                                                                                \
  (256u << 20) // unpacked; a larger archive may not be packed tighter than MAX_RATIO

struct mvg_zip {
  char *path;
  zip_t *archive;
  size_t count;
};

static mvg_status open_failure(const char *path, int code) {
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  mvg_status status = MVG_ERROR(MVG_INVALID_ARGUMENT, "%s: not a readable ZIP archive: %s", path,
                                zip_error_strerror(&error));
  zip_error_fini(&error);
  return status;
}

static zip_stat_t get_stat(const mvg_zip *zip, size_t index) {
  zip_stat_t stat;
  zip_stat_init(&stat);
  if (zip_stat_index(zip->archive, index, 0, &stat) != 0) zip_stat_init(&stat);
  return stat;
}

// A small file must not fill the memory, be it that its entries lie over each other.
static mvg_status check_size(const mvg_zip *zip, size_t file_bytes) {
  uint64_t total = 0;
  for (size_t i = 0; i < zip->count; ++i) {
    if (__builtin_add_overflow(total, get_stat(zip, i).size, &total)) total = UINT64_MAX;
    if (total == UINT64_MAX) break;
  }
  if (total <= SMALL_BYTES || total / MAX_RATIO <= file_bytes) return NULL;
  return MVG_ERROR(MVG_UNSUPPORTED,
                   "%s: its %zu entries would unpack %zu bytes to %" PRIu64
                   ": this is no archive of arrays",
                   zip->path, zip->count, file_bytes, total);
}

static mvg_status open_archive(mvg_zip *zip, const char *path) {
  int descriptor, code = 0;
  size_t size;
  MVG_RETURN_IF_ERROR(mvg_file_open(path, &descriptor, &size));
  close(descriptor);
  zip->archive = zip_open(path, ZIP_RDONLY, &code);
  if (!zip->archive) return open_failure(path, code);
  zip_int64_t count = zip_get_num_entries(zip->archive, 0);
  if (count > MAX_ENTRIES) {
    return MVG_ERROR(MVG_UNSUPPORTED, "%s: an archive of %" PRId64 " entries is not read", path,
                     (int64_t)count);
  }
  zip->count = (size_t)count;
  return check_size(zip, size);
}

mvg_status mvg_zip_open(const char *path, mvg_zip **out_zip) {
  mvg_zip *zip;
  *out_zip = NULL;
  MVG_RETURN_IF_ERROR(MVG_NEW(&zip));
  mvg_status status = mvg_alloc_string(path, &zip->path);
  if (!status) status = open_archive(zip, path);
  if (status) {
    mvg_zip_close(zip);
    return status;
  }
  *out_zip = zip;
  return NULL;
}

void mvg_zip_close(mvg_zip *zip) {
  if (!zip) return;
  if (zip->archive) zip_discard(zip->archive);
  mvg_free(zip->path);
  mvg_free(zip);
}

size_t mvg_zip_get_count(const mvg_zip *zip) {
  return zip->count;
}

const char *mvg_zip_get_name(const mvg_zip *zip, size_t index) {
  const char *name = zip_get_name(zip->archive, index, ZIP_FL_ENC_GUESS);
  return name ? name : "";
}

uint64_t mvg_zip_get_size(const mvg_zip *zip, size_t index) {
  return get_stat(zip, index).size;
}

mvg_status mvg_zip_read(mvg_zip *zip, size_t index, void *bytes) {
  const char *name = mvg_zip_get_name(zip, index);
  uint64_t size = mvg_zip_get_size(zip, index), done = 0;
  zip_file_t *file = zip_fopen_index(zip->archive, index, 0);
  if (!file) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT, "%s: entry '%s' cannot be read: %s", zip->path, name,
                     zip_strerror(zip->archive));
  }
  zip_int64_t count = 1;
  while (done < size && (count = zip_fread(file, (char *)bytes + done, size - done)) > 0)
    done += (uint64_t)count;
  char more; // the checksum is compared where the entry ends
  if (count >= 0 && done == size) count = zip_fread(file, &more, 1);
  mvg_status status = NULL;
  if (count < 0) {
    status = MVG_ERROR(MVG_INVALID_ARGUMENT, "%s: entry '%s' is damaged: %s", zip->path, name,
                       zip_file_strerror(file));
  } else if (done < size || count > 0) {
    status = MVG_ERROR(MVG_INVALID_ARGUMENT,
                       "%s: entry '%s' does not hold the %" PRIu64 " bytes it announces", zip->path,
                       name, size);
  }
  zip_fclose(file);
  return status;
}

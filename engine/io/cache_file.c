#include "io/cache_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "io/file.h"

bool mvg_cache_file_get_path(const char *name, char *out_path, size_t capacity) {
  const char *root = getenv("XDG_CACHE_HOME");
  const char *home = getenv("HOME");
  int length = -1;
  if (root && root[0] == '/') {
    length = snprintf(out_path, capacity, "%s/mvgraph/%s", root, name);
  } else if (home && home[0] == '/') {
    length = snprintf(out_path, capacity, "%s/.cache/mvgraph/%s", home, name);
  }
  return length > 0 && (size_t)length < capacity;
}

static bool read_all(int file, char *bytes, size_t size) {
  size_t done = 0;
  while (done < size) {
    ssize_t got = read(file, bytes + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    done += (size_t)got;
  }
  return true;
}

static bool write_all(int file, const char *bytes, size_t size) {
  size_t done = 0;
  while (done < size) {
    ssize_t put = write(file, bytes + done, size - done);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    done += (size_t)put;
  }
  return true;
}

bool mvg_cache_file_read(const char *name, void **out_bytes, size_t *out_size) {
  *out_bytes = NULL;
  *out_size = 0;
  char path[PATH_MAX];
  if (!mvg_cache_file_get_path(name, path, sizeof path)) return false;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  struct stat info;
  void *bytes = NULL;
  bool is_read = false;
  if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size <= 0) goto cleanup;
  mvg_status status = mvg_alloc_zeroed((size_t)info.st_size, 1, &bytes);
  if (status) {
    mvg_status_destroy(status);
    goto cleanup;
  }
  is_read = read_all(file, bytes, (size_t)info.st_size);
  if (is_read) {
    *out_bytes = bytes;
    *out_size = (size_t)info.st_size;
    bytes = NULL;
  }
cleanup:
  mvg_free(bytes);
  close(file);
  return is_read;
}

static void make_folders(char *path) {
  for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    mkdir(path, 0777);
    *slash = '/';
  }
}

bool mvg_cache_file_write(const char *name, const void *bytes, size_t size) {
  char path[PATH_MAX], aside[PATH_MAX];
  if (!mvg_cache_file_get_path(name, path, sizeof path)) return false;
  int length = snprintf(aside, sizeof aside, "%s.XXXXXX", path);
  if (length < 0 || (size_t)length >= sizeof aside) return false;
  make_folders(path);
  int file = mkstemp(aside);
  bool is_written = false;
  if (file >= 0) {
    is_written = write_all(file, bytes, size);
    is_written = close(file) == 0 && is_written;
    is_written = is_written && rename(aside, path) == 0;
    if (!is_written) unlink(aside);
  }
  if (!is_written) mvg_log(MVG_LOG_DEBUG, "cannot write %s: %s", path, strerror(errno));
  return is_written;
}

typedef struct {
  const char *name;
  size_t size;
  struct timespec written;
} kept_file;

static int compare_age(const void *left, const void *right) {
  const struct timespec *a = &((const kept_file *)left)->written;
  const struct timespec *b = &((const kept_file *)right)->written;
  if (a->tv_sec != b->tv_sec) return a->tv_sec < b->tv_sec ? -1 : 1;
  return a->tv_nsec < b->tv_nsec ? -1 : a->tv_nsec > b->tv_nsec;
}

static bool join(char path[PATH_MAX], const char *folder, const char *name) {
  int length = snprintf(path, PATH_MAX, "%s/%s", folder, name);
  return length > 0 && length < PATH_MAX;
}

static void drop_oldest(const char *folder, const mvg_file_names *names, kept_file *files,
                        size_t limit_bytes) {
  char path[PATH_MAX];
  size_t count = 0, total = 0;
  for (size_t i = 0; i < names->count; ++i) {
    struct stat info;
    if (!join(path, folder, names->names[i]) || lstat(path, &info) != 0) continue;
    if (!S_ISREG(info.st_mode)) continue;
    files[count++] =
        (kept_file){.name = names->names[i], .size = (size_t)info.st_size, .written = info.st_mtim};
    total += (size_t)info.st_size;
  }
  if (count) qsort(files, count, sizeof *files, compare_age);
  for (size_t i = 0; i < count && total > limit_bytes; ++i) {
    if (join(path, folder, files[i].name) && unlink(path) == 0) total -= files[i].size;
  }
}

void mvg_cache_file_trim(const char *folder, size_t limit_bytes) {
  char path[PATH_MAX];
  if (!mvg_cache_file_get_path(folder, path, sizeof path)) return;
  mvg_file_names names = {0};
  kept_file *files = NULL;
  mvg_status status = mvg_file_list(path, &names);
  if (!status && names.count) status = MVG_NEW_ARRAY(names.count, &files);
  if (!status && names.count) drop_oldest(path, &names, files, limit_bytes);
  mvg_free(files);
  mvg_file_names_deinit(&names);
  mvg_status_destroy(status);
}

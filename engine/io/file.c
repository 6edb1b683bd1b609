#include "io/file.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/array.h"

static const char *get_remedy(int error) {
  switch (error) {
  case ENOENT:
    return "check the path";
  case EACCES:
  case EPERM:
    return "change the permissions or choose another place";
  case ENOSPC:
  case EDQUOT:
    return "free some space or choose another folder";
  case EROFS:
    return "choose a folder that can be written";
  case EISDIR:
    return "give the path of a file";
  case ENOTDIR:
    return "a part of the path is a file, not a folder";
  case EMFILE:
  case ENFILE:
    return "raise the limit of open files (ulimit -n)";
  case EFBIG:
    return "raise the file size limit (ulimit -f) or choose another folder";
  case ENAMETOOLONG:
    return "choose a shorter path";
  default:
    return "check the disk and the folder";
  }
}

static mvg_status make_failure(const char *action, const char *path, int error) {
  char reason[128];
  const char *text = strerror_r(error, reason, sizeof reason);
  if (text != reason) snprintf(reason, sizeof reason, "%s", text);
  reason[0] = (char)tolower((unsigned char)reason[0]);
  return MVG_ERROR(error == ENOENT ? MVG_NOT_FOUND : MVG_IO, "cannot %s %s: %s; %s", action, path,
                   reason, get_remedy(error));
}

static atomic_uint_fast64_t write_calls;

void mvg_file_fault_restart(void) {
  atomic_store(&write_calls, 0);
}

static bool is_write_fault_due(void) {
  uint64_t call = atomic_fetch_add(&write_calls, 1) + 1;
  const char *wanted = getenv("MVGRAPH_FAULT_WRITE");
  return wanted && strtoull(wanted, NULL, 10) == call;
}

// Returns 0 or the error number.
static int write_all(int file, const char *bytes, size_t size) {
  const size_t slice = (size_t)1 << 30;
  while (size) {
    if (is_write_fault_due()) return ENOSPC;
    ssize_t put = write(file, bytes, size < slice ? size : slice);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return errno;
    if (put == 0) return ENOSPC;
    bytes += put;
    size -= (size_t)put;
  }
  return 0;
}

static mvg_status read_all(int file, const char *path, size_t limit, size_t expected,
                           char **out_bytes, size_t *out_size) {
  char *bytes = NULL;
  size_t size = 0, capacity = 0;
  mvg_status status = NULL;
  for (;;) {
    if (size == capacity) {
      size_t wanted = capacity ? capacity * 2 : expected + 1;
      status = mvg_alloc_resize((void **)&bytes, wanted + 1, 1);
      if (status) goto cleanup;
      capacity = wanted;
    }
    ssize_t got = read(file, bytes + size, capacity - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      status = make_failure("read", path, errno);
      goto cleanup;
    }
    if (got == 0) break;
    size += (size_t)got;
    if (size > limit) {
      status = MVG_ERROR(MVG_INVALID_ARGUMENT,
                         "cannot read %s: it holds more than the %zu bytes that are allowed here",
                         path, limit);
      goto cleanup;
    }
  }
  bytes[size] = '\0';
  *out_bytes = bytes;
  *out_size = size;
  return NULL;
cleanup:
  mvg_free(bytes);
  return status;
}

mvg_status mvg_file_open(const char *path, int *out_descriptor, size_t *out_size) {
  *out_descriptor = -1;
  *out_size = 0;
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return make_failure("read", path, errno);
  struct stat info;
  mvg_status status = NULL;
  if (fstat(file, &info) != 0) {
    status = make_failure("read", path, errno);
  } else if (S_ISDIR(info.st_mode)) {
    status = make_failure("read", path, EISDIR);
  } else if (!S_ISREG(info.st_mode)) {
    status = MVG_ERROR(MVG_IO, "cannot read %s: it is a pipe or a device; give the path of a file",
                       path);
  }
  if (status) {
    close(file);
    return status;
  }
  *out_descriptor = file;
  *out_size = (size_t)info.st_size;
  return NULL;
}

mvg_status mvg_file_read(const char *path, size_t limit_bytes, char **out_bytes, size_t *out_size) {
  *out_bytes = NULL;
  *out_size = 0;
  int file;
  size_t size;
  MVG_RETURN_IF_ERROR(mvg_file_open(path, &file, &size));
  mvg_status status = NULL;
  if (size > limit_bytes) {
    status =
        MVG_ERROR(MVG_INVALID_ARGUMENT,
                  "cannot read %s: it holds %zu bytes, more than the %zu that are allowed here",
                  path, size, limit_bytes);
  } else {
    status = read_all(file, path, limit_bytes, size, out_bytes, out_size);
  }
  close(file);
  return status;
}

// The directory entry itself must reach the disk, or a crash may bring the old name back.
static int sync_folder_of(const char *path) {
  char copy[PATH_MAX];
  if (strlen(path) >= sizeof copy) return ENAMETOOLONG;
  strcpy(copy, path);
  int folder = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return errno;
  int error = fsync(folder) != 0 && errno != EINVAL && errno != EROFS ? errno : 0;
  close(folder);
  return error;
}

// Files being written are path.partial, path.partial.1 and so on: each writer makes one and holds
// its lock, so that one without is a killed writer's.
enum { MAX_WRITERS = 1000, LITTER_SPAN = 8 };

static bool name_aside(const char *path, int number, char aside[PATH_MAX]) {
  int length = number ? snprintf(aside, PATH_MAX, "%s.partial.%d", path, number)
                      : snprintf(aside, PATH_MAX, "%s.partial", path);
  return length > 0 && length < PATH_MAX;
}

static bool is_named(int file, const char *name) {
  struct stat opened, named;
  return fstat(file, &opened) == 0 && lstat(name, &named) == 0 && opened.st_ino == named.st_ino &&
         opened.st_dev == named.st_dev;
}

// Where the file system has no locks, nothing is taken away.
static void remove_litter(const char *aside) {
  int file = open(aside, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (file < 0) return;
  if (flock(file, LOCK_EX | LOCK_NB) == 0 && is_named(file, aside)) unlink(aside);
  close(file);
}

static int make_aside(const char *aside) {
  int file = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file < 0) return -1;
  while (flock(file, LOCK_EX) != 0 && errno == EINTR) {
  }
  if (is_named(file, aside)) return file;
  close(file); // taken for litter before it was locked
  errno = EEXIST;
  return -1;
}

static int open_aside(const char *path, char aside[PATH_MAX]) {
  char other[PATH_MAX];
  for (int number = 0; number < MAX_WRITERS; number++) {
    if (!name_aside(path, number, aside)) {
      errno = ENAMETOOLONG;
      return -1;
    }
    remove_litter(aside);
    int file = make_aside(aside);
    if (file < 0 && errno == EEXIST) continue; // another writer's
    for (int i = 1; file >= 0 && i <= LITTER_SPAN; i++) {
      if (name_aside(path, number + i, other)) remove_litter(other);
    }
    return file;
  }
  errno = EBUSY;
  return -1;
}

static int write_parts(int file, const mvg_file_part *parts, size_t count) {
  for (size_t i = 0; i < count; i++) {
    int error = write_all(file, parts[i].bytes, parts[i].size_bytes);
    if (error) return error;
  }
  return 0;
}

// `earlier` is the mode of the file that is replaced, 0 for none.
static int keep_mode(int file, mode_t earlier) {
  struct stat made;
  if (!earlier) return 0;
  if (fstat(file, &made) != 0) return errno;
  if ((made.st_mode & 0777) == (earlier & 0777)) return 0;
  return fchmod(file, earlier & 0777) == 0 ? 0 : errno;
}

static int write_aside(int file, const char *aside, const char *path, mode_t earlier,
                       const mvg_file_part *parts, size_t count) {
  int error = keep_mode(file, earlier);
  if (!error) error = write_parts(file, parts, count);
  if (error) return error;
  if (fsync(file) != 0) return errno;
  return rename(aside, path) == 0 ? 0 : errno;
}

static mvg_status replace(const char *path, mode_t earlier, const mvg_file_part *parts,
                          size_t count) {
  char aside[PATH_MAX];
  int file = open_aside(path, aside);
  if (file < 0) return make_failure("write", path, errno);
  int error = write_aside(file, aside, path, earlier, parts, count);
  if (error) unlink(aside);
  if (close(file) != 0 && !error) error = errno;
  if (error) {
    return mvg_status_annotate(make_failure("write", path, error), "%s",
                               mvg_file_exists(path) ? "the earlier file is kept" : "no file made");
  }
  error = sync_folder_of(path);
  return error ? make_failure("sync the folder of", path, error) : NULL;
}

// A pipe or a device takes the bytes as they come.
static mvg_status write_straight(const char *path, const mvg_file_part *parts, size_t count) {
  int file = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
  if (file < 0) return make_failure("write", path, errno);
  int error = write_parts(file, parts, count);
  if (close(file) != 0 && !error) error = errno;
  return error ? make_failure("write", path, error) : NULL;
}

static bool is_link(const char *path) {
  struct stat info;
  return lstat(path, &info) == 0 && S_ISLNK(info.st_mode);
}

mvg_status mvg_file_write_parts(const char *path, const mvg_file_part *parts, size_t count) {
  struct stat info;
  bool is_there = stat(path, &info) == 0;
  if (is_there && S_ISDIR(info.st_mode)) return make_failure("write", path, EISDIR);
  if (is_there && !S_ISREG(info.st_mode)) return write_straight(path, parts, count);
  if (!is_link(path)) return replace(path, is_there ? info.st_mode : 0, parts, count);
  // The sandbox allows a guest what a link leads to, which it cannot tell of what is not there.
  if (!is_there) {
    return MVG_ERROR(MVG_NOT_FOUND,
                     "cannot write %s: it is a link to what is not there; remove the link or make "
                     "the file it leads to",
                     path);
  }
  char target[PATH_MAX];
  if (!realpath(path, target)) return make_failure("write", path, errno);
  return replace(target, info.st_mode, parts, count);
}

mvg_status mvg_file_write_atomic(const char *path, const void *bytes, size_t size_bytes) {
  mvg_file_part part = {.bytes = bytes, .size_bytes = size_bytes};
  return mvg_file_write_parts(path, &part, 1);
}

mvg_status mvg_file_append(const char *path, const void *bytes, size_t size_bytes, bool is_synced) {
  int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (file < 0) return make_failure("write", path, errno);
  struct stat info;
  int error = fstat(file, &info) == 0 ? 0 : errno;
  if (!error) {
    error = write_all(file, bytes, size_bytes);
    if (!error && is_synced && fsync(file) != 0 && errno != EINVAL) error = errno;
    // A failed cut changes nothing: the write's own failure is the one to tell.
    if (error && S_ISREG(info.st_mode)) (void)!ftruncate(file, info.st_size);
  }
  if (close(file) != 0 && !error) error = errno;
  return error ? make_failure("add to", path, error) : NULL;
}

bool mvg_file_exists(const char *path) {
  struct stat info;
  return stat(path, &info) == 0;
}

bool mvg_file_is_directory(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static int compare_names(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

void mvg_file_names_deinit(mvg_file_names *names) {
  for (size_t i = 0; i < names->count; i++)
    mvg_free(names->names[i]);
  mvg_free(names->names);
  *names = (mvg_file_names){0};
}

static mvg_status read_names(DIR *folder, const char *path, mvg_file_names *names) {
  size_t capacity = 0;
  for (;;) {
    errno = 0;
    const struct dirent *entry = readdir(folder);
    if (!entry) return errno ? make_failure("list", path, errno) : NULL;
    if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
    MVG_RETURN_IF_ERROR(
        mvg_array_grow((void **)&names->names, &capacity, names->count + 1, sizeof *names->names));
    MVG_RETURN_IF_ERROR(mvg_alloc_string(entry->d_name, &names->names[names->count]));
    names->count++;
  }
}

mvg_status mvg_file_list(const char *path, mvg_file_names *out_names) {
  *out_names = (mvg_file_names){0};
  DIR *folder = opendir(path);
  if (!folder) return make_failure("list", path, errno);
  mvg_status status = read_names(folder, path, out_names);
  closedir(folder);
  if (status) {
    mvg_file_names_deinit(out_names);
    return status;
  }
  if (out_names->count) {
    qsort(out_names->names, out_names->count, sizeof *out_names->names, compare_names);
  }
  return NULL;
}

// 0 where the folder is there now, or the error number.
static int make_one_directory(const char *path) {
  if (mkdir(path, 0777) == 0) return 0;
  int error = errno;
  if (mvg_file_is_directory(path)) return 0;
  return error == EEXIST ? ENOTDIR : error;
}

mvg_status mvg_file_make_directory(const char *path) {
  char copy[PATH_MAX];
  size_t length = strlen(path);
  if (length == 0) return make_failure("make folder", "(empty path)", ENOENT);
  if (length >= sizeof copy) return make_failure("make folder", path, ENAMETOOLONG);
  strcpy(copy, path);
  for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    int error = make_one_directory(copy);
    if (error) return make_failure("make folder", path, error);
    *slash = '/';
  }
  int error = make_one_directory(copy);
  return error ? make_failure("make folder", path, error) : NULL;
}

mvg_status mvg_file_remove(const char *path) {
  if (unlink(path) == 0 || errno == ENOENT) return NULL;
  return make_failure("remove", path, errno);
}

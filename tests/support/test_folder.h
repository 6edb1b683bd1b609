// A folder of its own for each test executable that writes files, and the footage that lies beside
// the repository.
#ifndef MVGRAPH_TESTS_SUPPORT_TEST_FOLDER_H_
#define MVGRAPH_TESTS_SUPPORT_TEST_FOLDER_H_

#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char test_folder[PATH_MAX / 2];

// For cmocka_run_group_tests; setup makes the folder, teardown removes it with all that is in it.
static inline int make_test_folder(void **state) {
  (void)state;
  const char *base = getenv("TMPDIR");
  snprintf(test_folder, sizeof test_folder, "%s/mvgraph-test-XXXXXX",
           base && *base ? base : "/tmp");
  return mkdtemp(test_folder) ? 0 : -1;
}

static inline int remove_entry(const char *path, const struct stat *info, int kind,
                               struct FTW *at) {
  (void)info, (void)kind, (void)at;
  return remove(path);
}

static inline int remove_test_folder(void **state) {
  (void)state;
  return nftw(test_folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

// Path of `name` in the folder; valid until the fourth call after.
static inline const char *in_folder(const char *name) {
  static char paths[4][PATH_MAX];
  static int next;
  char *path = paths[next++ % 4];
  snprintf(path, PATH_MAX, "%s/%s", test_folder, name);
  return path;
}

// Path of shared test data, or NULL when it is not on this machine. Tests run in the repository's
// root.
static inline const char *get_shared(const char *name) {
  static char path[PATH_MAX];
  const char *base = getenv("MVGRAPH_SHARED");
  snprintf(path, sizeof path, "%s/%s", base && *base ? base : "../shared", name);
  return access(path, R_OK) == 0 ? path : NULL;
}

#endif // MVGRAPH_TESTS_SUPPORT_TEST_FOLDER_H_

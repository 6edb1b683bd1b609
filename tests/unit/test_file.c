// Whole files: what is written is read back, and whatever goes wrong leaves the earlier bytes in
// place.
#include "../support/test_support.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "../support/test_folder.h"
#include "base/alloc.h"
#include "io/file.h"

static void write_text(const char *path, const char *text) {
  assert_ok(mvg_file_write_atomic(path, text, strlen(text)));
}

static void assert_holds(const char *path, const char *expected) {
  char *bytes;
  size_t size;
  assert_ok(mvg_file_read(path, MVG_FILE_NO_LIMIT, &bytes, &size));
  assert_int_equal(size, strlen(expected));
  assert_string_equal(bytes, expected);
  mvg_free(bytes);
}

static void assert_no_litter(void) {
  mvg_file_names names;
  assert_ok(mvg_file_list(test_folder, &names));
  for (size_t i = 0; i < names.count; i++)
    assert_null(strstr(names.names[i], ".partial"));
  mvg_file_names_deinit(&names);
}

static void arm_fault(const char *n) {
  setenv("MVGRAPH_FAULT_WRITE", n, 1);
  mvg_file_fault_restart();
}

static void disarm_fault(void) {
  unsetenv("MVGRAPH_FAULT_WRITE");
}

static void test_written_bytes_are_read_back(void **state) {
  (void)state;
  const char bytes[] = "a\0b\nc";
  assert_ok(mvg_file_write_atomic(in_folder("bytes"), bytes, sizeof bytes));
  char *read;
  size_t size;
  assert_ok(mvg_file_read(in_folder("bytes"), sizeof bytes, &read, &size));
  assert_int_equal(size, sizeof bytes);
  assert_memory_equal(read, bytes, sizeof bytes);
  assert_int_equal(read[size], '\0');
  mvg_free(read);
}

static void test_empty_file_is_fine(void **state) {
  (void)state;
  write_text(in_folder("empty"), "");
  assert_holds(in_folder("empty"), "");
}

static void test_parts_are_joined(void **state) {
  (void)state;
  const mvg_file_part parts[] = {{"one ", 4}, {NULL, 0}, {"two", 3}};
  assert_ok(mvg_file_write_parts(in_folder("parts"), parts, 3));
  assert_holds(in_folder("parts"), "one two");
}

static void test_reading_says_what_is_wrong(void **state) {
  (void)state;
  char *bytes;
  size_t size;
  assert_fails(mvg_file_read(in_folder("none"), 10, &bytes, &size), MVG_NOT_FOUND, "no such file");
  assert_null(bytes);
  assert_fails(mvg_file_read(test_folder, 10, &bytes, &size), MVG_IO, "is a directory");
  assert_fails(mvg_file_read("/dev/null", 10, &bytes, &size), MVG_IO, "pipe or a device");
  assert_ok(mkfifo(in_folder("fifo"), 0600) == 0 ? NULL : MVG_ERROR(MVG_IO, "mkfifo"));
  assert_fails(mvg_file_read(in_folder("fifo"), 10, &bytes, &size), MVG_IO, "pipe or a device");
  write_text(in_folder("long"), "12345678901");
  assert_fails(mvg_file_read(in_folder("long"), 10, &bytes, &size), MVG_INVALID_ARGUMENT,
               "11 bytes, more than the 10");
}

static void test_full_disk_keeps_the_earlier_file(void **state) {
  (void)state;
  write_text(in_folder("kept"), "old");
  const mvg_file_part parts[] = {{"new ", 4}, {"and ", 4}, {"longer", 6}};
  const char *calls[] = {"1", "2", "3"};
  for (int i = 0; i < 3; i++) {
    arm_fault(calls[i]);
    assert_fails(mvg_file_write_parts(in_folder("kept"), parts, 3), MVG_IO,
                 "no space left on device; free some space");
    assert_holds(in_folder("kept"), "old");
    assert_no_litter();
  }
  arm_fault("1");
  assert_fails(mvg_file_write_parts(in_folder("fresh"), parts, 3), MVG_IO, in_folder("fresh"));
  assert_false(mvg_file_exists(in_folder("fresh")));
  disarm_fault();
}

static void test_short_write_keeps_the_earlier_file(void **state) {
  (void)state;
  write_text(in_folder("short"), "old");
  char *large = calloc(1, 1 << 20);
  struct rlimit before, small;
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
  small = (struct rlimit){.rlim_cur = 100000, .rlim_max = before.rlim_max};
  void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
  mvg_status status = mvg_file_write_atomic(in_folder("short"), large, 1 << 20);
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, handler);
  free(large);
  assert_fails(status, MVG_IO, "file too large");
  assert_holds(in_folder("short"), "old");
  assert_no_litter();
}

static void test_failed_append_is_cut_off(void **state) {
  (void)state;
  assert_ok(mvg_file_append(in_folder("log"), "one\n", 4, true));
  assert_ok(mvg_file_append(in_folder("log"), "two\n", 4, false));
  arm_fault("1");
  assert_fails(mvg_file_append(in_folder("log"), "three\n", 6, true), MVG_IO, "no space left");
  disarm_fault();
  assert_holds(in_folder("log"), "one\ntwo\n");
}

enum { BLOCK_SIZE = 1 << 18 };

// Overwrites one file with blocks of one letter each, until it is killed.
static void write_forever(const char *path) {
  static char block[BLOCK_SIZE];
  for (int i = 0;; i++) {
    memset(block, 'a' + i % 26, sizeof block);
    mvg_status_destroy(mvg_file_write_atomic(path, block, sizeof block));
  }
}

static void test_killed_writer_leaves_a_whole_file(void **state) {
  (void)state;
  char path[PATH_MAX];
  strcpy(path, in_folder("killed"));
  write_text(path, "a");
  for (int round = 0; round < 8; round++) {
    pid_t child = fork();
    if (child == 0) write_forever(path);
    nanosleep(&(struct timespec){.tv_nsec = 3000000 + round * 1700000}, NULL);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    char *bytes;
    size_t size;
    assert_ok(mvg_file_read(path, MVG_FILE_NO_LIMIT, &bytes, &size));
    assert_true(size == BLOCK_SIZE || size == 1);
    for (size_t i = 1; i < size; i++)
      assert_int_equal(bytes[i], bytes[0]);
    mvg_free(bytes);
  }
  write_text(path, "after");
  assert_holds(path, "after");
  assert_no_litter();
}

// Exits with the number of writes that failed.
static void write_often(const char *path, char letter) {
  static char block[BLOCK_SIZE];
  int failures = 0;
  memset(block, letter, sizeof block);
  for (int i = 0; i < 40; i++) {
    mvg_status status = mvg_file_write_atomic(path, block, sizeof block);
    failures += status != NULL;
    mvg_status_destroy(status);
  }
  _exit(failures);
}

static void assert_one_letter(const char *path) {
  char *bytes;
  size_t size;
  assert_ok(mvg_file_read(path, MVG_FILE_NO_LIMIT, &bytes, &size));
  assert_int_equal(size, BLOCK_SIZE);
  for (size_t i = 1; i < size; i++)
    assert_int_equal(bytes[i], bytes[0]);
  mvg_free(bytes);
}

static void test_writers_at_once_each_put_a_whole_file(void **state) {
  (void)state;
  enum { WRITERS = 6 };
  char path[PATH_MAX];
  strcpy(path, in_folder("shared"));
  pid_t children[WRITERS];
  for (int i = 0; i < WRITERS; i++) {
    children[i] = fork();
    if (children[i] == 0) write_often(path, (char)('a' + i));
  }
  int ended[WRITERS];
  for (int i = 0; i < WRITERS; i++) {
    waitpid(children[i], &ended[i], 0);
    assert_one_letter(path);
  }
  for (int i = 0; i < WRITERS; i++)
    assert_true(WIFEXITED(ended[i]) && WEXITSTATUS(ended[i]) == 0);
  assert_no_litter();
}

static void test_only_files_of_dead_writers_are_taken_away(void **state) {
  (void)state;
  char living[PATH_MAX];
  strcpy(living, in_folder("busy.partial"));
  int lock = open(living, O_WRONLY | O_CREAT, 0666);
  assert_int_equal(flock(lock, LOCK_EX), 0);
  close(creat(in_folder("busy.partial.1"), 0666));
  close(creat(in_folder("busy.partial.3"), 0666));
  write_text(in_folder("busy"), "new");
  assert_holds(in_folder("busy"), "new");
  assert_true(mvg_file_exists(living));
  assert_false(mvg_file_exists(in_folder("busy.partial.1")));
  assert_false(mvg_file_exists(in_folder("busy.partial.3")));
  close(lock);
  write_text(in_folder("busy"), "newer");
  assert_no_litter();
}

static void test_unwritable_places_are_named(void **state) {
  (void)state;
  assert_fails(mvg_file_write_atomic(in_folder("no/such/x"), "x", 1), MVG_NOT_FOUND, "no/such/x");
  assert_fails(mvg_file_write_atomic(test_folder, "x", 1), MVG_IO, "is a directory");
  write_text(in_folder("plain"), "x");
  assert_fails(mvg_file_write_atomic(in_folder("plain/x"), "x", 1), MVG_IO, "not a folder");
}

static mode_t get_mode(const char *path) {
  struct stat info;
  assert_int_equal(lstat(path, &info), 0);
  return info.st_mode;
}

static void test_pipes_are_written_into(void **state) {
  (void)state;
  char path[PATH_MAX], text[8] = "";
  strcpy(path, in_folder("sink"));
  assert_int_equal(mkfifo(path, 0600), 0);
  int end = open(path, O_RDWR | O_NONBLOCK);
  const mvg_file_part parts[] = {{"one ", 4}, {"two", 3}};
  assert_ok(mvg_file_write_parts(path, parts, 2));
  assert_int_equal(read(end, text, sizeof text), 7);
  assert_string_equal(text, "one two");
  arm_fault("1");
  assert_fails(mvg_file_write_parts(path, parts, 2), MVG_IO, "no space left");
  disarm_fault();
  assert_true(S_ISFIFO(get_mode(path)));
  close(end);
  assert_no_litter();
}

static void test_links_stay_and_what_they_lead_to_is_written(void **state) {
  (void)state;
  char link[PATH_MAX], outer[PATH_MAX];
  strcpy(link, in_folder("link"));
  strcpy(outer, in_folder("outer"));
  assert_ok(mvg_file_make_directory(in_folder("place")));
  write_text(in_folder("place/target"), "old");
  assert_int_equal(symlink("place/target", link), 0);
  assert_int_equal(symlink("link", outer), 0);
  write_text(outer, "new");
  assert_true(S_ISLNK(get_mode(link)) && S_ISLNK(get_mode(outer)));
  assert_holds(in_folder("place/target"), "new");
  assert_int_equal(unlink(in_folder("place/target")), 0);
  assert_fails(mvg_file_write_atomic(link, "x", 1), MVG_NOT_FOUND, "a link to what is not there");
  assert_true(S_ISLNK(get_mode(link)));
}

static void test_rewritten_files_keep_their_mode(void **state) {
  (void)state;
  const mode_t modes[] = {0600, 0666, 0755, 0444};
  char path[PATH_MAX];
  strcpy(path, in_folder("mode"));
  write_text(path, "old");
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
    assert_int_equal(chmod(path, modes[i]), 0);
    write_text(path, "new");
    assert_int_equal(get_mode(path) & 0777, modes[i]);
  }
}

static void test_folders_are_made_with_parents_and_listed_in_order(void **state) {
  (void)state;
  assert_ok(mvg_file_make_directory(in_folder("tree/b/c")));
  assert_ok(mvg_file_make_directory(in_folder("tree/b/c/")));
  assert_true(mvg_file_is_directory(in_folder("tree/b/c")));
  write_text(in_folder("tree/a"), "");
  write_text(in_folder("tree/Z"), "");
  mvg_file_names names;
  assert_ok(mvg_file_list(in_folder("tree"), &names));
  assert_int_equal(names.count, 3);
  assert_string_equal(names.names[0], "Z");
  assert_string_equal(names.names[1], "a");
  assert_string_equal(names.names[2], "b");
  mvg_file_names_deinit(&names);
  assert_fails(mvg_file_make_directory(in_folder("tree/a/b")), MVG_IO, "not a folder");
  assert_fails(mvg_file_make_directory(""), MVG_NOT_FOUND, "empty path");
  assert_fails(mvg_file_list(in_folder("none"), &names), MVG_NOT_FOUND, "cannot list");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_written_bytes_are_read_back),
      cmocka_unit_test(test_empty_file_is_fine),
      cmocka_unit_test(test_parts_are_joined),
      cmocka_unit_test(test_reading_says_what_is_wrong),
      cmocka_unit_test(test_full_disk_keeps_the_earlier_file),
      cmocka_unit_test(test_short_write_keeps_the_earlier_file),
      cmocka_unit_test(test_failed_append_is_cut_off),
      cmocka_unit_test(test_killed_writer_leaves_a_whole_file),
      cmocka_unit_test(test_writers_at_once_each_put_a_whole_file),
      cmocka_unit_test(test_only_files_of_dead_writers_are_taken_away),
      cmocka_unit_test(test_unwritable_places_are_named),
      cmocka_unit_test(test_pipes_are_written_into),
      cmocka_unit_test(test_links_stay_and_what_they_lead_to_is_written),
      cmocka_unit_test(test_rewritten_files_keep_their_mode),
      cmocka_unit_test(test_folders_are_made_with_parents_and_listed_in_order),
  };
  return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}

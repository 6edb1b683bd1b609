// The command line from outside: exit codes and the one message that a mistake gives.
#include "tests/support/skip.h"
#include "tests/support/test_support.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_OUTPUT 16384

typedef struct {
  int exit_code; // -1 when a signal ended it
  char output[MAX_OUTPUT];
} outcome;

// `place` takes the output; NULL: it is kept with the messages.
static outcome run_into(const char *place, const char *const *words) {
  const char *program = getenv("MVGRAPH_PROGRAM");
  assert_non_null(program);
  char *arguments[16] = {(char *)program};
  for (size_t i = 0; words[i]; ++i)
    arguments[i + 1] = (char *)words[i];
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    if (place) dup2(open(place, O_WRONLY), STDOUT_FILENO);
    execv(program, arguments);
    _exit(127);
  }
  close(ends[1]);
  outcome result = {.exit_code = -1};
  size_t used = 0;
  ssize_t count;
  while (used < MAX_OUTPUT - 1 &&
         (count = read(ends[0], result.output + used, MAX_OUTPUT - 1 - used)) > 0) {
    used += (size_t)count;
  }
  close(ends[0]);
  int state;
  assert_int_equal(waitpid(child, &state, 0), child);
  if (WIFEXITED(state)) result.exit_code = WEXITSTATUS(state);
  return result;
}

static outcome run(const char *const *words) {
  return run_into(NULL, words);
}

static void expect(const char *const *words, int exit_code, const char *part) {
  outcome result = run(words);
  if (result.exit_code != exit_code || !strstr(result.output, part)) {
    print_error("exit code %d, output: %s\n", result.exit_code, result.output);
  }
  assert_int_equal(result.exit_code, exit_code);
  assert_non_null(strstr(result.output, part));
}

#define EXPECT(exit_code, part, ...)                                                               \
  expect((const char *const[]){__VA_ARGS__, NULL}, (exit_code), (part))

// A file in a fresh folder; the caller removes both.
static void write_script(const char *text, char folder[64], char path[96]) {
  strcpy(folder, "/tmp/mvgraph-cli-XXXXXX");
  assert_non_null(mkdtemp(folder));
  snprintf(path, 96, "%s/script.lua", folder);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
}

static void expect_script(const char *verb, const char *text, int exit_code, const char *part) {
  char folder[64], path[96];
  write_script(text, folder, path);
  outcome result = run((const char *const[]){verb, path, NULL});
  unlink(path);
  rmdir(folder);
  if (result.exit_code != exit_code || !strstr(result.output, part)) {
    print_error("exit code %d, output: %s\n", result.exit_code, result.output);
  }
  assert_int_equal(result.exit_code, exit_code);
  assert_non_null(strstr(result.output, part));
}

static void test_help_exits_with_success(void **state) {
  (void)state;
  EXPECT(0, "usage: mvgraph VERB", "--help");
  EXPECT(0, "--only TEXT", "test", "--help");
  EXPECT(0, "mvgraph 0.", "--version");
}

static void test_usage_mistakes_exit_with_two(void **state) {
  (void)state;
  expect((const char *const[]){NULL}, 2, "usage: mvgraph VERB");
  EXPECT(2, "unknown verb 'tset'; did you mean 'test'?", "tset");
  EXPECT(2, "unknown verb 'publish'; known: run,", "publish");
  EXPECT(2, "unknown option '--onyl', did you mean '--only'?", "test", "--onyl", "x");
  EXPECT(2, "--only needs a value", "test", "--only");
  EXPECT(2, "--trust takes no value", "test", "--trust=1");
  EXPECT(2, "needs at least one spec file", "test");
}

static void test_output_that_is_not_taken_is_a_failure(void **state) {
  (void)state;
  if (access("/dev/full", W_OK) != 0) return;
  outcome short_one = run_into("/dev/full", (const char *const[]){"--version", NULL});
  outcome long_one = run_into("/dev/full", (const char *const[]){"ops", NULL});
  outcome mistake = run_into("/dev/full", (const char *const[]){"tset", NULL});
  assert_int_equal(short_one.exit_code, 1);
  assert_string_equal(short_one.output,
                      "mvgraph: cannot write the output: no space left on device; "
                      "free some space or write elsewhere\n");
  assert_int_equal(long_one.exit_code, 1);
  assert_string_equal(long_one.output, short_one.output);
  assert_int_equal(mistake.exit_code, 2);
}

// As `mvgraph ops | head -1`, also where SIGPIPE is ignored.
static void test_a_reader_that_goes_away_is_no_failure(void **state) {
  (void)state;
  char folder[] = "/tmp/mvgraph-cli-XXXXXX", path[96];
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/pipe", folder);
  assert_int_equal(mkfifo(path, 0600), 0);
  for (int is_ignored = 0; is_ignored < 2; ++is_ignored) {
    pid_t reader = fork();
    if (reader == 0) {
      char byte;
      int end = open(path, O_RDONLY);
      _exit(read(end, &byte, 1) == 1 ? 0 : 1);
    }
    void (*handler)(int) = signal(SIGPIPE, is_ignored ? SIG_IGN : SIG_DFL);
    outcome result = run_into(path, (const char *const[]){"ops", NULL});
    signal(SIGPIPE, handler);
    assert_int_equal(waitpid(reader, NULL, 0), reader);
    assert_string_equal(result.output, "");
    if (is_ignored) assert_int_equal(result.exit_code, 0);
  }
  unlink(path);
  rmdir(folder);
}

static void test_null_device_is_always_listed(void **state) {
  (void)state;
  EXPECT(0, "null", "devices");
}

static void test_failing_spec_exits_with_one(void **state) {
  (void)state;
  expect_script("test", "require('spec').test('x', function() error('boom') end)", 1,
                "not ok 1 - x");
  expect_script("test", "require('spec').test('x', function() end)", 0, "ok 1 - x");
}

static void test_script_mistakes_are_told_with_their_line(void **state) {
  (void)state;
  expect_script("test", "local x = 1\nlocal y = = 2\n", 1, "script.lua:2:");
  expect_script("test", "local x = nil\nprint(x.y)\n", 1, "script.lua:2:");
  expect_script("test", "\33Lua", 1, "attempt to load a binary chunk");
}

static void test_shape_mistakes_are_told_with_line_and_module(void **state) {
  (void)state;
  expect_script("graph",
                "local mv = require 'mvgraph'\n"
                "return mv.program('p', { x = { shape = { 2, 3 } } }, function(inputs)\n"
                "  return mv.with_path('net.head', function()\n"
                "    return { y = inputs.x + mv.array({ 4 }) }\n"
                "  end)\n"
                "end)\n",
                1, "script.lua:4 (net.head): add");
  expect_script("graph", "return {}\n", 1, "the script makes no program");
  expect_script("graph", "local mv = require 'mvgraph'\nmv.progam('p')\n", 1, "script.lua:2");
}

static void test_device_that_does_not_exist_is_told(void **state) {
  (void)state;
  char folder[64], path[96];
  write_script("require('mvgraph.core').device()", folder, path);
  outcome result = run((const char *const[]){"test", path, "--device", "no-such-device", NULL});
  unlink(path);
  rmdir(folder);
  assert_int_equal(result.exit_code, 1);
  assert_non_null(strstr(result.output, "no-such-device"));
}

static void test_guests_have_no_processes_unless_trusted(void **state) {
  (void)state;
  char folder[64], path[96];
  write_script("assert(os.execute == nil)", folder, path);
  outcome guest = run((const char *const[]){"test", path, NULL});
  outcome trusted = run((const char *const[]){"test", path, "--trust", NULL});
  unlink(path);
  rmdir(folder);
  assert_int_equal(guest.exit_code, 0);
  assert_int_equal(trusted.exit_code, 1);
  assert_non_null(strstr(trusted.output, "--trust: scripts may do whatever you may"));
}

int main(void) {
  struct CMUnitTest tests[] = {
      cmocka_unit_test(test_help_exits_with_success),
      cmocka_unit_test(test_usage_mistakes_exit_with_two),
      cmocka_unit_test(test_output_that_is_not_taken_is_a_failure),
      cmocka_unit_test(test_a_reader_that_goes_away_is_no_failure),
      cmocka_unit_test(test_null_device_is_always_listed),
      cmocka_unit_test(test_failing_spec_exits_with_one),
      cmocka_unit_test(test_script_mistakes_are_told_with_their_line),
      cmocka_unit_test(test_shape_mistakes_are_told_with_line_and_module),
      cmocka_unit_test(test_guests_have_no_processes_unless_trusted),
      cmocka_unit_test(test_device_that_does_not_exist_is_told),
  };
  char name[SKIPPED_NAME_SIZE];
  struct CMUnitTest *last = &tests[sizeof tests / sizeof *tests - 1];
  if (!has_real_device()) mark_skipped(last, name, "no Vulkan device");
  return cmocka_run_group_tests(tests, NULL, NULL);
}

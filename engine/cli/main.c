// Command line: finds the scripts, names the folders that they may touch, and hands the words to
// mvgraph.cli.
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device/device.h"
#include "script/vm.h"

enum { EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

static void handle_interrupt(int signal_number) {
  (void)signal_number;
  if (mvg_vm_interrupt) _exit(EXIT_INTERRUPTED);
  mvg_vm_interrupt = 1;
}

static bool is_directory(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

// $MVGRAPH_SCRIPTS, else share/mvgraph/scripts beside the executable's bin/, else the source tree.
static void find_scripts(char out[PATH_MAX]) {
  const char *wanted = getenv("MVGRAPH_SCRIPTS");
  if (wanted && wanted[0] && realpath(wanted, out)) return;
  char executable[PATH_MAX], installed[PATH_MAX + 64];
  ssize_t length = readlink("/proc/self/exe", executable, sizeof executable - 1);
  if (length > 0) {
    executable[length] = '\0';
    char *slash = strrchr(executable, '/');
    if (slash) *slash = '\0';
    snprintf(installed, sizeof installed, "%s/../share/mvgraph/scripts", executable);
    if (is_directory(installed) && realpath(installed, out)) return;
  }
  snprintf(out, PATH_MAX, "%s", MVG_SCRIPT_DIR);
}

// The folder that a file to be written will lie in.
static mvg_status allow_parent(mvg_sandbox *sandbox, const char *file) {
  char path[PATH_MAX];
  if (strlen(file) >= sizeof path) return NULL;
  strcpy(path, file);
  char *slash = strrchr(path, '/');
  strcpy(slash ? slash + (slash == path) : path, slash ? "" : ".");
  return mvg_sandbox_allow(sandbox, path, true);
}

// The folder of a file named on the command line, or the folder itself: FILE, --name=FILE, or
// key=FILE after --set.
static mvg_status allow_named(mvg_sandbox *sandbox, const char *word) {
  char path[PATH_MAX];
  const char *equals = strchr(word, '=');
  if (word[0] == '\0' || (word[0] == '-' && !equals)) return NULL;
  struct stat info;
  const char *value = equals && (word[0] == '-' || stat(word, &info) != 0) ? equals + 1 : word;
  if (strlen(value) >= sizeof path || stat(value, &info) != 0) return NULL;
  strcpy(path, value);
  if (!S_ISDIR(info.st_mode)) {
    return allow_parent(sandbox, value);
  }
  return mvg_sandbox_allow(sandbox, path, true);
}

// The value of an option, as --name=value or as the word after it; NULL: this is another word.
static const char *get_value(const char *name, int count, char **words, int i) {
  size_t length = strlen(name);
  if (strncmp(words[i], name, length) != 0) return NULL;
  if (words[i][length] == '=') return words[i] + length + 1;
  return words[i][length] == '\0' && i + 1 < count ? words[i + 1] : NULL;
}

// Words after these may name what does not exist (yet). Runs go below runs/ unless told otherwise.
static mvg_status allow_folders(mvg_sandbox *sandbox, int count, char **words) {
  static const char *const files[] = {"--trace", "--depfile", "--body"};
  for (int i = 1; i < count; ++i) {
    MVG_RETURN_IF_ERROR(allow_named(sandbox, words[i]));
    const char *out = get_value("--out", count, words, i);
    if (out && out[0]) MVG_RETURN_IF_ERROR(mvg_sandbox_allow(sandbox, out, true));
    for (size_t k = 0; k < sizeof files / sizeof files[0]; ++k) {
      const char *file = get_value(files[k], count, words, i);
      if (file && file[0]) MVG_RETURN_IF_ERROR(allow_parent(sandbox, file));
    }
  }
  const char *shared = getenv("MVGRAPH_SHARED");
  MVG_RETURN_IF_ERROR(
      mvg_sandbox_allow(sandbox, shared && shared[0] ? shared : "../shared", false));
  return mvg_sandbox_allow(sandbox, "runs", true);
}

static int run(int count, char **words) {
  char scripts[PATH_MAX];
  find_scripts(scripts);
  mvg_vm_options options = {.script_dir = scripts, .version = MVG_VERSION};
  for (int i = 1; i < count; ++i) {
    if (strcmp(words[i], "--trust") == 0) options.is_trusted = true;
  }
  if (options.is_trusted) {
    fputs("mvgraph: --trust: scripts may do whatever you may; no sandbox, no memory limit\n",
          stderr);
  }
  mvg_vm *vm = NULL;
  int result = EXIT_FAILURE;
  bool is_usage = false;
  mvg_status status = mvg_vm_create(&options, &vm);
  if (!status) status = allow_folders(mvg_vm_get_sandbox(vm), count, words);
  if (!status) {
    status = mvg_vm_call_main(vm, "mvgraph.cli", "main", (const char *const *)words + 1,
                              count > 0 ? (size_t)count - 1 : 0, &result, &is_usage);
  }
  if (status) {
    fprintf(stderr, "mvgraph: %s\n", mvg_status_get_message(status));
    result = mvg_vm_interrupt ? EXIT_INTERRUPTED : is_usage ? EXIT_USAGE : EXIT_FAILURE;
  }
  mvg_status_destroy(status);
  mvg_vm_destroy(vm);
  uint64_t messages = mvg_validation_get_count(); // those of closing the device, too
  if (messages == 0 || result != EXIT_SUCCESS) return result;
  fprintf(stderr, "mvgraph: %" PRIu64 " messages of the validation layers\n", messages);
  return EXIT_FAILURE;
}

// Returns 0 or the error number. print flushes each line and does not keep why that failed; an
// empty line to the same place tells.
static int finish_output(void) {
  if (fflush(stdout) != 0) return errno;
  if (!ferror(stdout)) return 0;
  return putchar('\n') == EOF || fflush(stdout) != 0 ? errno : EIO;
}

int main(int count, char **words) {
  // A run saves what it has learnt; nothing else has anything to save.
  struct sigaction action = {.sa_handler = handle_interrupt, .sa_flags = SA_RESTART};
  if (count > 1 && strcmp(words[1], "run") == 0) sigaction(SIGINT, &action, NULL);
  int result = run(count, words);
  int error = finish_output();
  if (error == 0 || error == EPIPE) return result; // who reads no further has what he wanted
  const char *reason = strerror(error);
  fprintf(stderr, "mvgraph: cannot write the output: %c%s; free some space or write elsewhere\n",
          tolower((unsigned char)reason[0]), reason + 1);
  return result == EXIT_SUCCESS ? EXIT_FAILURE : result;
}

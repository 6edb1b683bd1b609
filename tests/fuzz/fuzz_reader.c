// The fuzz target of every reader: libFuzzer's inputs, written to a file that the reader opens.
// MVGRAPH_FUZZ_READER names an entry of tests/fuzz/readers.lua, whose contract is what must hold.
// Lines of Lua that ran count as coverage.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lua.h>

#include "base/hash.h"
#include "checksums.h"
#include "script/vm.h"
#include "support/test_folder.h"

enum { COUNTER_COUNT = 1 << 15, KNOWN_COUNT = 256, MEMORY_BUDGET = 256 << 20 };

int LLVMFuzzerInitialize(int *count, char ***words);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t capacity, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t size, size_t capacity); // libFuzzer's own

// libFuzzer reads what lies in this section beside the counters of compiled code.
__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t counters[COUNTER_COUNT];

static mvg_vm *vm;
static const char *reader;

static uint32_t hash_source(const char *source) {
  static struct {
    const char *source;
    uint32_t hash;
  } known[KNOWN_COUNT]; // names of chunks stay where they are as long as the interpreter
  size_t slot = (uintptr_t)source / 16 % KNOWN_COUNT;
  if (known[slot].source != source) {
    known[slot].source = source;
    known[slot].hash = (uint32_t)mvg_hash_string(MVG_HASH_SEED, source);
  }
  return known[slot].hash;
}

static void count_line(lua_State *L, lua_Debug *frame) {
  lua_getinfo(L, "S", frame);
  uint32_t place = hash_source(frame->source) + (uint32_t)frame->currentline;
  uint8_t *counter = &counters[place % COUNTER_COUNT];
  *counter += *counter < UINT8_MAX;
}

static void stop(mvg_status status) {
  fprintf(stderr, "%s: %s\n", reader, mvg_status_get_message(status));
  abort();
}

static void call(const char *function) {
  const char *arguments[] = {reader, test_folder};
  int result;
  bool is_usage;
  mvg_status status =
      mvg_vm_call_main(vm, "tests.fuzz.readers", function, arguments, 2, &result, &is_usage);
  if (status) stop(status);
}

static void remove_folder(void) {
  mvg_vm_destroy(vm);
  remove_test_folder(NULL);
}

int LLVMFuzzerInitialize(int *count, char ***words) {
  (void)count, (void)words;
  reader = getenv("MVGRAPH_FUZZ_READER");
  if (!reader || make_test_folder(NULL) != 0) {
    fputs("MVGRAPH_FUZZ_READER must name a reader, and TMPDIR a folder\n", stderr);
    exit(EXIT_FAILURE);
  }
  atexit(remove_folder);
  const mvg_vm_options options = {.script_dir = "scripts",
                                  .root_dir = ".",
                                  .version = "fuzz",
                                  .memory_budget_bytes = MEMORY_BUDGET};
  mvg_status status = mvg_vm_create(&options, &vm);
  if (!status) status = mvg_sandbox_allow(mvg_vm_get_sandbox(vm), test_folder, true);
  if (status) stop(status);
  call("prepare");
  lua_sethook(mvg_vm_get_active(vm), count_line, LUA_MASKLINE, 0);
  return 0;
}

static void put(const char *path, const uint8_t *bytes, size_t size) {
  FILE *file = fopen(path, "wb");
  bool is_written = file && fwrite(bytes, 1, size, file) == size;
  if (!file || fclose(file) != 0 || !is_written) {
    perror(path);
    exit(EXIT_FAILURE);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  put(in_folder(reader), bytes, size);
  call("check");
  return 0;
}

// Without it nearly every change of an archive or a PNG ends at its checksums.
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t capacity, unsigned seed) {
  size = LLVMFuzzerMutate(bytes, size, capacity);
  if (seed % 8) repair_checksums(bytes, size);
  return size;
}

// What a guest script may reach: the safe part of the standard library, a memory budget, and the
// folders that the command line named.
#ifndef MVGRAPH_SCRIPT_SANDBOX_H_
#define MVGRAPH_SCRIPT_SANDBOX_H_

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/array.h"
#include "base/status.h"

typedef struct {
  char *path; // resolved, without links
  bool is_writable;
} mvg_sandbox_root;

typedef struct {
  bool is_trusted;
  size_t used_bytes, budget_bytes; // of the Lua heap
  size_t refused_bytes;            // the last request that was refused
  uint64_t fail_countdown;         // for tests: at 1 all requests are refused; 0: none is
  MVG_ARRAY(mvg_sandbox_root) roots;
} mvg_sandbox; // zeroed storage is a valid sandbox with no budget and no folders

void mvg_sandbox_deinit(mvg_sandbox *sandbox);

// A lua_Alloc over the budget; `context` is the sandbox.
void *mvg_sandbox_alloc(void *context, void *block, size_t old_size, size_t new_size);

// Opens the standard libraries: all of them when trusted, else the safe part.
void mvg_sandbox_open_libraries(lua_State *L, const mvg_sandbox *sandbox);

// Allows files below `path`, which need not exist yet.
mvg_status mvg_sandbox_allow(mvg_sandbox *sandbox, const char *path, bool is_writable) MVG_MUST_USE;

// Fails when no allowed folder holds `path`.
mvg_status mvg_sandbox_check(const mvg_sandbox *sandbox, const char *path,
                             bool is_write) MVG_MUST_USE;

// A path argument that the guest may read or write; raises otherwise. Every library function that
// opens a file gets its path here. The text is borrowed from the stack.
const char *mvg_arg_path(lua_State *L, int index, bool is_write);

#endif // MVGRAPH_SCRIPT_SANDBOX_H_

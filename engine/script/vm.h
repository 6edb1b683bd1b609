// The interpreter: its lifetime, where modules are found, and how a script's failure is told to a
// person.
#ifndef MVGRAPH_SCRIPT_VM_H_
#define MVGRAPH_SCRIPT_VM_H_

#include <lua.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "device/device.h"
#include "script/sandbox.h"

typedef struct mvg_vm mvg_vm;

typedef struct {
  const char *script_dir;     // holds mvgraph/ and spec.lua
  const char *root_dir;       // holds models/ and datasets/; NULL: the parent of script_dir
  const char *version;        // core.version; static text
  bool is_trusted;            // the whole of Lua, no memory budget
  size_t memory_budget_bytes; // of the Lua heap; 0 means 1 GiB
} mvg_vm_options;

// Besides the folders of the options, scripts may read and write what mvg_sandbox_allow adds to the
// sandbox.
mvg_status mvg_vm_create(const mvg_vm_options *options, mvg_vm **out_vm) MVG_MUST_USE;
void mvg_vm_destroy(mvg_vm *vm);

// require(module).<function>(arguments as a list of strings); its integer result, 0 when it returns
// none. A mistake in the command line (an error with a field `usage`) sets *out_is_usage.
mvg_status mvg_vm_call_main(mvg_vm *vm, const char *module, const char *function,
                            const char *const *arguments, size_t count, int *out_result,
                            bool *out_is_usage) MVG_MUST_USE;

// Set by the signal handler of the command line; scripts ask core.interrupted().
extern volatile sig_atomic_t mvg_vm_interrupt;

// ---- for the libraries in this folder ----

// The interpreter of a state, and the thread that is running in it: hooks called by the engine run
// there.
mvg_vm *mvg_vm_get(lua_State *L);
lua_State *mvg_vm_get_active(mvg_vm *vm);
mvg_sandbox *mvg_vm_get_sandbox(mvg_vm *vm);
const mvg_vm_options *mvg_vm_get_options(const mvg_vm *vm);
// Marks L as the running thread before the engine may call back.
void mvg_vm_enter(lua_State *L);

// The one device of this process, opened at first use; borrowed. Raises when there is none.
mvg_device *mvg_vm_get_device(lua_State *L);
// True if it is open, and its driver gave it up.
bool mvg_vm_has_lost_device(lua_State *L);
// Lets go of it; the next use opens it anew. What was made on it can only be collected.
void mvg_vm_drop_device(lua_State *L);
// Choosing is possible until the device is open; false when too late.
bool mvg_vm_select_device(lua_State *L, const char *selector);

// Pushes "model.lua:12", the innermost running line outside the library; false (nothing pushed)
// when there is none.
bool mvg_vm_push_script_place(lua_State *L);

// Tells the collector that `size_bytes` were allocated outside the Lua heap; collects when enough
// has piled up.
void mvg_vm_note_memory(lua_State *L, size_t size_bytes);

// A weak table in which C pointers find their userdata: remember the userdata on top of the stack;
// push it (or nil).
void mvg_vm_remember(lua_State *L, const void *pointer);
void mvg_vm_recall(lua_State *L, const void *pointer);

// Runs `function(L)` with `payload` as light userdata argument and turns a Lua error into a status.
// Runs in the active thread.
mvg_status mvg_vm_protected(mvg_vm *vm, lua_CFunction function, void *payload) MVG_MUST_USE;

#endif // MVGRAPH_SCRIPT_VM_H_

// The interpreter: creation, the module searcher, and the handler that turns an error into one
// message.
#include "script/vm.h"

#include <lauxlib.h>
#include <limits.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "io/file.h"
#include "script/lib.h"
#include "script/ordered_pairs.h"

#define DEFAULT_BUDGET_BYTES ((size_t)1 << 30)
#define COLLECT_AFTER_BYTES ((size_t)256 << 20)

struct mvg_vm {
  lua_State *L, *active;
  mvg_sandbox sandbox;
  mvg_vm_options options;
  char *script_dir, *root_dir, *selector;
  mvg_device *device;
  size_t noted_bytes;
  bool is_usage; // the failure of the last call of main
};

volatile sig_atomic_t mvg_vm_interrupt;

static const char handles_key; // address of the registry's weak table of handles

mvg_vm *mvg_vm_get(lua_State *L) {
  return *(mvg_vm **)lua_getextraspace(L);
}

lua_State *mvg_vm_get_active(mvg_vm *vm) {
  return vm->active;
}

void mvg_vm_enter(lua_State *L) {
  mvg_vm_get(L)->active = L;
}

mvg_sandbox *mvg_vm_get_sandbox(mvg_vm *vm) {
  return &vm->sandbox;
}

const mvg_vm_options *mvg_vm_get_options(const mvg_vm *vm) {
  return &vm->options;
}

mvg_device *mvg_vm_get_device(lua_State *L) {
  mvg_vm *vm = mvg_vm_get(L);
  if (!vm->device) mvg_lua_check(L, mvg_device_create(vm->selector, &vm->device));
  return vm->device;
}

bool mvg_vm_has_lost_device(lua_State *L) {
  const mvg_device *device = mvg_vm_get(L)->device;
  return device && mvg_device_is_lost(device);
}

void mvg_vm_drop_device(lua_State *L) {
  mvg_vm *vm = mvg_vm_get(L);
  mvg_device_release(vm->device);
  vm->device = NULL;
}

bool mvg_vm_select_device(lua_State *L, const char *selector) {
  mvg_vm *vm = mvg_vm_get(L);
  if (vm->device) return false;
  mvg_free(vm->selector);
  vm->selector = NULL;
  if (selector) mvg_lua_check(L, mvg_alloc_string(selector, &vm->selector));
  return true;
}

void mvg_vm_note_memory(lua_State *L, size_t size_bytes) {
  mvg_vm *vm = mvg_vm_get(L);
  vm->noted_bytes += size_bytes;
  if (vm->noted_bytes < COLLECT_AFTER_BYTES) return;
  vm->noted_bytes = 0;
  lua_gc(L, LUA_GCCOLLECT);
}

void mvg_vm_remember(lua_State *L, const void *pointer) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &handles_key);
  lua_pushvalue(L, -2);
  lua_rawsetp(L, -2, pointer);
  lua_pop(L, 1);
}

void mvg_vm_recall(lua_State *L, const void *pointer) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &handles_key);
  lua_rawgetp(L, -1, pointer);
  lua_remove(L, -2);
}

// The failure of a protected call that left its error value on top. Reading it must not allocate.
static mvg_status take_error(const mvg_vm *vm, int result) {
  const mvg_sandbox *sandbox = &vm->sandbox;
  bool is_over_budget =
      sandbox->budget_bytes && sandbox->used_bytes + sandbox->refused_bytes > sandbox->budget_bytes;
  if (result == LUA_ERRMEM && is_over_budget) {
    return MVG_ERROR(MVG_OUT_OF_MEMORY,
                     "the script is out of memory: it holds %zu bytes of at most %zu and asked for "
                     "%zu; keep less in tables, or lift the limit with --trust",
                     sandbox->used_bytes, sandbox->budget_bytes, sandbox->refused_bytes);
  }
  if (result == LUA_ERRMEM) {
    return MVG_ERROR(MVG_OUT_OF_MEMORY,
                     "out of host memory: the script holds %zu bytes and asked for %zu",
                     sandbox->used_bytes, sandbox->refused_bytes);
  }
  int type = lua_type(vm->active, -1);
  if (type == LUA_TNUMBER) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT, LUA_NUMBER_FMT, lua_tonumber(vm->active, -1));
  }
  return MVG_ERROR(MVG_INVALID_ARGUMENT, "%s",
                   type == LUA_TSTRING ? lua_tostring(vm->active, -1) : "(an error without text)");
}

mvg_status mvg_vm_protected(mvg_vm *vm, lua_CFunction function, void *payload) {
  lua_State *L = vm->active;
  if (!lua_checkstack(L, LUA_MINSTACK)) {
    return MVG_ERROR(MVG_FAILED_PRECONDITION, "the script's stack is exhausted");
  }
  int top = lua_gettop(L);
  lua_pushcfunction(L, function);
  lua_pushlightuserdata(L, payload);
  int result = lua_pcall(L, 1, 0, 0);
  vm->active = L;
  mvg_status status = result == LUA_OK ? NULL : take_error(vm, result);
  lua_settop(L, top);
  return status;
}

// ---- modules ----

static const char *strip_prefix(const char *path, const char *folder) {
  size_t length = strlen(folder);
  return strncmp(path, folder, length) == 0 && path[length] == '/' ? path + length + 1 : NULL;
}

// "@mvgraph/nn/linear.lua" for files of the installation, so that messages do not depend on where
// it lies.
static void push_chunk_name(lua_State *L, const char *path) {
  const mvg_vm *vm = mvg_vm_get(L);
  const char *shown = strip_prefix(path, vm->script_dir);
  if (!shown) shown = strip_prefix(path, vm->root_dir);
  lua_pushfstring(L, "@%s", shown ? shown : path);
}

// The searcher of `require`: text files along package.path. Upvalues: package, package.searchpath.
static int search_module(lua_State *L) {
  luaL_checkstring(L, 1);
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_pushvalue(L, 1);
  lua_getfield(L, lua_upvalueindex(1), "path");
  lua_call(L, 2, 2);
  if (lua_isnil(L, -2)) return 1; // why not, for require's message
  lua_pop(L, 1);
  const char *path = mvg_arg_path(L, lua_gettop(L), false);
  push_chunk_name(L, path);
  size_t size;
  void **text = mvg_lua_push_box(L);
  mvg_lua_check(L, mvg_file_read(path, MVG_FILE_NO_LIMIT, (char **)text, &size));
  int result = luaL_loadbufferx(L, *text, size, lua_tostring(L, -2), "t");
  mvg_free(*text);
  *text = NULL;
  if (result != LUA_OK) return lua_error(L);
  lua_pushstring(L, path);
  return 2;
}

static void open_searcher(lua_State *L) {
  const mvg_vm *vm = mvg_vm_get(L);
  lua_getglobal(L, LUA_LOADLIBNAME);
  lua_pushfstring(L, "%s/?.lua;%s/?/init.lua;%s/?.lua;%s/?/init.lua", vm->script_dir,
                  vm->script_dir, vm->root_dir, vm->root_dir);
  lua_setfield(L, -2, "path");
  lua_createtable(L, 2, 0);
  lua_getfield(L, -2, "searchers");
  lua_rawgeti(L, -1, 1); // package.preload
  lua_rawseti(L, -3, 1);
  lua_pop(L, 1);
  lua_pushvalue(L, -2);
  lua_getfield(L, -3, "searchpath");
  lua_pushcclosure(L, search_module, 2);
  lua_rawseti(L, -2, 2);
  lua_setfield(L, -2, "searchers");
  if (!vm->sandbox.is_trusted) {
    lua_pushnil(L); // it tells which files exist
    lua_setfield(L, -2, "searchpath");
  }
  lua_pop(L, 1);
}

static int open_core(lua_State *L) {
  static const lua_CFunction libraries[] = {
      mvg_lua_open_system,  mvg_lua_open_array, mvg_lua_open_linalg, mvg_lua_open_random,
      mvg_lua_open_opdef,   mvg_lua_open_graph, mvg_lua_open_device, mvg_lua_open_program,
      mvg_lua_open_tune,    mvg_lua_open_json,  mvg_lua_open_file,   mvg_lua_open_cache,
      mvg_lua_open_archive, mvg_lua_open_image,
  };
  lua_newtable(L);
  for (size_t i = 0; i < sizeof libraries / sizeof *libraries; ++i)
    libraries[i](L);
  return 1;
}

static int open_all(lua_State *L) {
  const mvg_vm *vm = mvg_vm_get(L);
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &handles_key);
  mvg_lua_open_box(L);
  mvg_sandbox_open_libraries(L, &vm->sandbox);
  mvg_lua_order_pairs(L);
  open_searcher(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, open_core);
  lua_setfield(L, -2, "mvgraph.core");
  return 0;
}

// ---- lifetime ----

static mvg_status copy_folders(const mvg_vm_options *options, mvg_vm *vm) {
  MVG_RETURN_IF_ERROR(mvg_alloc_string(options->script_dir, &vm->script_dir));
  if (options->root_dir) {
    MVG_RETURN_IF_ERROR(mvg_alloc_string(options->root_dir, &vm->root_dir));
  } else {
    mvg_str parent = {0};
    mvg_str_appendf(&parent, "%s/..", options->script_dir);
    MVG_RETURN_IF_ERROR(mvg_str_take(&parent, &vm->root_dir));
    char resolved[PATH_MAX]; // names of chunks are what follows this folder
    if (realpath(vm->root_dir, resolved)) {
      mvg_free(vm->root_dir);
      vm->root_dir = NULL;
      MVG_RETURN_IF_ERROR(mvg_alloc_string(resolved, &vm->root_dir));
    }
  }
  vm->options.script_dir = vm->script_dir;
  vm->options.root_dir = vm->root_dir;
  MVG_RETURN_IF_ERROR(mvg_sandbox_allow(&vm->sandbox, vm->script_dir, false));
  return mvg_sandbox_allow(&vm->sandbox, vm->root_dir, false);
}

mvg_status mvg_vm_create(const mvg_vm_options *options, mvg_vm **out_vm) {
  *out_vm = NULL;
  mvg_vm *vm;
  MVG_RETURN_IF_ERROR(MVG_NEW(&vm));
  vm->options = *options;
  vm->sandbox.is_trusted = options->is_trusted;
  vm->sandbox.budget_bytes =
      options->memory_budget_bytes ? options->memory_budget_bytes : DEFAULT_BUDGET_BYTES;
  if (options->is_trusted) vm->sandbox.budget_bytes = 0;
  mvg_status status = copy_folders(options, vm);
  if (!status) {
    vm->L = lua_newstate(mvg_sandbox_alloc, &vm->sandbox);
    if (!vm->L) {
      status = MVG_ERROR(MVG_OUT_OF_MEMORY, "out of memory for an interpreter: %zu bytes",
                         vm->sandbox.refused_bytes);
    }
  }
  if (!status) {
    *(mvg_vm **)lua_getextraspace(vm->L) = vm;
    vm->active = vm->L;
    status = mvg_vm_protected(vm, open_all, NULL);
  }
  if (status) {
    mvg_vm_destroy(vm);
    return status;
  }
  *out_vm = vm;
  return NULL;
}

void mvg_vm_destroy(mvg_vm *vm) {
  if (!vm) return;
  if (vm->L) lua_close(vm->L);
  if (vm->device) mvg_device_release(vm->device);
  mvg_sandbox_deinit(&vm->sandbox);
  mvg_free(vm->script_dir);
  mvg_free(vm->root_dir);
  mvg_free(vm->selector);
  mvg_free(vm);
}

// ---- running ----

bool mvg_vm_push_script_place(lua_State *L) {
  lua_Debug frame;
  for (int level = 0; lua_getstack(L, level, &frame); ++level) {
    lua_getinfo(L, "Sl", &frame);
    bool is_library = strncmp(frame.source, "@mvgraph/", 9) == 0 ||
                      strncmp(frame.source, "@datasets/", 10) == 0 ||
                      strcmp(frame.source, "@spec.lua") == 0;
    if (frame.source[0] != '@' || frame.currentline <= 0 || is_library) continue;
    lua_pushfstring(L, "%s:%d", frame.short_src, frame.currentline);
    return true;
  }
  return false;
}

// Appends the line of the guest script that led to the error, unless the message has it.
static void add_script_line(lua_State *L) {
  if (!mvg_vm_push_script_place(L)) return;
  if (strstr(lua_tostring(L, -2), lua_tostring(L, -1))) {
    lua_pop(L, 1);
  } else {
    lua_pushfstring(L, "%s\n  at %s", lua_tostring(L, -2), lua_tostring(L, -1));
  }
}

// Leaves one message; that of a usage mistake is its own.
static int handle_error(lua_State *L) {
  if (lua_istable(L, 1) && lua_getfield(L, 1, "usage") == LUA_TSTRING) {
    mvg_vm_get(L)->is_usage = true;
    return 1;
  }
  lua_settop(L, 1);
  luaL_tolstring(L, 1, NULL);
  add_script_line(L);
  if (mvg_log_is_enabled(MVG_LOG_DEBUG)) luaL_traceback(L, L, lua_tostring(L, -1), 1);
  return 1;
}

typedef struct {
  const char *module, *function;
  const char *const *arguments;
  size_t count;
  int result;
} main_call;

static int call_main(lua_State *L) {
  main_call *call = lua_touserdata(L, 1);
  lua_getglobal(L, "require");
  lua_pushstring(L, call->module);
  lua_call(L, 1, 1);
  lua_getfield(L, -1, call->function);
  lua_createtable(L, (int)call->count, 0);
  for (size_t i = 0; i < call->count; ++i) {
    lua_pushstring(L, call->arguments[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_call(L, 1, 1);
  call->result = (int)lua_tointeger(L, -1);
  return 0;
}

mvg_status mvg_vm_call_main(mvg_vm *vm, const char *module, const char *function,
                            const char *const *arguments, size_t count, int *out_result,
                            bool *out_is_usage) {
  lua_State *L = vm->L;
  main_call call = {.module = module, .function = function, .arguments = arguments, .count = count};
  *out_result = 1;
  vm->active = L;
  vm->is_usage = false;
  lua_pushcfunction(L, handle_error);
  lua_pushcfunction(L, call_main);
  lua_pushlightuserdata(L, &call);
  int result = lua_pcall(L, 1, 0, -3);
  vm->active = L;
  mvg_status status = result == LUA_OK ? NULL : take_error(vm, result);
  if (!status) *out_result = call.result;
  *out_is_usage = vm->is_usage;
  lua_settop(L, 0);
  return status;
}

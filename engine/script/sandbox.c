// The guest's walls: standard library without processes, files, bytecode and native modules;
// memory; folders.
#include "script/sandbox.h"

#include <errno.h>
#include <lauxlib.h>
#include <limits.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "script/arg.h"
#include "script/vm.h"

void mvg_sandbox_deinit(mvg_sandbox *sandbox) {
  for (size_t i = 0; i < sandbox->roots.count; ++i)
    mvg_free(sandbox->roots.items[i].path);
  mvg_array_deinit(&sandbox->roots);
}

static bool is_refused(mvg_sandbox *sandbox, size_t after) {
  if (sandbox->fail_countdown == 1) return true;
  if (sandbox->fail_countdown) --sandbox->fail_countdown;
  return sandbox->budget_bytes && after > sandbox->budget_bytes;
}

void *mvg_sandbox_alloc(void *context, void *block, size_t old_size, size_t new_size) {
  mvg_sandbox *sandbox = context;
  size_t old = block ? old_size : 0; // without a block, old_size is a type tag
  if (new_size == 0) {
    free(block);
    sandbox->used_bytes -= old;
    return NULL;
  }
  size_t after = sandbox->used_bytes - old + new_size;
  bool is_granted = new_size <= old || !is_refused(sandbox, after);
  void *moved = is_granted ? realloc(block, new_size) : NULL;
  if (moved) {
    sandbox->used_bytes = after;
  } else {
    sandbox->refused_bytes = new_size;
  }
  return moved;
}

// ---- standard libraries ----

// What load and loadfile return. `env` is the position of the chunk's environment, 0 for none.
static int return_chunk(lua_State *L, int status, int env) {
  if (status != LUA_OK) {
    luaL_pushfail(L);
    lua_insert(L, -2);
    return 2;
  }
  if (env == 0) return 1;
  lua_pushvalue(L, env);
  if (!lua_setupvalue(L, -2, 1)) lua_pop(L, 1);
  return 1;
}

// Pushes all that the reader, argument 1, gives; or the error that it raised.
static int gather_pieces(lua_State *L) {
  luaL_Buffer text;
  luaL_buffinit(L, &text);
  for (;;) {
    lua_pushvalue(L, 1);
    int status = lua_pcall(L, 0, 1, 0);
    if (status != LUA_OK) return status;
    if (lua_isnil(L, -1)) break;
    size_t size;
    if (!lua_tolstring(L, -1, &size)) {
      lua_pushliteral(L, "reader function must return a string");
      return LUA_ERRRUN;
    }
    if (size == 0) break;
    luaL_addvalue(&text);
  }
  lua_pop(L, 1);
  luaL_pushresult(&text);
  return LUA_OK;
}

// load(chunk, name, mode, env): text, whatever the mode. Lua's own load, which takes bytecode too,
// must not be on the stack while a reader runs: debug.getinfo sees who called it.
static int load_text(lua_State *L) {
  int status = LUA_OK, env = lua_isnone(L, 4) ? 0 : 4;
  bool is_string = lua_isstring(L, 1);
  const char *name = luaL_optstring(L, 2, is_string ? lua_tostring(L, 1) : "=(load)");
  if (is_string) {
    lua_pushvalue(L, 1);
  } else {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    status = gather_pieces(L);
  }
  if (status == LUA_OK) {
    size_t size;
    const char *text = lua_tolstring(L, -1, &size);
    status = luaL_loadbufferx(L, text, size, name, "t");
  }
  return return_chunk(L, status, env);
}

// loadfile(path, mode, env): likewise.
static int load_file(lua_State *L) {
  const char *path = mvg_arg_path(L, 1, false);
  int env = lua_isnone(L, 3) ? 0 : 3;
  return return_chunk(L, luaL_loadfilex(L, path, "t"), env);
}

static int do_file(lua_State *L) {
  const char *path = mvg_arg_path(L, 1, false);
  lua_settop(L, 1);
  if (luaL_loadfilex(L, path, "t") != LUA_OK) return lua_error(L);
  lua_call(L, 0, LUA_MULTRET);
  return lua_gettop(L) - 1;
}

// Lua's own debug.getinfo, the upvalue, in the same frame, so that levels mean the same; but it
// hands out no function: among callers are those that the walls are made of.
static int get_info(lua_State *L) {
  int count = lua_tocfunction(L, lua_upvalueindex(1))(L);
  if (!lua_istable(L, -1)) return count;
  lua_pushnil(L);
  lua_setfield(L, -2, "func");
  return count;
}

// The library on top of the stack.
static void hide_functions(lua_State *L) {
  lua_getfield(L, -1, "getinfo");
  lua_pushcclosure(L, get_info, 1);
  lua_setfield(L, -2, "getinfo");
}

// Replaces the library on top of the stack, known as `name`, by a table of the fields listed.
static void keep_fields(lua_State *L, const char *name, const char *const *fields) {
  lua_newtable(L);
  for (; *fields; ++fields) {
    lua_getfield(L, -2, *fields);
    lua_setfield(L, -2, *fields);
  }
  lua_pushvalue(L, -1);
  lua_setglobal(L, name);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, name);
  lua_pop(L, 3);
}

static void close_package(lua_State *L) {
  static const char *const gone[] = {"loadlib", "cpath", NULL};
  for (int i = 0; gone[i]; ++i) {
    lua_pushnil(L);
    lua_setfield(L, -2, gone[i]);
  }
  lua_pop(L, 1);
}

void mvg_sandbox_open_libraries(lua_State *L, const mvg_sandbox *sandbox) {
  if (sandbox->is_trusted) {
    luaL_openlibs(L);
    return;
  }
  static const luaL_Reg safe[] = {{LUA_GNAME, luaopen_base},
                                  {LUA_TABLIBNAME, luaopen_table},
                                  {LUA_STRLIBNAME, luaopen_string},
                                  {LUA_MATHLIBNAME, luaopen_math},
                                  {LUA_UTF8LIBNAME, luaopen_utf8},
                                  {LUA_COLIBNAME, luaopen_coroutine},
                                  {NULL, NULL}};
  for (const luaL_Reg *library = safe; library->name; ++library) {
    luaL_requiref(L, library->name, library->func, 1);
    lua_pop(L, 1);
  }
  lua_register(L, "load", load_text);
  lua_register(L, "loadfile", load_file);
  lua_register(L, "dofile", do_file);
  lua_getglobal(L, LUA_STRLIBNAME);
  lua_pushnil(L);
  lua_setfield(L, -2, "dump");
  lua_pop(L, 1);
  luaL_requiref(L, LUA_OSLIBNAME, luaopen_os, 0);
  keep_fields(L, LUA_OSLIBNAME, (const char *const[]){"clock", "time", "date", "difftime", NULL});
  luaL_requiref(L, LUA_DBLIBNAME, luaopen_debug, 0);
  hide_functions(L);
  keep_fields(L, LUA_DBLIBNAME, (const char *const[]){"traceback", "getinfo", NULL});
  luaL_requiref(L, LUA_LOADLIBNAME, luaopen_package, 1);
  close_package(L);
}

// ---- folders ----

// Cuts the last name off the first `length` bytes of `path`, with slashes after and before it, but
// for that of the root; false where it may not be cut, as it would climb or is too long.
static bool cut_name(const char *path, size_t *length) {
  size_t end = *length;
  while (end > 1 && path[end - 1] == '/')
    --end;
  size_t begin = end;
  while (begin > 0 && path[begin - 1] != '/')
    --begin;
  size_t size = end - begin;
  bool climbs = size == 2 && memcmp(path + begin, "..", 2) == 0;
  if (size == 0 || size > NAME_MAX || climbs) return false;
  *length = begin > 1 ? begin - 1 : begin;
  return true;
}

// Appends the names in `rest`, which may repeat slashes and hold ".", to a resolved path.
static bool append_names(char out[PATH_MAX], const char *rest) {
  size_t used = strlen(out);
  for (size_t size; *rest; rest += size) {
    rest += strspn(rest, "/");
    size = strcspn(rest, "/");
    if (size == 0 || (size == 1 && rest[0] == '.')) continue;
    if (used + size + 2 > PATH_MAX) return false;
    if (used > 1) out[used++] = '/';
    memcpy(out + used, rest, size);
    used += size;
    out[used] = '\0';
  }
  return true;
}

// Resolves the longest existing part of `path`; what does not exist yet may not climb.
static bool resolve(const char *path, char out[PATH_MAX]) {
  if (realpath(path, out)) return true;
  size_t length = strlen(path);
  if (length >= PATH_MAX) return false;
  char part[PATH_MAX];
  memcpy(part, path, length + 1);
  do {
    if (length == 0 || (errno != ENOENT && errno != ENOTDIR)) return false;
    if (!cut_name(path, &length)) return false;
    part[length] = '\0';
  } while (!realpath(length ? part : ".", out));
  return append_names(out, path + length);
}

mvg_status mvg_sandbox_allow(mvg_sandbox *sandbox, const char *path, bool is_writable) {
  char resolved[PATH_MAX];
  if (!resolve(path, resolved)) return NULL; // no such folder: nothing to allow
  mvg_sandbox_root root = {.is_writable = is_writable};
  MVG_RETURN_IF_ERROR(mvg_alloc_string(resolved, &root.path));
  mvg_status status = mvg_array_push(&sandbox->roots, root);
  if (status) mvg_free(root.path);
  return status;
}

static bool is_below(const char *path, const char *root) {
  size_t length = strlen(root);
  if (strcmp(root, "/") == 0) return true;
  return strncmp(path, root, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

static mvg_status refuse(const char *path, const char *resolved, bool is_write, bool is_readable) {
  struct stat info;
  bool is_link = lstat(path, &info) == 0 && S_ISLNK(info.st_mode);
  return MVG_ERROR(MVG_INVALID_ARGUMENT,
                   "%s%s%s: scripts may %s only below folders named on the command line%s, and "
                   "what is named must be there; check the path, name the folder (--data, --body, "
                   "--out) or run with --trust",
                   path, is_link ? ", a link to " : "", is_link ? resolved : "",
                   is_write ? "write" : "read", is_readable ? " for output" : "");
}

mvg_status mvg_sandbox_check(const mvg_sandbox *sandbox, const char *path, bool is_write) {
  if (sandbox->is_trusted) return NULL;
  char resolved[PATH_MAX];
  if (!resolve(path, resolved)) {
    return MVG_ERROR(MVG_NOT_FOUND, "%s: not a usable path (%s)", path, strerror(errno));
  }
  bool is_readable = false;
  for (size_t i = 0; i < sandbox->roots.count; ++i) {
    const mvg_sandbox_root *root = &sandbox->roots.items[i];
    if (!is_below(resolved, root->path)) continue;
    if (root->is_writable || !is_write) return NULL;
    is_readable = true;
  }
  return refuse(path, resolved, is_write, is_readable);
}

const char *mvg_arg_path(lua_State *L, int index, bool is_write) {
  size_t length;
  if (lua_type(L, index) != LUA_TSTRING) {
    luaL_error(L, "a path must be a string, got %s", luaL_typename(L, index));
  }
  const char *path = lua_tolstring(L, index, &length);
  if (length == 0 || strlen(path) != length) luaL_error(L, "a path is empty or holds a zero byte");
  mvg_lua_check(L, mvg_sandbox_check(mvg_vm_get_sandbox(mvg_vm_get(L)), path, is_write));
  return path;
}

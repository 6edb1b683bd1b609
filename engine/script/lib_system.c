// The process as scripts see it: clock, terminal, interruption, a few environment variables, edit
// distance.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"
#include "script/lib.h"
#include "script/vm.h"

static int system_clock(lua_State *L) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  lua_pushnumber(L, (double)now.tv_sec + 1e-9 * (double)now.tv_nsec);
  return 1;
}

static int system_is_tty(lua_State *L) {
  lua_pushboolean(L, isatty(STDERR_FILENO));
  return 1;
}

static int system_terminal_width(lua_State *L) {
  struct winsize size = {0};
  bool is_known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  lua_pushinteger(L, is_known ? size.ws_col : 80);
  return 1;
}

static int system_interrupted(lua_State *L) {
  lua_pushboolean(L, mvg_vm_interrupt);
  return 1;
}

static int system_edit_distance(lua_State *L) {
  const char *a = luaL_checkstring(L, 1), *b = luaL_checkstring(L, 2);
  lua_pushinteger(L, (lua_Integer)mvg_str_distance(a, b));
  return 1;
}

// The project's own variables and NO_COLOR: the rest of the environment is not the guest's
// business.
static int system_getenv(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  bool is_ours = strncmp(name, "MVGRAPH_", 8) == 0 || strcmp(name, "NO_COLOR") == 0;
  const char *value =
      is_ours || mvg_vm_get_sandbox(mvg_vm_get(L))->is_trusted ? getenv(name) : NULL;
  lua_pushstring(L, value);
  return 1;
}

static int system_write_error(lua_State *L) {
  size_t size;
  const char *text = luaL_checklstring(L, 1, &size);
  fwrite(text, 1, size, stderr);
  fflush(stderr);
  return 0;
}

static int system_log(lua_State *L) {
  static const char *const levels[] = {"error", "warning", "info", "debug", NULL};
  int level = luaL_checkoption(L, 1, NULL, levels);
  mvg_log((mvg_log_level)level, "%s", luaL_checkstring(L, 2));
  return 0;
}

// "model.lua:12": the innermost running line outside the library, or nil.
static int system_script_place(lua_State *L) {
  if (!mvg_vm_push_script_place(L)) lua_pushnil(L);
  return 1;
}

// A fresh folder that scripts may write to; the caller removes what is in it.
static int system_temporary_directory(lua_State *L) {
  const char *base = getenv("TMPDIR");
  char path[512];
  snprintf(path, sizeof path, "%s/mvgraph-XXXXXX", base && base[0] ? base : "/tmp");
  if (!mkdtemp(path)) return luaL_error(L, "%s: no temporary folder can be made", path);
  mvg_lua_check(L, mvg_sandbox_allow(mvg_vm_get_sandbox(mvg_vm_get(L)), path, true));
  lua_pushstring(L, path);
  return 1;
}

// Parses and compiles a script file, text only: chunk, or nil and the message.
static int system_load_script(lua_State *L) {
  const char *path = mvg_arg_path(L, 1, false);
  if (luaL_loadfilex(L, path, "t") == LUA_OK) return 1;
  luaL_pushfail(L);
  lua_insert(L, -2);
  return 2;
}

// parameter_names(function) -> names in order: what reference pages and stubs show.
static int system_parameter_names(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  luaL_argcheck(L, !lua_iscfunction(L, 1), 1, "a function written in Lua is needed");
  lua_Debug about;
  lua_pushvalue(L, 1);
  lua_getinfo(L, ">u", &about);
  lua_createtable(L, about.nparams, 0);
  for (int i = 1; i <= about.nparams; ++i) {
    lua_pushvalue(L, 1);
    lua_pushstring(L, lua_getlocal(L, NULL, i));
    lua_rawseti(L, -3, i);
    lua_pop(L, 1);
  }
  if (about.isvararg) {
    lua_pushliteral(L, "...");
    lua_rawseti(L, -2, about.nparams + 1);
  }
  return 1;
}

int mvg_lua_open_system(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"clock", system_clock},
      {"is_tty", system_is_tty},
      {"terminal_width", system_terminal_width},
      {"interrupted", system_interrupted},
      {"edit_distance", system_edit_distance},
      {"getenv", system_getenv},
      {"write_error", system_write_error},
      {"log", system_log},
      {"temporary_directory", system_temporary_directory},
      {"load_script", system_load_script},
      {"script_place", system_script_place},
      {"parameter_names", system_parameter_names},
      {NULL, NULL},
  };
  luaL_setfuncs(L, functions, 0);
  const mvg_vm_options *options = mvg_vm_get_options(mvg_vm_get(L));
  lua_pushstring(L, options->script_dir);
  lua_setfield(L, -2, "script_dir");
  lua_pushstring(L, options->root_dir);
  lua_setfield(L, -2, "root_dir");
  lua_pushboolean(L, options->is_trusted);
  lua_setfield(L, -2, "is_trusted");
  lua_pushstring(L, options->version);
  lua_setfield(L, -2, "version");
  return 0;
}

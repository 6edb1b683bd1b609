// Files for scripts: whole files, folders and safetensors, each path checked against the folders a
// guest may touch.
#include "base/alloc.h"
#include "io/file.h"
#include "io/safetensors.h"
#include "script/lib.h"
#include "script/sandbox.h"
#include "script/vm.h"

#define SET_CLASS "mvg.safetensors"
#define NAMES_CLASS "mvg.file_names"

static int file_read(lua_State *L) {
  const char *path = mvg_arg_path(L, 1, false);
  size_t size;
  void **box = mvg_lua_push_box(L);
  mvg_lua_check(L, mvg_file_read(path, MVG_FILE_NO_LIMIT, (char **)box, &size));
  lua_pushlstring(L, *box, size);
  mvg_free(*box);
  *box = NULL;
  return 1;
}

static int file_write(lua_State *L) {
  const char *path = mvg_arg_path(L, 1, true);
  size_t size;
  const char *bytes = luaL_checklstring(L, 2, &size);
  mvg_lua_check(L, mvg_file_write_atomic(path, bytes, size));
  return 0;
}

// append(path, bytes, whether to sync: true)
static int file_append(lua_State *L) {
  const char *path = mvg_arg_path(L, 1, true);
  size_t size;
  const char *bytes = luaL_checklstring(L, 2, &size);
  bool is_synced = lua_isnoneornil(L, 3) || lua_toboolean(L, 3);
  mvg_lua_check(L, mvg_file_append(path, bytes, size, is_synced));
  return 0;
}

// Outside the allowed folders nothing exists.
static int push_answer(lua_State *L, bool (*ask)(const char *path)) {
  const char *path = luaL_checkstring(L, 1);
  mvg_status refusal = mvg_sandbox_check(mvg_vm_get_sandbox(mvg_vm_get(L)), path, false);
  lua_pushboolean(L, !refusal && ask(path));
  mvg_status_destroy(refusal);
  return 1;
}

static int file_exists(lua_State *L) {
  return push_answer(L, mvg_file_exists);
}

static int file_is_directory(lua_State *L) {
  return push_answer(L, mvg_file_is_directory);
}

static int names_close(lua_State *L) {
  mvg_file_names_deinit(lua_touserdata(L, 1));
  return 0;
}

static int file_list(lua_State *L) {
  const char *path = mvg_arg_path(L, 1, false);
  mvg_file_names *names = lua_newuserdatauv(L, sizeof *names, 0);
  *names = (mvg_file_names){0};
  luaL_setmetatable(L, NAMES_CLASS);
  mvg_lua_check(L, mvg_file_list(path, names));
  lua_createtable(L, (int)names->count, 0);
  for (size_t i = 0; i < names->count; ++i) {
    lua_pushstring(L, names->names[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

static int file_make_directory(lua_State *L) {
  mvg_lua_check(L, mvg_file_make_directory(mvg_arg_path(L, 1, true)));
  return 0;
}

static int file_remove(lua_State *L) {
  mvg_lua_check(L, mvg_file_remove(mvg_arg_path(L, 1, true)));
  return 0;
}

// ---- safetensors ----

static mvg_safetensors *push_set(lua_State *L) {
  mvg_safetensors *set = lua_newuserdatauv(L, sizeof *set, 0);
  *set = (mvg_safetensors){0};
  luaL_setmetatable(L, SET_CLASS);
  return set;
}

static int set_close(lua_State *L) {
  mvg_safetensors *set = lua_touserdata(L, 1);
  mvg_safetensors_deinit(set);
  *set = (mvg_safetensors){0};
  return 0;
}

static const char *check_key(lua_State *L, const char *what) {
  if (lua_type(L, -2) != LUA_TSTRING) {
    luaL_error(L, "%s have string names, got %s", what, luaL_typename(L, -2));
  }
  return lua_tostring(L, -2);
}

// save(path, {name = array}, {key = text} or nil)
static int safetensors_save(lua_State *L) {
  const char *path = mvg_arg_path(L, 1, true);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 3);
  mvg_safetensors *set = push_set(L);
  for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
    const char *name = check_key(L, "tensors in a file");
    mvg_lua_check(L, mvg_safetensors_add(set, name, mvg_arg_array(L, -1)));
  }
  if (!lua_isnil(L, 3)) {
    luaL_checktype(L, 3, LUA_TTABLE);
    for (lua_pushnil(L); lua_next(L, 3); lua_pop(L, 1)) {
      const char *key = check_key(L, "metadata of a file");
      if (lua_type(L, -1) != LUA_TSTRING) return luaL_error(L, "metadata '%s' must be text", key);
      mvg_lua_check(L, mvg_safetensors_add_metadata(set, key, lua_tostring(L, -1)));
    }
  }
  mvg_lua_check(L, mvg_safetensors_save(path, set));
  mvg_safetensors_deinit(set);
  return 0;
}

// load(path) -> {name = array}, {key = text}
static int safetensors_load(lua_State *L) {
  const char *path = mvg_arg_path(L, 1, false);
  mvg_safetensors *set = push_set(L);
  mvg_lua_check(L, mvg_safetensors_load(path, set));
  lua_createtable(L, 0, (int)set->count);
  for (size_t i = 0; i < set->count; ++i) {
    mvg_ndarray_retain(set->entries[i].array);
    mvg_lua_push_array(L, set->entries[i].array);
    lua_setfield(L, -2, set->entries[i].name);
  }
  lua_createtable(L, 0, (int)set->metadata_count);
  for (size_t i = 0; i < set->metadata_count; ++i) {
    lua_pushstring(L, set->metadata[i].value);
    lua_setfield(L, -2, set->metadata[i].key);
  }
  mvg_safetensors_deinit(set);
  return 2;
}

int mvg_lua_open_file(lua_State *L) {
  static const luaL_Reg none[] = {{NULL, NULL}};
  static const luaL_Reg files[] = {{"read", file_read},
                                   {"write", file_write},
                                   {"append", file_append},
                                   {"exists", file_exists},
                                   {"is_directory", file_is_directory},
                                   {"list", file_list},
                                   {"make_directory", file_make_directory},
                                   {"remove", file_remove},
                                   {NULL, NULL}};
  static const luaL_Reg safetensors[] = {
      {"save", safetensors_save}, {"load", safetensors_load}, {NULL, NULL}};
  mvg_lua_new_class(L, SET_CLASS, none, set_close);
  mvg_lua_new_class(L, NAMES_CLASS, none, names_close);
  luaL_newlib(L, files);
  lua_setfield(L, -2, "file");
  luaL_newlib(L, safetensors);
  lua_setfield(L, -2, "safetensors");
  return 0;
}

// Readers of Lua arguments and the one door from statuses to Lua errors.
#include "script/arg.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"

#define BOX_CLASS "mvg.box"
#define PRIVATE "a handle's metatable is private"

static int push_message(lua_State *L) {
  mvg_status status = lua_touserdata(L, 1);
  if (mvg_log_is_enabled(MVG_LOG_DEBUG)) {
    lua_pushfstring(L, "%s [%s]", mvg_status_get_message(status), mvg_status_get_location(status));
  } else {
    lua_pushstring(L, mvg_status_get_message(status));
  }
  return 1;
}

// Where there is no memory for the message, Lua's own error about that takes its place.
void mvg_lua_check(lua_State *L, mvg_status status) {
  if (!status) return;
  lua_pushcfunction(L, push_message);
  lua_pushlightuserdata(L, status);
  (void)lua_pcall(L, 1, 1, 0);
  mvg_status_destroy(status);
  lua_error(L);
}

int mvg_arg_list(lua_State *L, int index, int max, const char *what) {
  if (!lua_istable(L, index)) {
    luaL_error(L, "%s must be a list, got %s", what, luaL_typename(L, index));
  }
  lua_Unsigned length = lua_rawlen(L, index);
  if (length > (lua_Unsigned)max) {
    luaL_error(L, "%s has %d entries, at most %d are possible", what, (int)length, max);
  }
  return (int)length;
}

mvg_shape mvg_arg_shape(lua_State *L, int index) {
  mvg_shape shape = {.rank = (uint32_t)mvg_arg_list(L, index, MVG_MAX_RANK, "a shape")};
  for (uint32_t i = 0; i < shape.rank; ++i) {
    lua_rawgeti(L, index, (lua_Integer)i + 1);
    int is_integer;
    shape.dims[i] = lua_tointegerx(L, -1, &is_integer);
    if (!is_integer || shape.dims[i] < 0) {
      luaL_error(L, "dimension %d of a shape must be a non-negative integer, got %s", (int)i,
                 luaL_tolstring(L, -1, NULL));
    }
    lua_pop(L, 1);
  }
  mvg_lua_check(L, mvg_shape_validate(&shape));
  return shape;
}

mvg_dtype mvg_arg_dtype(lua_State *L, int index) {
  mvg_dtype dtype = MVG_DTYPE_F32;
  if (lua_isnoneornil(L, index)) return dtype;
  const char *name = lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : "";
  if (!mvg_dtype_parse(name, &dtype) || mvg_dtype_is_half(dtype)) { // halves stay in programs
    luaL_error(L, "an element type is f32, i32, u8 or f64, not %s", luaL_tolstring(L, index, NULL));
  }
  return dtype;
}

int64_t mvg_arg_integer(lua_State *L, int index, int64_t low, int64_t high, const char *what) {
  int is_integer;
  lua_Integer value = lua_tointegerx(L, index, &is_integer);
  if (!is_integer) {
    luaL_error(L, "%s must be an integer, got %s", what, luaL_tolstring(L, index, NULL));
  }
  if (value < low || value > high) {
    luaL_error(L, "%s must lie in %I .. %I, got %I", what, (LUAI_UACINT)low, (LUAI_UACINT)high,
               (LUAI_UACINT)value);
  }
  return value;
}

int mvg_arg_strings(lua_State *L, int index, int max, const char *what, const char **out) {
  int count = mvg_arg_list(L, index, max, what);
  for (int i = 0; i < count; ++i) {
    if (lua_rawgeti(L, index, i + 1) != LUA_TSTRING) {
      luaL_error(L, "%s: entry %d must be a string, got %s", what, i + 1, luaL_typename(L, -1));
    }
    out[i] = lua_tostring(L, -1);
    lua_pop(L, 1);
  }
  return count;
}

const char *mvg_arg_string_field(lua_State *L, int index, const char *name) {
  int type = lua_getfield(L, index, name);
  if (type != LUA_TNIL && type != LUA_TSTRING) {
    luaL_error(L, "field '%s' must be a string, got %s", name, luaL_typename(L, -1));
  }
  const char *text = lua_tostring(L, -1);
  lua_pop(L, 1);
  return text;
}

int64_t mvg_arg_integer_field(lua_State *L, int index, const char *name, int64_t fallback) {
  if (lua_getfield(L, index, name) != LUA_TNIL) {
    fallback = mvg_arg_integer(L, -1, INT64_MIN, INT64_MAX, name);
  }
  lua_pop(L, 1);
  return fallback;
}

bool mvg_arg_boolean_field(lua_State *L, int index, const char *name, bool fallback) {
  int type = lua_getfield(L, index, name);
  if (type != LUA_TNIL && type != LUA_TBOOLEAN) {
    luaL_error(L, "field '%s' must be true or false, got %s", name, luaL_typename(L, -1));
  }
  if (type != LUA_TNIL) fallback = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return fallback;
}

void mvg_lua_push_shape(lua_State *L, const mvg_shape *shape) {
  lua_createtable(L, (int)shape->rank, 0);
  for (uint32_t i = 0; i < shape->rank; ++i) {
    lua_pushinteger(L, shape->dims[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

static int box_close(lua_State *L) {
  void **box = lua_touserdata(L, 1);
  mvg_free(*box);
  *box = NULL;
  return 0;
}

void mvg_lua_open_box(lua_State *L) {
  static const luaL_Reg none[] = {{NULL, NULL}};
  mvg_lua_new_class(L, BOX_CLASS, none, box_close);
}

void **mvg_lua_push_box(lua_State *L) {
  void **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = NULL;
  luaL_setmetatable(L, BOX_CLASS);
  return box;
}

// ---- classes of handles ----

const char *mvg_arg_get_typename(lua_State *L, int index) {
  bool has_name = luaL_getmetafield(L, index, "__name") == LUA_TSTRING;
  return has_name ? lua_tostring(L, -1) : luaL_typename(L, index);
}

static int refuse_closed(lua_State *L) {
  const char *name = mvg_arg_get_typename(L, 1); // "closed graph"
  return luaL_error(L, "a %s cannot be used; close it after its last use", name);
}

static int closed_tostring(lua_State *L) {
  mvg_arg_get_typename(L, 1);
  return 1;
}

static int close_again(lua_State *L) {
  (void)L;
  return 0;
}

// Upvalue: the metatable of closed ones.
static int close_handle(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_setmetatable(L, 1);
  return 0;
}

// Pushes what makes a closed handle of a class: it refuses all use, and is collected like others.
static void push_closed_metatable(lua_State *L, const char *name, lua_CFunction closer) {
  static const luaL_Reg methods[] = {{"__index", refuse_closed},      {"__newindex", refuse_closed},
                                     {"__len", refuse_closed},        {"__close", close_again},
                                     {"__tostring", closed_tostring}, {NULL, NULL}};
  const char *dot = strrchr(name, '.');
  luaL_newlib(L, methods);
  lua_pushfstring(L, "closed %s", dot ? dot + 1 : name);
  lua_setfield(L, -2, "__name");
  lua_pushcfunction(L, closer);
  lua_setfield(L, -2, "__gc");
  lua_pushliteral(L, PRIVATE);
  lua_setfield(L, -2, "__metatable");
}

void mvg_lua_new_class(lua_State *L, const char *name, const luaL_Reg *methods,
                       lua_CFunction closer) {
  luaL_newmetatable(L, name);
  luaL_setfuncs(L, methods, 0);
  if (lua_getfield(L, -1, "__index") == LUA_TNIL) {
    lua_pushvalue(L, -2);
    lua_setfield(L, -3, "__index");
  }
  lua_pop(L, 1);
  if (closer) {
    lua_pushcfunction(L, closer);
    lua_setfield(L, -2, "__gc");
  }
  if (closer && lua_getfield(L, -1, "__close") == LUA_TNIL) {
    push_closed_metatable(L, name, closer);
    lua_pushcclosure(L, close_handle, 1);
    lua_setfield(L, -3, "__close");
  }
  if (closer) lua_pop(L, 1);
  lua_pushliteral(L, PRIVATE);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 1);
}

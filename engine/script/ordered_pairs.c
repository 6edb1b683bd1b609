// pairs(t) in one order. Lua seeds the hash of strings anew in every process, so that plain pairs
// visits the names of a table in another order each time; a script that sums its losses that way
// would train to other bits. Names come sorted here, after numbers, before all other keys.
#include "script/ordered_pairs.h"

#include <lauxlib.h>
#include <stdbool.h>

enum { NUMBERS, NAMES, OTHERS, KINDS };

static int kind_of(int type) {
  return type == LUA_TNUMBER ? NUMBERS : type == LUA_TSTRING ? NAMES : OTHERS;
}

// Upvalues: the keys in order, the position of the last one visited.
static int visit(lua_State *L) {
  lua_Integer i = lua_tointeger(L, lua_upvalueindex(2));
  lua_settop(L, 1);
  do {
    lua_settop(L, 1);
    if (lua_rawgeti(L, lua_upvalueindex(1), ++i) == LUA_TNIL) return 1;
    lua_pushvalue(L, -1);
  } while (lua_rawget(L, 1) == LUA_TNIL); // removed since the start
  lua_pushinteger(L, i);
  lua_replace(L, lua_upvalueindex(2));
  return 2;
}

// Pushes the keys of the table at 1: the sorted numbers, the sorted names, the others.
static void push_sorted_keys(lua_State *L) {
  lua_Integer counts[KINDS] = {0}, total = 0;
  for (int kind = 0; kind < KINDS; ++kind)
    lua_newtable(L);
  int first = lua_absindex(L, -KINDS);
  for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
    int kind = kind_of(lua_type(L, -2));
    lua_pushvalue(L, -2);
    lua_rawseti(L, first + kind, ++counts[kind]);
  }
  lua_createtable(L, (int)(counts[NUMBERS] + counts[NAMES] + counts[OTHERS]), 0);
  for (int kind = 0; kind < KINDS; ++kind) {
    if (kind != OTHERS) {
      lua_pushvalue(L, lua_upvalueindex(2));
      lua_pushvalue(L, first + kind);
      lua_call(L, 1, 0);
    }
    for (lua_Integer i = 1; i <= counts[kind]; ++i) {
      lua_rawgeti(L, first + kind, i);
      lua_rawseti(L, -2, ++total);
    }
  }
}

static bool has_names(lua_State *L) {
  for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING) continue;
    lua_pop(L, 2);
    return true;
  }
  return false;
}

// Upvalues: the standard pairs, the standard table.sort.
static int ordered_pairs(lua_State *L) {
  luaL_checkany(L, 1);
  lua_settop(L, 1);
  bool is_plain = lua_istable(L, 1) && luaL_getmetafield(L, 1, "__pairs") == LUA_TNIL;
  lua_settop(L, 1);
  if (!is_plain || !has_names(L)) {
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 1, 3);
    return 3;
  }
  push_sorted_keys(L);
  lua_pushinteger(L, 0);
  lua_pushcclosure(L, visit, 2);
  lua_pushvalue(L, 1);
  return 2;
}

void mvg_lua_order_pairs(lua_State *L) {
  lua_getglobal(L, "pairs");
  lua_getglobal(L, "table");
  lua_getfield(L, -1, "sort");
  lua_remove(L, -2);
  lua_pushcclosure(L, ordered_pairs, 2);
  lua_setglobal(L, "pairs");
}

// Reading Lua arguments and turning statuses into Lua errors. Every reader raises a Lua error on a
// wrong value, so a binding calls them first, while it owns nothing.
#ifndef MVGRAPH_SCRIPT_ARG_H_
#define MVGRAPH_SCRIPT_ARG_H_

#include <lauxlib.h>
#include <lua.h>

#include "base/status.h"
#include "graph/graph.h"
#include "graph/ndarray.h"

// Raises a failed status as a Lua error, freeing it first; returns when `status` is success.
void mvg_lua_check(lua_State *L, mvg_status status);

// A list {2, 3} of non-negative integers.
mvg_shape mvg_arg_shape(lua_State *L, int index);
// "f32" when the argument is nil or absent.
mvg_dtype mvg_arg_dtype(lua_State *L, int index);
// Length of a list argument, at most `max`; `what` names it in messages.
int mvg_arg_list(lua_State *L, int index, int max, const char *what);
// An integer in [low, high].
int64_t mvg_arg_integer(lua_State *L, int index, int64_t low, int64_t high, const char *what);
// Strings of a list, borrowed: valid while the list stays on the stack unchanged. Returns the
// count.
int mvg_arg_strings(lua_State *L, int index, int max, const char *what, const char **out);
// Field `name` of the table at `index`: a string (NULL when absent), an integer, a boolean.
const char *mvg_arg_string_field(lua_State *L, int index, const char *name);
int64_t mvg_arg_integer_field(lua_State *L, int index, const char *name, int64_t fallback);
bool mvg_arg_boolean_field(lua_State *L, int index, const char *name, bool fallback);

// The type of a value for messages: "nil", "mvg.graph", "closed graph". May push; for errors only.
const char *mvg_arg_get_typename(lua_State *L, int index);

void mvg_lua_push_shape(lua_State *L, const mvg_shape *shape);

// Arrays. A pushed array's reference moves to Lua; the pushed value is a userdata "mvg.array".
void mvg_lua_push_array(lua_State *L, mvg_ndarray *array);
mvg_ndarray *mvg_arg_array(lua_State *L, int index);      // borrowed
mvg_ndarray *mvg_lua_test_array(lua_State *L, int index); // NULL when it is something else
// Creates and pushes in one step; raises when out of memory.
mvg_ndarray *mvg_lua_new_array(lua_State *L, mvg_dtype dtype, const mvg_shape *shape);

// A pushed userdata that frees what is put in it with mvg_free, so that nothing leaks when Lua
// raises.
void **mvg_lua_push_box(lua_State *L);
void mvg_lua_open_box(lua_State *L); // before the first of them

// Makes the metatable `name` with methods and metamethods. A `closer` becomes __gc. Unless a
// __close is among the methods, one is made that ends the use of a handle, not what it holds: a
// running program, a graph's walker or a binding may be at work on that, and it goes when nothing
// can reach the handle.
void mvg_lua_new_class(lua_State *L, const char *name, const luaL_Reg *methods,
                       lua_CFunction closer);

#endif // MVGRAPH_SCRIPT_ARG_H_

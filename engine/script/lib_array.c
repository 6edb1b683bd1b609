// Host arrays for scripts: handles, creation from Lua values, access to elements. Views and
// whole-array functions are in lib_array_bulk.c.
#include <string.h>

#include "script/lib.h"
#include "script/vm.h"

#define ARRAY_CLASS "mvg.array"

mvg_ndarray *mvg_lua_test_array(lua_State *L, int index) {
  mvg_ndarray **handle = luaL_testudata(L, index, ARRAY_CLASS);
  return handle ? *handle : NULL;
}

mvg_ndarray *mvg_arg_array(lua_State *L, int index) {
  mvg_ndarray *array = mvg_lua_test_array(L, index);
  if (!array) luaL_error(L, "an array is needed, got %s", luaL_tolstring(L, index, NULL));
  return array;
}

mvg_ndarray **mvg_lua_push_array_handle(lua_State *L) {
  mvg_ndarray **handle = lua_newuserdatauv(L, sizeof *handle, 0);
  *handle = NULL;
  luaL_setmetatable(L, ARRAY_CLASS);
  return handle;
}

mvg_ndarray *mvg_lua_new_array(lua_State *L, mvg_dtype dtype, const mvg_shape *shape) {
  mvg_ndarray **handle = mvg_lua_push_array_handle(L);
  mvg_lua_check(L, mvg_ndarray_create(dtype, shape, handle));
  mvg_ndarray *array = *handle;
  mvg_vm_note_memory(L, array->size_bytes);
  return array;
}

static int push_empty_handle(lua_State *L) {
  mvg_lua_push_array_handle(L);
  return 1;
}

void mvg_lua_push_array(lua_State *L, mvg_ndarray *array) {
  lua_pushcfunction(L, push_empty_handle);
  if (lua_pcall(L, 0, 1, 0) != LUA_OK) {
    mvg_ndarray_release(array);
    lua_error(L);
  }
  *(mvg_ndarray **)lua_touserdata(L, -1) = array;
  mvg_vm_note_memory(L, array->size_bytes);
}

static int array_close(lua_State *L) {
  mvg_ndarray **handle = lua_touserdata(L, 1);
  mvg_ndarray_release(*handle);
  *handle = NULL;
  return 0;
}

static int64_t get_count(const mvg_ndarray *array) {
  return mvg_shape_get_size(&array->shape);
}

static int array_new(lua_State *L) {
  mvg_shape shape = mvg_arg_shape(L, 1);
  mvg_lua_new_array(L, mvg_arg_dtype(L, 2), &shape);
  return 1;
}

// array(shape, dtype): the module itself is called
static int array_call(lua_State *L) {
  lua_remove(L, 1);
  return array_new(L);
}

// ---- from Lua values ----

// The shape of nested lists, read along their first elements.
static void infer_shape(lua_State *L, int index, mvg_shape *out) {
  *out = (mvg_shape){0};
  lua_pushvalue(L, index);
  while (lua_istable(L, -1)) {
    if (out->rank == MVG_MAX_RANK) luaL_error(L, "lists are nested deeper than %d", MVG_MAX_RANK);
    out->dims[out->rank++] = (int64_t)lua_rawlen(L, -1);
    lua_rawgeti(L, -1, 1);
    lua_remove(L, -2);
  }
  lua_pop(L, 1);
}

// Writes the numbers of a nested list in order; *cursor counts them.
static void fill_from_list(lua_State *L, mvg_ndarray *array, int64_t *cursor, int depth) {
  luaL_checkstack(L, 4, "nested lists");
  if (depth > MVG_MAX_RANK) luaL_error(L, "lists are nested deeper than %d", MVG_MAX_RANK);
  lua_Integer length = (lua_Integer)lua_rawlen(L, -1);
  for (lua_Integer i = 1; i <= length; ++i) {
    int type = lua_rawgeti(L, -1, i);
    if (type == LUA_TTABLE) {
      fill_from_list(L, array, cursor, depth + 1);
    } else if (type == LUA_TNUMBER || type == LUA_TBOOLEAN) {
      if (*cursor >= get_count(array)) luaL_error(L, "more values than the shape holds");
      double value = type == LUA_TNUMBER ? lua_tonumber(L, -1) : lua_toboolean(L, -1);
      mvg_ndarray_set(array, (*cursor)++, value);
    } else {
      luaL_error(L, "value %d of a list must be a number, got %s", (int)*cursor + 1,
                 lua_typename(L, type));
    }
    lua_pop(L, 1);
  }
}

// from(values, shape or nil, dtype)
static int array_from(lua_State *L) {
  mvg_dtype dtype = mvg_arg_dtype(L, 3);
  mvg_shape shape;
  if (lua_isnumber(L, 1)) {
    shape = (mvg_shape){0};
    mvg_ndarray_set(mvg_lua_new_array(L, dtype, &shape), 0, lua_tonumber(L, 1));
    return 1;
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  if (lua_isnoneornil(L, 2)) {
    infer_shape(L, 1, &shape);
  } else {
    shape = mvg_arg_shape(L, 2);
  }
  mvg_ndarray *array = mvg_lua_new_array(L, dtype, &shape);
  int64_t written = 0;
  lua_pushvalue(L, 1);
  fill_from_list(L, array, &written, 1);
  lua_pop(L, 1);
  if (written != get_count(array)) {
    char text[MVG_SHAPE_TEXT_SIZE];
    return luaL_error(L, "%d values do not fill shape %s", (int)written,
                      mvg_shape_format(&shape, text));
  }
  return 1;
}

static int array_from_bytes(lua_State *L) {
  size_t size;
  const char *bytes = luaL_checklstring(L, 1, &size);
  mvg_shape shape = mvg_arg_shape(L, 2);
  mvg_ndarray *array = mvg_lua_new_array(L, mvg_arg_dtype(L, 3), &shape);
  if (size != array->size_bytes) {
    return luaL_error(L, "%d bytes do not fill an array of %d bytes", (int)size,
                      (int)array->size_bytes);
  }
  if (size) memcpy(array->data, bytes, size);
  return 1;
}

// ---- access ----

static int64_t get_flat_index(lua_State *L, int index, const mvg_ndarray *array) {
  return mvg_arg_integer(L, index, 1, get_count(array), "an index into an array") - 1;
}

static void push_element(lua_State *L, const mvg_ndarray *array, int64_t index) {
  double value = mvg_ndarray_get(array, index);
  bool is_integer = array->dtype == MVG_DTYPE_I32 || array->dtype == MVG_DTYPE_U8;
  if (is_integer) {
    lua_pushinteger(L, (lua_Integer)value);
  } else {
    lua_pushnumber(L, value);
  }
}

static int array_index(lua_State *L) {
  const mvg_ndarray *array = mvg_arg_array(L, 1);
  if (lua_type(L, 2) == LUA_TNUMBER) {
    push_element(L, array, get_flat_index(L, 2, array));
    return 1;
  }
  const char *key = luaL_checkstring(L, 2);
  if (strcmp(key, "shape") == 0) {
    mvg_lua_push_shape(L, &array->shape);
  } else if (strcmp(key, "dtype") == 0) {
    lua_pushstring(L, mvg_dtype_get_name(array->dtype));
  } else {
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(1));
    if (lua_isnil(L, -1)) return luaL_error(L, "an array has no field or method '%s'", key);
  }
  return 1;
}

static int array_newindex(lua_State *L) {
  mvg_ndarray *array = mvg_arg_array(L, 1);
  if (lua_type(L, 2) != LUA_TNUMBER) {
    return luaL_error(L, "field '%s' of an array cannot be set", luaL_tolstring(L, 2, NULL));
  }
  int64_t index = get_flat_index(L, 2, array);
  mvg_ndarray_set(array, index, luaL_checknumber(L, 3));
  return 0;
}

static int64_t get_offset(lua_State *L, int first, const mvg_ndarray *array) {
  uint32_t given = (uint32_t)(lua_gettop(L) - first + 1);
  if (given != array->shape.rank) {
    luaL_error(L, "%d indices for an array of rank %d", (int)given, (int)array->shape.rank);
  }
  int64_t offset = 0;
  for (uint32_t i = 0; i < given; ++i) {
    int64_t index = mvg_arg_integer(L, first + (int)i, 0, array->shape.dims[i] - 1, "an index");
    offset = offset * array->shape.dims[i] + index;
  }
  return offset;
}

static int array_at(lua_State *L) {
  const mvg_ndarray *array = mvg_arg_array(L, 1);
  push_element(L, array, get_offset(L, 2, array));
  return 1;
}

static int array_put(lua_State *L) {
  mvg_ndarray *array = mvg_arg_array(L, 1);
  double value = luaL_checknumber(L, 2);
  mvg_ndarray_set(array, get_offset(L, 3, array), value);
  return 0;
}

static int array_len(lua_State *L) {
  lua_pushinteger(L, get_count(mvg_arg_array(L, 1)));
  return 1;
}

static int array_tostring(lua_State *L) {
  const mvg_ndarray *array = mvg_lua_test_array(L, 1);
  if (!array) return luaL_error(L, "a closed array");
  char text[MVG_SHAPE_TEXT_SIZE];
  lua_pushfstring(L, "array %s %s", mvg_dtype_get_name(array->dtype),
                  mvg_shape_format(&array->shape, text));
  return 1;
}

static int array_totable(lua_State *L) {
  const mvg_ndarray *array = mvg_arg_array(L, 1);
  int64_t count = get_count(array);
  lua_createtable(L, (int)count, 0);
  for (int64_t i = 0; i < count; ++i) {
    push_element(L, array, i);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static int array_bytes(lua_State *L) {
  const mvg_ndarray *array = mvg_arg_array(L, 1);
  lua_pushlstring(L, array->data, array->size_bytes);
  return 1;
}

int mvg_lua_open_array(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"at", array_at},       {"put", array_put}, {"totable", array_totable},
      {"bytes", array_bytes}, {NULL, NULL},
  };
  static const luaL_Reg metamethods[] = {{"__newindex", array_newindex},
                                         {"__len", array_len},
                                         {"__tostring", array_tostring},
                                         {"__index", NULL},
                                         {NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"new", array_new}, {"from", array_from}, {"from_bytes", array_from_bytes}, {NULL, NULL}};
  mvg_lua_new_class(L, ARRAY_CLASS, metamethods, array_close);
  luaL_getmetatable(L, ARRAY_CLASS);
  luaL_newlib(L, methods);
  luaL_setfuncs(L, mvg_lua_array_bulk, 0);
  lua_pushcclosure(L, array_index, 1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, array_call);
  lua_setfield(L, -2, "__call");
  lua_setmetatable(L, -2);
  lua_setfield(L, -2, "array");
  return 0;
}

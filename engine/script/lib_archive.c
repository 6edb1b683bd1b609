// What other programs' files hold, for scripts: entries of ZIP archives, read and written, elements
// of any type, bytes as text.
#include "base/alloc.h"
#include "io/base64.h"
#include "io/elements.h"
#include "io/zip.h"
#include "io/zip_write.h"
#include "script/lib.h"
#include "script/sandbox.h"

#define ZIP_CLASS "mvg.zip"

static int zip_open_file(lua_State *L) {
  const char *path = mvg_arg_path(L, 1, false);
  mvg_zip **handle = lua_newuserdatauv(L, sizeof *handle, 0);
  *handle = NULL;
  luaL_setmetatable(L, ZIP_CLASS);
  mvg_lua_check(L, mvg_zip_open(path, handle));
  return 1;
}

static mvg_zip *get_zip(lua_State *L) {
  mvg_zip **handle = luaL_checkudata(L, 1, ZIP_CLASS);
  if (!*handle) luaL_error(L, "the archive is closed");
  return *handle;
}

static int zip_close_file(lua_State *L) {
  mvg_zip **handle = lua_touserdata(L, 1);
  mvg_zip_close(*handle);
  *handle = NULL;
  return 0;
}

// names() -> list, in the archive's order
static int zip_names(lua_State *L) {
  const mvg_zip *zip = get_zip(L);
  size_t count = mvg_zip_get_count(zip);
  lua_createtable(L, (int)count, 0);
  for (size_t i = 0; i < count; ++i) {
    lua_pushstring(L, mvg_zip_get_name(zip, i));
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

// read(number of the entry) -> u8 array
static int zip_read(lua_State *L) {
  mvg_zip *zip = get_zip(L);
  int64_t count = (int64_t)mvg_zip_get_count(zip);
  size_t index = (size_t)mvg_arg_integer(L, 2, 1, count, "an entry's number") - 1;
  uint64_t size = mvg_zip_get_size(zip, index);
  if (size > INT64_MAX) luaL_error(L, "an entry of the archive is too large");
  mvg_shape shape = {.rank = 1, .dims = {(int64_t)size}};
  mvg_ndarray *array = mvg_lua_new_array(L, MVG_DTYPE_U8, &shape);
  mvg_lua_check(L, mvg_zip_read(zip, index, array->data));
  return 1;
}

// The text of field `key` of the table on top of the stack, which keeps it.
static const char *get_text_field(lua_State *L, const char *key, size_t *out_size) {
  lua_pushstring(L, key);
  if (lua_rawget(L, -2) != LUA_TSTRING) luaL_error(L, "an entry's %s must be text", key);
  const char *text = lua_tolstring(L, -1, out_size);
  lua_pop(L, 1);
  return text;
}

// zip_write(path, list of {name = text, bytes = text})
static int zip_write_file(lua_State *L) {
  const char *path = mvg_arg_path(L, 1, true);
  int count = mvg_arg_list(L, 2, INT32_MAX, "the entries of an archive");
  mvg_zip_entry *entries = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *entries, 0);
  for (int i = 0; i < count; ++i) {
    if (lua_rawgeti(L, 2, i + 1) != LUA_TTABLE) return luaL_error(L, "an entry must be a table");
    size_t name_size;
    entries[i].name = get_text_field(L, "name", &name_size);
    entries[i].bytes = get_text_field(L, "bytes", &entries[i].size_bytes);
    lua_pop(L, 1);
  }
  mvg_lua_check(L, mvg_zip_write(path, entries, (size_t)count));
  return 0;
}

static void get_bytes(lua_State *L, int index, const void **out_bytes, size_t *out_size) {
  const mvg_ndarray *array = mvg_lua_test_array(L, index);
  if (array && array->dtype == MVG_DTYPE_U8) {
    *out_bytes = array->data;
    *out_size = array->size_bytes;
  } else {
    *out_bytes = luaL_checklstring(L, index, out_size);
  }
}

// elements(bytes: string or u8 array, type: "<f4", offset, shape, strides or nil) -> array
static int read_elements(lua_State *L) {
  mvg_element element;
  mvg_element_layout layout = {0};
  get_bytes(L, 1, &layout.bytes, &layout.size_bytes);
  mvg_lua_check(L, mvg_element_parse(luaL_checkstring(L, 2), &element));
  layout.offset = (uint64_t)mvg_arg_integer(L, 3, 0, INT64_MAX, "an offset");
  layout.shape = mvg_arg_shape(L, 4);
  int64_t stride = 1;
  for (uint32_t i = layout.shape.rank; i-- > 0;) {
    layout.strides[i] = stride;
    if (__builtin_mul_overflow(stride, layout.shape.dims[i], &stride)) stride = INT64_MAX;
  }
  if (!lua_isnoneornil(L, 5)) {
    int rank = mvg_arg_list(L, 5, MVG_MAX_RANK, "strides");
    if ((uint32_t)rank != layout.shape.rank)
      luaL_error(L, "a shape and its strides differ in rank");
    for (int i = 0; i < rank; ++i) {
      lua_rawgeti(L, 5, i + 1);
      layout.strides[i] = mvg_arg_integer(L, -1, 0, INT64_MAX, "a stride");
      lua_pop(L, 1);
    }
  }
  mvg_ndarray **handle = mvg_lua_push_array_handle(L);
  mvg_lua_check(L, mvg_elements_read(&element, &layout, handle));
  return 1;
}

// text(u8 array, first byte counted from 0, at most this many) -> string
static int read_text(lua_State *L) {
  const mvg_ndarray *array = mvg_arg_array(L, 1);
  if (array->dtype != MVG_DTYPE_U8) return luaL_error(L, "only u8 arrays are text");
  int64_t size = (int64_t)array->size_bytes;
  int64_t first = mvg_arg_integer(L, 2, 0, size, "a first byte");
  int64_t count = mvg_arg_integer(L, 3, 0, INT64_MAX, "a number of bytes");
  if (count > size - first) count = size - first;
  lua_pushlstring(L, (const char *)array->data + first, (size_t)count);
  return 1;
}

// base64(bytes: string or u8 array) -> string
static int write_base64(lua_State *L) {
  const void *bytes;
  size_t size;
  get_bytes(L, 1, &bytes, &size);
  size_t capacity = mvg_base64_get_capacity(size);
  luaL_Buffer buffer;
  char *text = luaL_buffinitsize(L, &buffer, capacity);
  if (!mvg_base64_encode(bytes, size, text)) return luaL_error(L, "too many bytes for base64");
  luaL_pushresultsize(&buffer, capacity - 1);
  return 1;
}

int mvg_lua_open_archive(lua_State *L) {
  static const luaL_Reg methods[] = {{"names", zip_names},
                                     {"read", zip_read},
                                     {"close", zip_close_file},
                                     {"__close", zip_close_file},
                                     {NULL, NULL}};
  static const luaL_Reg functions[] = {{"zip_open", zip_open_file}, {"zip_write", zip_write_file},
                                       {"elements", read_elements}, {"text", read_text},
                                       {"base64", write_base64},    {NULL, NULL}};
  mvg_lua_new_class(L, ZIP_CLASS, methods, zip_close_file);
  luaL_setfuncs(L, functions, 0);
  return 0;
}

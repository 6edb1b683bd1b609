// JSON for scripts. Reading by cJSON, with the place of a mistake; writing with sorted keys, so
// that equal values give equal text. null is json.null; an empty list is json.array{}.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "io/json.h"
#include "script/lib.h"

#define ARRAY_MARK "mvg.json_array"
#define BOX_CLASS "mvg.json_box"
#define MAX_DEPTH 200

// Holds what must be freed when Lua raises in the middle.
typedef struct {
  cJSON *tree;
  mvg_str text;
} json_box;

static json_box *push_box(lua_State *L) {
  json_box *box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = (json_box){0};
  luaL_setmetatable(L, BOX_CLASS);
  return box;
}

static int box_close(lua_State *L) {
  json_box *box = lua_touserdata(L, 1);
  cJSON_Delete(box->tree);
  mvg_str_deinit(&box->text);
  *box = (json_box){0};
  return 0;
}

// ---- reading ----

static void push_number(lua_State *L, double number) {
  lua_Integer integer;
  if (floor(number) == number && fabs(number) < 0x1p53) {
    integer = (lua_Integer)number;
    lua_pushinteger(L, integer);
  } else {
    lua_pushnumber(L, number);
  }
}

static void push_item(lua_State *L, const cJSON *item) {
  luaL_checkstack(L, 4, "nested JSON");
  if (cJSON_IsArray(item)) {
    lua_createtable(L, cJSON_GetArraySize(item), 0);
    luaL_setmetatable(L, ARRAY_MARK);
    lua_Integer index = 1;
    for (const cJSON *child = item->child; child; child = child->next) {
      push_item(L, child);
      lua_rawseti(L, -2, index++);
    }
  } else if (cJSON_IsObject(item)) {
    lua_newtable(L);
    for (const cJSON *child = item->child; child; child = child->next) {
      lua_pushstring(L, child->string);
      push_item(L, child);
      lua_rawset(L, -3);
    }
  } else if (cJSON_IsString(item)) {
    lua_pushstring(L, item->valuestring);
  } else if (cJSON_IsNumber(item)) {
    push_number(L, item->valuedouble);
  } else if (cJSON_IsBool(item)) {
    lua_pushboolean(L, cJSON_IsTrue(item));
  } else {
    lua_pushlightuserdata(L, NULL);
  }
}

static int fail_decode(lua_State *L, const char *name, const char *text, size_t size,
                       const char *end) {
  size_t offset = end && end >= text ? (size_t)(end - text) : 0;
  if (offset > size) offset = size;
  int line = 1, column = 1;
  for (size_t i = 0; i < offset; ++i) {
    column = text[i] == '\n' ? 1 : column + 1;
    line += text[i] == '\n';
  }
  bool is_cut = offset + strspn(text + offset, " \t\r\n") >= size;
  lua_pushfstring(L, "%s:%d:%d: not valid JSON: %s", name, line, column,
                  is_cut ? "the text ends in the middle; the file is empty or was cut off, make "
                           "it again"
                         : "unexpected text here");
  return lua_error(L);
}

// decode(text, source_name or nil)
static int json_decode(lua_State *L) {
  size_t size;
  const char *text = luaL_checklstring(L, 1, &size), *name = luaL_optstring(L, 2, "JSON");
  json_box *box = push_box(L);
  const char *end;
  mvg_lua_check(L, mvg_status_annotate(mvg_json_parse(text, size, true, &box->tree, &end),
                                       "reading %s", name));
  if (!box->tree) return fail_decode(L, name, text, size, end);
  push_item(L, box->tree);
  cJSON_Delete(box->tree);
  box->tree = NULL;
  return 1;
}

// ---- writing ----

static void write_string(mvg_str *out, const char *text, size_t length) {
  mvg_str_append(out, "\"");
  for (size_t i = 0; i < length; ++i) {
    unsigned char c = (unsigned char)text[i];
    if (c == '"' || c == '\\') {
      mvg_str_appendf(out, "\\%c", c);
    } else if (c == '\n') {
      mvg_str_append(out, "\\n");
    } else if (c < 0x20) {
      mvg_str_appendf(out, "\\u%04x", c);
    } else {
      mvg_str_append_bytes(out, text + i, 1);
    }
  }
  mvg_str_append(out, "\"");
}

// The shortest text that reads back as the same number; JSON has no NaN or infinity, they become
// null.
static void write_number(lua_State *L, int index, mvg_str *out) {
  if (lua_isinteger(L, index)) {
    mvg_str_appendf(out, "%lld", (long long)lua_tointeger(L, index));
    return;
  }
  double number = lua_tonumber(L, index);
  char text[40];
  for (int digits = 6; digits <= 17; ++digits) {
    snprintf(text, sizeof text, "%.*g", digits, number);
    if (strtod(text, NULL) == number) break;
  }
  mvg_str_append(out, isfinite(number) ? text : "null");
}

static void write_newline(mvg_str *out, bool is_indented, int depth) {
  if (!is_indented) return;
  mvg_str_append(out, "\n");
  for (int i = 0; i < depth; ++i)
    mvg_str_append(out, "  ");
}

static void write_value(lua_State *L, mvg_str *out, bool is_indented, int depth);

static void write_list(lua_State *L, mvg_str *out, bool is_indented, int depth) {
  lua_Integer length = (lua_Integer)lua_rawlen(L, -1);
  bool is_nested = false;
  for (lua_Integer i = 1; i <= length && !is_nested; ++i) {
    is_nested = lua_rawgeti(L, -1, i) == LUA_TTABLE;
    lua_pop(L, 1);
  }
  is_nested = is_nested && is_indented; // lists of plain values stay on one line
  mvg_str_append(out, "[");
  for (lua_Integer i = 1; i <= length; ++i) {
    if (i > 1) mvg_str_append(out, is_indented && !is_nested ? ", " : ",");
    write_newline(out, is_nested, depth + 1);
    lua_rawgeti(L, -1, i);
    write_value(L, out, is_indented, depth + 1);
    lua_pop(L, 1);
  }
  if (length) write_newline(out, is_nested, depth);
  mvg_str_append(out, "]");
}

static int compare_keys(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

// Pushes a block of the sorted keys of the table on top; the strings are the table's.
static const char **push_keys(lua_State *L, size_t *out_count) {
  int table = lua_gettop(L);
  size_t count = 0;
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING) {
      luaL_error(L, "a JSON object's keys are strings, got %s", luaL_tolstring(L, -2, NULL));
    }
    ++count;
  }
  const char **keys = lua_newuserdatauv(L, (count + 1) * sizeof *keys, 0);
  size_t filled = 0;
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1))
    keys[filled++] = lua_tostring(L, -2);
  qsort(keys, count, sizeof *keys, compare_keys);
  *out_count = count;
  return keys;
}

static void write_object(lua_State *L, mvg_str *out, bool is_indented, int depth) {
  int table = lua_gettop(L);
  size_t count;
  const char **keys = push_keys(L, &count);
  mvg_str_append(out, "{");
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) mvg_str_append(out, ",");
    write_newline(out, is_indented, depth + 1);
    write_string(out, keys[i], strlen(keys[i]));
    mvg_str_append(out, is_indented ? ": " : ":");
    lua_pushstring(L, keys[i]);
    lua_rawget(L, table);
    write_value(L, out, is_indented, depth + 1);
    lua_pop(L, 1);
  }
  if (count) write_newline(out, is_indented, depth);
  mvg_str_append(out, "}");
  lua_settop(L, table);
}

static void write_table(lua_State *L, mvg_str *out, bool is_indented, int depth) {
  luaL_checkstack(L, 10, "nested tables");
  if (depth > MAX_DEPTH)
    luaL_error(L, "tables are nested deeper than %d; is there a cycle?", MAX_DEPTH);
  bool is_list = lua_rawlen(L, -1) > 0;
  if (!is_list && lua_getmetatable(L, -1)) {
    luaL_getmetatable(L, ARRAY_MARK);
    is_list = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
  }
  if (is_list) {
    write_list(L, out, is_indented, depth);
  } else {
    write_object(L, out, is_indented, depth);
  }
}

static void write_value(lua_State *L, mvg_str *out, bool is_indented, int depth) {
  size_t length;
  const char *text;
  switch (lua_type(L, -1)) {
  case LUA_TTABLE:
    write_table(L, out, is_indented, depth);
    return;
  case LUA_TNUMBER:
    write_number(L, -1, out);
    return;
  case LUA_TBOOLEAN:
    mvg_str_append(out, lua_toboolean(L, -1) ? "true" : "false");
    return;
  case LUA_TSTRING:
    text = lua_tolstring(L, -1, &length);
    write_string(out, text, length);
    return;
  case LUA_TLIGHTUSERDATA:
    mvg_str_append(out, "null");
    return;
  default:
    luaL_error(L, "a %s cannot be written as JSON", luaL_typename(L, -1));
  }
}

// encode(value, {indent=bool} or nil)
static int json_encode(lua_State *L) {
  luaL_checkany(L, 1);
  bool is_indented = lua_istable(L, 2) && mvg_arg_boolean_field(L, 2, "indent", false);
  json_box *box = push_box(L);
  lua_pushvalue(L, 1);
  write_value(L, &box->text, is_indented, 0);
  if (is_indented) mvg_str_append(&box->text, "\n");
  mvg_status failure = box->text.failure;
  box->text.failure = NULL;
  mvg_lua_check(L, failure);
  lua_pushlstring(L, box->text.text, box->text.length);
  mvg_str_deinit(&box->text);
  return 1;
}

// array(list): marks a list, so that it is one even when empty
static int json_array(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  luaL_setmetatable(L, ARRAY_MARK);
  return 1;
}

int mvg_lua_open_json(lua_State *L) {
  static const luaL_Reg none[] = {{NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"decode", json_decode}, {"encode", json_encode}, {"array", json_array}, {NULL, NULL}};
  mvg_lua_new_class(L, BOX_CLASS, none, box_close);
  luaL_newmetatable(L, ARRAY_MARK);
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  lua_pushlightuserdata(L, NULL);
  lua_setfield(L, -2, "null");
  lua_setfield(L, -2, "json");
  return 0;
}

// Whole-array functions of host arrays: views that share memory, and the loops that must not run in
// Lua.
#include <math.h>
#include <string.h>

#include "script/lib.h"

static int64_t get_count(const mvg_ndarray *array) {
  return mvg_shape_get_size(&array->shape);
}

// ---- views ----

static int array_narrow(lua_State *L) {
  mvg_ndarray *array = mvg_arg_array(L, 1);
  int64_t first = mvg_arg_integer(L, 2, INT32_MIN, INT32_MAX, "a row");
  int64_t count = mvg_arg_integer(L, 3, INT32_MIN, INT32_MAX, "a row count");
  mvg_ndarray **handle = mvg_lua_push_array_handle(L);
  mvg_lua_check(L, mvg_ndarray_narrow(array, first, count, handle));
  return 1;
}

static int array_row(lua_State *L) {
  mvg_ndarray *array = mvg_arg_array(L, 1);
  int64_t index = mvg_arg_integer(L, 2, INT32_MIN, INT32_MAX, "a row");
  if (array->shape.rank < 2) return luaL_error(L, "row() needs an array of rank 2 or more");
  mvg_ndarray **handle = mvg_lua_push_array_handle(L);
  mvg_lua_check(L, mvg_ndarray_narrow(array, index, 1, handle));
  mvg_shape *shape = &(*handle)->shape;
  shape->rank--;
  memmove(shape->dims, shape->dims + 1, shape->rank * sizeof *shape->dims);
  return 1;
}

// A list of dims, of which one may be -1.
static mvg_shape get_new_shape(lua_State *L, int index, int64_t count) {
  mvg_shape shape = {.rank = (uint32_t)mvg_arg_list(L, index, MVG_MAX_RANK, "a shape")};
  int64_t known = 1;
  int open = -1;
  for (uint32_t i = 0; i < shape.rank; ++i) {
    lua_rawgeti(L, index, (lua_Integer)i + 1);
    shape.dims[i] = mvg_arg_integer(L, -1, -1, INT32_MAX, "a dimension");
    lua_pop(L, 1);
    if (shape.dims[i] < 0 && open >= 0) luaL_error(L, "only one dimension can be -1");
    if (shape.dims[i] < 0) {
      open = (int)i;
    } else if (shape.dims[i] > 0 && known > INT32_MAX / shape.dims[i]) {
      luaL_error(L, "a shape has too many elements");
    } else {
      known *= shape.dims[i];
    }
  }
  if (open >= 0) shape.dims[open] = known ? count / known : 0;
  return shape;
}

static int array_reshape(lua_State *L) {
  mvg_ndarray *array = mvg_arg_array(L, 1);
  mvg_shape shape = get_new_shape(L, 2, get_count(array));
  if (mvg_shape_get_size(&shape) != get_count(array)) {
    char from[MVG_SHAPE_TEXT_SIZE], to[MVG_SHAPE_TEXT_SIZE];
    return luaL_error(L, "an array of shape %s cannot become %s",
                      mvg_shape_format(&array->shape, from), mvg_shape_format(&shape, to));
  }
  mvg_ndarray **handle = mvg_lua_push_array_handle(L);
  if (array->shape.rank == 0) { // narrow needs an axis: look at the scalar as one row
    mvg_ndarray row = *array;
    row.shape = (mvg_shape){.rank = 1, .dims = {1}};
    row.parent = array->parent ? array->parent : array;
    mvg_lua_check(L, mvg_ndarray_narrow(&row, 0, 1, handle));
  } else {
    mvg_lua_check(L, mvg_ndarray_narrow(array, 0, array->shape.dims[0], handle));
  }
  (*handle)->shape = shape;
  return 1;
}

// ---- bulk ----

static int array_fill(lua_State *L) {
  mvg_ndarray *array = mvg_arg_array(L, 1);
  double value = luaL_checknumber(L, 2);
  for (int64_t i = 0, count = get_count(array); i < count; ++i)
    mvg_ndarray_set(array, i, value);
  lua_settop(L, 1);
  return 1;
}

static void copy_elements(mvg_ndarray *target, const mvg_ndarray *source) {
  if (target->dtype == source->dtype) {
    memmove(target->data, source->data, source->size_bytes);
    return;
  }
  int64_t count = get_count(target);
  for (int64_t i = 0; i < count; ++i)
    mvg_ndarray_set(target, i, mvg_ndarray_get(source, i));
}

static int array_copy(lua_State *L) {
  mvg_ndarray *target = mvg_arg_array(L, 1);
  const mvg_ndarray *source = mvg_arg_array(L, 2);
  if (get_count(target) != get_count(source)) {
    char from[MVG_SHAPE_TEXT_SIZE], to[MVG_SHAPE_TEXT_SIZE];
    return luaL_error(L, "an array of shape %s cannot be copied into %s",
                      mvg_shape_format(&source->shape, from), mvg_shape_format(&target->shape, to));
  }
  copy_elements(target, source);
  lua_settop(L, 1);
  return 1;
}

// clone(dtype or nil)
static int array_clone(lua_State *L) {
  const mvg_ndarray *array = mvg_arg_array(L, 1);
  mvg_dtype dtype = lua_isnoneornil(L, 2) ? array->dtype : mvg_arg_dtype(L, 2);
  copy_elements(mvg_lua_new_array(L, dtype, &array->shape), array);
  return 1;
}

static int array_scale(lua_State *L) {
  mvg_ndarray *array = mvg_arg_array(L, 1);
  double factor = luaL_checknumber(L, 2), offset = luaL_optnumber(L, 3, 0);
  for (int64_t i = 0, count = get_count(array); i < count; ++i) {
    mvg_ndarray_set(array, i, mvg_ndarray_get(array, i) * factor + offset);
  }
  lua_settop(L, 1);
  return 1;
}

// gather(list or integer array of zero-based rows)
static int array_gather(lua_State *L) {
  const mvg_ndarray *array = mvg_arg_array(L, 1), *rows = mvg_lua_test_array(L, 2);
  if (array->shape.rank == 0) return luaL_error(L, "gather() needs an axis to gather from");
  if (!rows) mvg_arg_list(L, 2, INT32_MAX, "the rows to gather");
  mvg_shape shape = array->shape;
  int64_t available = shape.dims[0];
  shape.dims[0] = rows ? get_count(rows) : (int64_t)lua_rawlen(L, 2);
  mvg_ndarray *out = mvg_lua_new_array(L, array->dtype, &shape);
  size_t row_bytes = available ? array->size_bytes / (size_t)available : 0;
  for (int64_t i = 0; i < shape.dims[0]; ++i) {
    if (rows) {
      lua_pushnumber(L, mvg_ndarray_get(rows, i));
    } else {
      lua_rawgeti(L, 2, i + 1);
    }
    int64_t row = mvg_arg_integer(L, -1, 0, available - 1, "a row to gather");
    lua_pop(L, 1);
    memcpy((char *)out->data + row_bytes * (size_t)i,
           (const char *)array->data + row_bytes * (size_t)row, row_bytes);
  }
  return 1;
}

static int array_is_finite(lua_State *L) {
  const mvg_ndarray *array = mvg_arg_array(L, 1);
  bool is_finite = true;
  int64_t count = get_count(array);
  if (array->dtype == MVG_DTYPE_F32) { // parameters: checked before every checkpoint
    const float *values = array->data;
    for (int64_t i = 0; i < count; ++i)
      is_finite &= isfinite(values[i]) != 0;
  } else {
    for (int64_t i = 0; i < count && is_finite; ++i) {
      is_finite = isfinite(mvg_ndarray_get(array, i));
    }
  }
  lua_pushboolean(L, is_finite);
  return 1;
}

const luaL_Reg mvg_lua_array_bulk[] = {
    {"narrow", array_narrow},       {"row", array_row},
    {"reshape", array_reshape},     {"fill", array_fill},
    {"copy_", array_copy},          {"clone", array_clone},
    {"scale_", array_scale},        {"gather", array_gather},
    {"is_finite", array_is_finite}, {NULL, NULL},
};

// Small dense linear algebra on host arrays for scripts: products and blended affine maps. Sums are
// in double precision and in index order.
#include "script/lib.h"
#include "script/vm.h"

static const mvg_ndarray *arg_matrix(lua_State *L, int index, const char *what) {
  const mvg_ndarray *array = mvg_arg_array(L, index);
  if (array->dtype != MVG_DTYPE_F32 || array->shape.rank != 2) {
    luaL_error(L, "%s must be an f32 array of rank 2", what);
  }
  return array;
}

static void check_size(lua_State *L, const mvg_ndarray *array, int axis, int64_t size,
                       const char *what) {
  if (array->shape.dims[axis] != size) {
    luaL_error(L, "axis %d of %s has size %d, expected %d", axis, what,
               (int)array->shape.dims[axis], (int)size);
  }
}

// matmul(a [m, k], b [k, n]) -> [m, n]
static int linalg_matmul(lua_State *L) {
  const mvg_ndarray *a = arg_matrix(L, 1, "the first factor");
  const mvg_ndarray *b = arg_matrix(L, 2, "the second factor");
  int64_t m = a->shape.dims[0], k = a->shape.dims[1], n = b->shape.dims[1];
  check_size(L, b, 0, k, "the second factor");
  mvg_shape shape = {.rank = 2, .dims = {m, n}};
  const float *left = a->data, *right = b->data;
  float *out = mvg_lua_new_array(L, MVG_DTYPE_F32, &shape)->data;
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (int64_t p = 0; p < k; ++p)
        sum += (double)left[i * k + p] * right[p * n + j];
      out[i * n + j] = (float)sum;
    }
  }
  return 1;
}

static void apply_affine(const double map[12], const float *point, float *out) {
  for (int row = 0; row < 3; ++row) {
    const double *r = map + 4 * row;
    out[row] = (float)(r[0] * point[0] + r[1] * point[1] + r[2] * point[2] + r[3]);
  }
}

// blend_transforms(points [n, 3], weights [n, k], transforms [k, 12]) -> [n, 3]: each point through
// the weighted sum of affine maps, each 3x4 in row-major order.
static int linalg_blend_transforms(lua_State *L) {
  const mvg_ndarray *points = arg_matrix(L, 1, "the points");
  const mvg_ndarray *weights = arg_matrix(L, 2, "the weights");
  const mvg_ndarray *transforms = arg_matrix(L, 3, "the transforms");
  int64_t n = points->shape.dims[0], k = transforms->shape.dims[0];
  check_size(L, points, 1, 3, "the points");
  check_size(L, weights, 0, n, "the weights");
  check_size(L, weights, 1, k, "the weights");
  check_size(L, transforms, 1, 12, "the transforms");
  mvg_shape shape = {.rank = 2, .dims = {n, 3}};
  const float *point = points->data, *weight = weights->data, *map = transforms->data;
  float *out = mvg_lua_new_array(L, MVG_DTYPE_F32, &shape)->data;
  for (int64_t i = 0; i < n; ++i) {
    double blended[12] = {0};
    for (int64_t j = 0; j < k; ++j) {
      double w = weight[i * k + j];
      if (w == 0) continue;
      for (int e = 0; e < 12; ++e)
        blended[e] += w * map[12 * j + e];
    }
    apply_affine(blended, point + 3 * i, out + 3 * i);
  }
  return 1;
}

// transform_points(points [n, 3], transform {12 numbers, 3x4}) -> [n, 3]
static int linalg_transform_points(lua_State *L) {
  const mvg_ndarray *points = arg_matrix(L, 1, "the points");
  check_size(L, points, 1, 3, "the points");
  if (mvg_arg_list(L, 2, 12, "a transform") != 12) {
    return luaL_error(L, "a transform has 12 numbers, three rows of four");
  }
  double map[12];
  for (int i = 0; i < 12; ++i) {
    lua_rawgeti(L, 2, i + 1);
    map[i] = luaL_checknumber(L, -1);
    lua_pop(L, 1);
  }
  const float *point = points->data;
  float *out = mvg_lua_new_array(L, MVG_DTYPE_F32, &points->shape)->data;
  for (int64_t i = 0; i < points->shape.dims[0]; ++i)
    apply_affine(map, point + 3 * i, out + 3 * i);
  return 1;
}

int mvg_lua_open_linalg(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"matmul", linalg_matmul},
      {"blend_transforms", linalg_blend_transforms},
      {"transform_points", linalg_transform_points},
      {NULL, NULL},
  };
  lua_newtable(L);
  luaL_setfuncs(L, functions, 0);
  lua_setfield(L, -2, "linalg");
  return 0;
}

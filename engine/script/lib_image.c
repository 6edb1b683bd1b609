// Pictures, drawing, the rasteriser and videos for scripts;
// scripts/mvgraph/{image,raster,video}.lua give them names.
#include <string.h>

#include "base/alloc.h"
#include "data/augment.h"
#include "data/crop.h"
#include "data/draw.h"
#include "data/raster.h"
#include "data/video.h"
#include "io/image.h"
#include "io/jpeg.h"
#include "script/lib.h"
#include "script/sandbox.h"

#define VIDEO_CLASS "mvg.video"

enum { MAX_COORDINATE = 1 << 24 };

static int64_t arg_pixel(lua_State *L, int index, const char *what) {
  return mvg_arg_integer(L, index, -MAX_COORDINATE, MAX_COORDINATE, what);
}

static void arg_triple(lua_State *L, int index, const char *what, double out[3]) {
  luaL_checktype(L, index, LUA_TTABLE);
  for (int i = 0; i < 3; i++) {
    if (lua_rawgeti(L, index, i + 1) != LUA_TNUMBER) {
      luaL_argerror(L, index, lua_pushfstring(L, "%s must be a list of three numbers", what));
    }
    out[i] = lua_tonumber(L, -1);
    lua_pop(L, 1);
  }
}

static mvg_color arg_color(lua_State *L, int index) {
  double parts[3];
  arg_triple(L, index, "color", parts);
  for (int i = 0; i < 3; i++) {
    if (!(parts[i] >= 0 && parts[i] <= 255)) {
      luaL_argerror(L, index, "color must be {red, green, blue}, each 0 to 255");
    }
  }
  return (mvg_color){(uint8_t)parts[0], (uint8_t)parts[1], (uint8_t)parts[2]};
}

static int push_result(lua_State *L, mvg_status status, mvg_ndarray *array) {
  mvg_lua_check(L, status);
  mvg_lua_push_array(L, array);
  return 1;
}

static int image_read(lua_State *L) {
  const char *path = mvg_arg_path(L, 1, false);
  mvg_ndarray *image;
  mvg_status status = mvg_image_read(path, &image);
  return push_result(L, status, image);
}

static int image_write_png(lua_State *L) {
  const char *path = mvg_arg_path(L, 1, true);
  mvg_lua_check(L, mvg_image_write_png(path, mvg_arg_array(L, 2)));
  return 0;
}

// encode_jpeg(picture, coarseness) -> string
static int image_encode_jpeg(lua_State *L) {
  const mvg_ndarray *image = mvg_arg_array(L, 1);
  int64_t coarseness =
      mvg_arg_integer(L, 2, MVG_JPEG_FINEST, MVG_JPEG_COARSEST, "the coarseness of a JPEG");
  size_t size;
  void **box = mvg_lua_push_box(L);
  mvg_lua_check(L, mvg_jpeg_encode(image, (int)coarseness, (char **)box, &size));
  lua_pushlstring(L, *box, size);
  mvg_free(*box);
  *box = NULL;
  return 1;
}

static int image_crop_affine(lua_State *L) {
  const mvg_ndarray *image = mvg_arg_array(L, 1);
  double box[3];
  arg_triple(L, 2, "box", box);
  int64_t out_size = mvg_arg_integer(L, 3, 1, MVG_IMAGE_MAX_SIDE, "out_size");
  mvg_crop_box crop = {box[0], box[1], box[2], luaL_optnumber(L, 4, 0)};
  mvg_ndarray *result;
  mvg_status status = mvg_crop_affine(image, &crop, out_size, &result);
  return push_result(L, status, result);
}

static int image_normalize_batch(lua_State *L) {
  const mvg_ndarray *images = mvg_arg_array(L, 1);
  double mean[3], std[3];
  arg_triple(L, 2, "mean", mean);
  arg_triple(L, 3, "std", std);
  mvg_ndarray *result;
  mvg_status status = mvg_crop_normalize_batch(images, mean, std, &result);
  return push_result(L, status, result);
}

static double field_number(lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name);
  double value = luaL_checknumber(L, -1);
  lua_pop(L, 1);
  return value;
}

static void field_triple(lua_State *L, int index, const char *name, double out[3]) {
  lua_getfield(L, index, name);
  arg_triple(L, lua_gettop(L), name, out);
  lua_pop(L, 1);
}

static mvg_augmentation arg_augmentation(lua_State *L, int index) {
  mvg_augmentation change = {.box = {field_number(L, index, "x"), field_number(L, index, "y"),
                                     field_number(L, index, "size"),
                                     field_number(L, index, "angle")}};
  lua_getfield(L, index, "is_mirrored");
  change.is_mirrored = lua_toboolean(L, -1);
  lua_pop(L, 1);
  field_triple(L, index, "gains", change.gains);
  field_triple(L, index, "offsets", change.offsets);
  return change;
}

static int image_augment(lua_State *L) {
  mvg_ndarray *images = mvg_arg_array(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_Integer count = luaL_len(L, 2);
  if (images->shape.rank < 1 || count != images->shape.dims[0]) {
    return luaL_argerror(L, 2, "one change for each picture is needed");
  }
  mvg_augmentation *changes = lua_newuserdatauv(L, (size_t)count * sizeof *changes + 1, 0);
  for (lua_Integer i = 0; i < count; i++) {
    lua_geti(L, 2, i + 1);
    luaL_checktype(L, -1, LUA_TTABLE);
    changes[i] = arg_augmentation(L, lua_gettop(L));
    lua_pop(L, 1);
  }
  mvg_lua_check(L, mvg_augment_batch(images, changes));
  return 0;
}

static int image_resize(lua_State *L) {
  const mvg_ndarray *image = mvg_arg_array(L, 1);
  int64_t height = mvg_arg_integer(L, 2, 1, MVG_IMAGE_MAX_SIDE, "height");
  int64_t width = mvg_arg_integer(L, 3, 1, MVG_IMAGE_MAX_SIDE, "width");
  mvg_ndarray *result;
  mvg_status status = mvg_draw_resize(image, height, width, &result);
  return push_result(L, status, result);
}

static int image_line(lua_State *L) {
  mvg_ndarray *image = mvg_arg_array(L, 1);
  double x0 = luaL_checknumber(L, 2), y0 = luaL_checknumber(L, 3);
  double x1 = luaL_checknumber(L, 4), y1 = luaL_checknumber(L, 5);
  mvg_color color = arg_color(L, 6);
  mvg_lua_check(L, mvg_draw_line(image, x0, y0, x1, y1, color, luaL_optnumber(L, 7, 1)));
  return 0;
}

static int image_disc(lua_State *L) {
  mvg_ndarray *image = mvg_arg_array(L, 1);
  double x = luaL_checknumber(L, 2), y = luaL_checknumber(L, 3), radius = luaL_checknumber(L, 4);
  mvg_lua_check(L, mvg_draw_disc(image, x, y, radius, arg_color(L, 5)));
  return 0;
}

static int image_rect(lua_State *L) {
  mvg_ndarray *image = mvg_arg_array(L, 1);
  int64_t x = arg_pixel(L, 2, "x"), y = arg_pixel(L, 3, "y");
  int64_t width = arg_pixel(L, 4, "width"), height = arg_pixel(L, 5, "height");
  mvg_color color = arg_color(L, 6);
  int64_t thickness = lua_isnoneornil(L, 7) ? 0 : arg_pixel(L, 7, "thickness");
  mvg_lua_check(L, mvg_draw_rect(image, x, y, width, height, color, thickness));
  return 0;
}

static int64_t arg_scale(lua_State *L, int index) {
  return lua_isnoneornil(L, index) ? 1 : mvg_arg_integer(L, index, 1, 1024, "scale");
}

static int image_text(lua_State *L) {
  mvg_ndarray *image = mvg_arg_array(L, 1);
  int64_t x = arg_pixel(L, 2, "x"), y = arg_pixel(L, 3, "y");
  const char *text = luaL_checkstring(L, 4);
  mvg_color color = arg_color(L, 5);
  mvg_lua_check(L, mvg_draw_text(image, x, y, text, color, arg_scale(L, 6)));
  return 0;
}

static int image_text_size(lua_State *L) {
  int64_t width, height;
  mvg_draw_measure_text(luaL_checkstring(L, 1), arg_scale(L, 2), &width, &height);
  lua_pushinteger(L, width);
  lua_pushinteger(L, height);
  return 2;
}

static int image_paste(lua_State *L) {
  mvg_ndarray *image = mvg_arg_array(L, 1);
  const mvg_ndarray *source = mvg_arg_array(L, 2);
  int64_t x = arg_pixel(L, 3, "x"), y = arg_pixel(L, 4, "y");
  mvg_lua_check(L, mvg_draw_paste(image, source, x, y));
  return 0;
}

// The field stays alive through the table, which stays on the stack.
static mvg_ndarray *get_array_field(lua_State *L, const char *name, bool is_required) {
  lua_getfield(L, 1, name);
  mvg_ndarray *array = mvg_lua_test_array(L, -1);
  if (!array && (is_required || !lua_isnil(L, -1))) {
    luaL_error(L, "raster.draw: '%s' must be an array, got %s", name, luaL_typename(L, -1));
  }
  lua_pop(L, 1);
  return array;
}

static double get_number_field(lua_State *L, const char *name, double fallback) {
  int kind = lua_getfield(L, 1, name);
  if (kind != LUA_TNUMBER && kind != LUA_TNIL) {
    luaL_error(L, "raster.draw: '%s' must be a number, got %s", name, luaL_typename(L, -1));
  }
  double value = kind == LUA_TNIL ? fallback : lua_tonumber(L, -1);
  lua_pop(L, 1);
  return value;
}

static int raster_draw(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  mvg_raster_scene scene = {
      .image = get_array_field(L, "image", true),
      .depth = get_array_field(L, "depth", true),
      .vertices = get_array_field(L, "vertices", true),
      .faces = get_array_field(L, "faces", true),
      .normals = get_array_field(L, "normals", false),
      .colors = get_array_field(L, "colors", false),
      .texture_coordinates = get_array_field(L, "texture_coordinates", false),
      .texture = get_array_field(L, "texture", false),
      .focal = get_number_field(L, "focal", 0),
      .cx = get_number_field(L, "cx", 0),
      .cy = get_number_field(L, "cy", 0),
      .near = get_number_field(L, "near", 0),
      .ambient = get_number_field(L, "ambient", 0),
      .is_two_sided = mvg_arg_boolean_field(L, 1, "two_sided", false),
      .is_culled = mvg_arg_boolean_field(L, 1, "cull", false),
      .is_supersampled = mvg_arg_boolean_field(L, 1, "supersample", false),
  };
  if (lua_getfield(L, 1, "light") != LUA_TNIL) {
    arg_triple(L, lua_gettop(L), "light", scene.light);
  }
  mvg_lua_check(L, mvg_raster_draw(&scene));
  return 0;
}

static int raster_normals(lua_State *L) {
  const mvg_ndarray *vertices = mvg_arg_array(L, 1), *faces = mvg_arg_array(L, 2);
  mvg_ndarray *normals;
  mvg_status status = mvg_raster_make_normals(vertices, faces, &normals);
  return push_result(L, status, normals);
}

static mvg_video *arg_video(lua_State *L) {
  mvg_video **box = luaL_checkudata(L, 1, VIDEO_CLASS);
  if (!*box) luaL_error(L, "the video is closed");
  return *box;
}

static int video_open(lua_State *L) {
  const char *path = mvg_arg_path(L, 1, false);
  mvg_video **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = NULL;
  luaL_setmetatable(L, VIDEO_CLASS);
  mvg_lua_check(L, mvg_video_create(path, box));
  return 1;
}

static int video_close(lua_State *L) {
  mvg_video **box = luaL_checkudata(L, 1, VIDEO_CLASS);
  mvg_video_destroy(*box);
  *box = NULL;
  return 0;
}

static int video_read(lua_State *L) {
  mvg_ndarray *frame;
  mvg_lua_check(L, mvg_video_read(arg_video(L), &frame));
  if (!frame) return 0;
  mvg_lua_push_array(L, frame);
  return 1;
}

static int video_rewind(lua_State *L) {
  mvg_lua_check(L, mvg_video_rewind(arg_video(L)));
  return 0;
}

static int video_frame_count(lua_State *L) {
  int64_t count;
  mvg_lua_check(L, mvg_video_count_frames(arg_video(L), &count));
  lua_pushinteger(L, count);
  return 1;
}

static int video_index(lua_State *L) {
  const mvg_video *video = arg_video(L);
  const char *key = luaL_checkstring(L, 2);
  if (!strcmp(key, "width")) {
    lua_pushinteger(L, mvg_video_get_width(video));
  } else if (!strcmp(key, "height")) {
    lua_pushinteger(L, mvg_video_get_height(video));
  } else if (!strcmp(key, "fps")) {
    lua_pushnumber(L, mvg_video_get_frames_per_second(video));
  } else {
    luaL_getmetatable(L, VIDEO_CLASS);
    lua_pushvalue(L, 2);
    lua_rawget(L, -2);
  }
  return 1;
}

int mvg_lua_open_image(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"image_read", image_read},
      {"image_write_png", image_write_png},
      {"image_encode_jpeg", image_encode_jpeg},
      {"image_crop_affine", image_crop_affine},
      {"image_normalize_batch", image_normalize_batch},
      {"image_resize", image_resize},
      {"image_augment", image_augment},
      {"image_line", image_line},
      {"image_disc", image_disc},
      {"image_rect", image_rect},
      {"image_text", image_text},
      {"image_text_size", image_text_size},
      {"image_paste", image_paste},
      {"raster_draw", raster_draw},
      {"raster_normals", raster_normals},
      {"video_open", video_open},
      {NULL, NULL},
  };
  static const luaL_Reg video_methods[] = {
      {"read", video_read},   {"rewind", video_rewind}, {"frame_count", video_frame_count},
      {"close", video_close}, {"__close", video_close}, {"__index", video_index},
      {NULL, NULL},
  };
  luaL_setfuncs(L, functions, 0);
  mvg_lua_new_class(L, VIDEO_CLASS, video_methods, video_close);
  return 0;
}

#include "data/raster.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "data/raster_fill.h"
#include "io/image.h"

static mvg_status check_array(const mvg_ndarray *array, const char *what, mvg_dtype dtype,
                              int64_t rows, int64_t columns) {
  const mvg_shape *shape = &array->shape;
  if (array->dtype == dtype && shape->rank == 2 && (rows < 0 || shape->dims[0] == rows) &&
      shape->dims[1] == columns) {
    return NULL;
  }
  char text[MVG_SHAPE_TEXT_SIZE], wanted[24] = "any number";
  if (rows >= 0) snprintf(wanted, sizeof wanted, "%" PRId64, rows);
  return MVG_ERROR(MVG_INVALID_ARGUMENT, "%s: expected %s [%s, %" PRId64 "], got %s %s", what,
                   mvg_dtype_get_name(dtype), wanted, columns, mvg_dtype_get_name(array->dtype),
                   mvg_shape_format(shape, text));
}

static mvg_status check_faces(const mvg_ndarray *faces, int64_t vertex_count) {
  MVG_RETURN_IF_ERROR(check_array(faces, "faces", MVG_DTYPE_I32, -1, 3));
  const int32_t *index = faces->data;
  for (int64_t i = 0; i < faces->shape.dims[0] * 3; i++) {
    if (index[i] < 0 || index[i] >= vertex_count) {
      return MVG_ERROR(MVG_INVALID_ARGUMENT,
                       "face %" PRId64 " names vertex %" PRId32 ", but there are %" PRId64
                       " (counted from 0)",
                       i / 3, index[i], vertex_count);
    }
  }
  return NULL;
}

static mvg_status check_scene(const mvg_raster_scene *scene) {
  MVG_RETURN_IF_ERROR(mvg_image_check(scene->image, "image"));
  const mvg_shape *image = &scene->image->shape;
  MVG_RETURN_IF_ERROR(
      check_array(scene->depth, "depth", MVG_DTYPE_F32, image->dims[0], image->dims[1]));
  MVG_RETURN_IF_ERROR(check_array(scene->vertices, "vertices", MVG_DTYPE_F32, -1, 3));
  int64_t count = scene->vertices->shape.dims[0];
  MVG_RETURN_IF_ERROR(check_faces(scene->faces, count));
  if (scene->normals) {
    MVG_RETURN_IF_ERROR(check_array(scene->normals, "normals", MVG_DTYPE_F32, count, 3));
  }
  if (scene->colors) {
    MVG_RETURN_IF_ERROR(check_array(scene->colors, "colors", MVG_DTYPE_F32, count, 3));
  }
  if (!scene->texture != !scene->texture_coordinates) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT, "a texture and its coordinates go together; give both");
  }
  if (scene->texture) {
    MVG_RETURN_IF_ERROR(mvg_image_check(scene->texture, "texture"));
    if (scene->texture->size_bytes == 0) {
      return MVG_ERROR(MVG_INVALID_ARGUMENT, "the texture has no pixels");
    }
    MVG_RETURN_IF_ERROR(
        check_array(scene->texture_coordinates, "texture coordinates", MVG_DTYPE_F32, count, 2));
  }
  if (!(scene->focal > 0) || !isfinite(scene->focal + scene->cx + scene->cy)) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT,
                     "the camera's focal length must be positive and its centre finite; got %g and "
                     "(%g, %g)",
                     scene->focal, scene->cx, scene->cy);
  }
  return NULL;
}

static void normalize(float v[3]) {
  float length = sqrtf(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
  float factor = length > 0 && isfinite(length) ? 1 / length : 0;
  for (int c = 0; c < 3; c++)
    v[c] = factor > 0 ? v[c] * factor : 0;
}

// Twice the face's area times its unit normal.
static void get_face_normal(const float *a, const float *b, const float *c, float out[3]) {
  float u[3] = {b[0] - a[0], b[1] - a[1], b[2] - a[2]};
  float v[3] = {c[0] - a[0], c[1] - a[1], c[2] - a[2]};
  out[0] = u[1] * v[2] - u[2] * v[1];
  out[1] = u[2] * v[0] - u[0] * v[2];
  out[2] = u[0] * v[1] - u[1] * v[0];
}

mvg_status mvg_raster_make_normals(const mvg_ndarray *vertices, const mvg_ndarray *faces,
                                   mvg_ndarray **out_normals) {
  *out_normals = NULL;
  MVG_RETURN_IF_ERROR(check_array(vertices, "vertices", MVG_DTYPE_F32, -1, 3));
  MVG_RETURN_IF_ERROR(check_faces(faces, vertices->shape.dims[0]));
  MVG_RETURN_IF_ERROR(mvg_ndarray_create(MVG_DTYPE_F32, &vertices->shape, out_normals));
  const float *position = vertices->data;
  const int32_t *index = faces->data;
  float *normal = (*out_normals)->data;
  for (int64_t f = 0; f < faces->shape.dims[0]; f++, index += 3) {
    float face[3];
    get_face_normal(position + 3 * index[0], position + 3 * index[1], position + 3 * index[2],
                    face);
    for (int k = 0; k < 3; k++) {
      for (int c = 0; c < 3; c++)
        normal[3 * index[k] + c] += face[c];
    }
  }
  for (int64_t v = 0; v < vertices->shape.dims[0]; v++)
    normalize(normal + 3 * v);
  return NULL;
}

static float get_brightness(const mvg_raster_scene *scene, const float light[3], const float *p,
                            const float *normal) {
  float facing = normal[0] * light[0] + normal[1] * light[1] + normal[2] * light[2];
  bool is_away = normal[0] * p[0] + normal[1] * p[1] + normal[2] * p[2] > 0;
  if (is_away && scene->is_two_sided) facing = -facing;
  float ambient = (float)scene->ambient;
  return ambient + (1 - ambient) * (facing > 0 ? facing : 0);
}

// Lights each vertex once; the fill interpolates the lit colours.
static void make_corners(const mvg_raster_scene *scene, const mvg_ndarray *normals,
                         mvg_raster_corner *corners) {
  float light[3] = {(float)scene->light[0], (float)scene->light[1], (float)scene->light[2]};
  normalize(light);
  bool is_lit = light[0] != 0 || light[1] != 0 || light[2] != 0;
  const float *position = scene->vertices->data;
  const float *normal = normals->data;
  const float *color = scene->colors ? scene->colors->data : NULL;
  const float *uv = scene->texture ? scene->texture_coordinates->data : NULL;
  for (int64_t v = 0; v < scene->vertices->shape.dims[0]; v++) {
    const float *p = position + 3 * v;
    mvg_raster_corner *corner = &corners[v];
    *corner = (mvg_raster_corner){.x = p[0], .y = p[1], .z = p[2]};
    float brightness = is_lit ? get_brightness(scene, light, p, normal + 3 * v) : 1;
    for (int c = 0; c < 3; c++) {
      corner->attributes[c] = 255 * brightness * (color ? color[3 * v + c] : 1);
    }
    if (uv) memcpy(corner->attributes + 3, uv + 2 * v, 2 * sizeof *uv);
  }
}

static mvg_raster_corner cut_edge(const mvg_raster_corner *inside, const mvg_raster_corner *outside,
                                  float near) {
  float t = (near - inside->z) / (outside->z - inside->z);
  mvg_raster_corner cut = {.x = inside->x + t * (outside->x - inside->x),
                           .y = inside->y + t * (outside->y - inside->y),
                           .z = near};
  for (int i = 0; i < MVG_RASTER_ATTRIBUTES; i++) {
    cut.attributes[i] =
        inside->attributes[i] + t * (outside->attributes[i] - inside->attributes[i]);
  }
  return cut;
}

static void draw_face(const mvg_raster_target *target, const mvg_raster_corner *const corners[3],
                      float near) {
  mvg_raster_corner polygon[4];
  int count = 0;
  for (int i = 0; i < 3; i++) {
    const mvg_raster_corner *a = corners[i], *b = corners[(i + 1) % 3];
    if (!isfinite(a->x + a->y + a->z)) return;
    bool is_a_inside = a->z >= near, is_b_inside = b->z >= near;
    if (is_a_inside) polygon[count++] = *a;
    if (is_a_inside && !is_b_inside) polygon[count++] = cut_edge(a, b, near);
    if (!is_a_inside && is_b_inside) polygon[count++] = cut_edge(b, a, near);
  }
  if (count < 3) return;
  mvg_raster_fill(target, polygon);
  if (count < 4) return;
  const mvg_raster_corner rest[3] = {polygon[0], polygon[2], polygon[3]};
  mvg_raster_fill(target, rest);
}

static void draw_faces(const mvg_raster_scene *scene, const mvg_raster_target *target,
                       const mvg_raster_corner *corners) {
  float near = scene->near > 0 ? (float)scene->near : 0.01f;
  const int32_t *index = scene->faces->data;
  for (int64_t f = 0; f < scene->faces->shape.dims[0]; f++, index += 3) {
    const mvg_raster_corner *face[3] = {&corners[index[0]], &corners[index[1]], &corners[index[2]]};
    draw_face(target, face, near);
  }
}

static mvg_raster_target make_target(const mvg_raster_scene *scene) {
  return (mvg_raster_target){
      .width = scene->image->shape.dims[1],
      .height = scene->image->shape.dims[0],
      .pixels = scene->image->data,
      .depth = scene->depth->data,
      .texture = scene->texture ? scene->texture->data : NULL,
      .texture_width = scene->texture ? scene->texture->shape.dims[1] : 0,
      .texture_height = scene->texture ? scene->texture->shape.dims[0] : 0,
      .focal = scene->focal,
      .cx = scene->cx,
      .cy = scene->cy,
      .is_culled = scene->is_culled,
  };
}

static void spread_samples(const mvg_raster_target *from, mvg_raster_target *to) {
  for (int64_t y = 0; y < to->height; y++) {
    for (int64_t x = 0; x < to->width; x++) {
      int64_t source = y / 2 * from->width + x / 2, at = y * to->width + x;
      memcpy(to->pixels + 3 * at, from->pixels + 3 * source, 3);
      to->depth[at] = from->depth[source];
    }
  }
}

// A pixel gets the mean colour and the nearest depth of its four samples.
static void gather_samples(const mvg_raster_target *from, mvg_raster_target *to) {
  for (int64_t y = 0; y < to->height; y++) {
    for (int64_t x = 0; x < to->width; x++) {
      int64_t first = 2 * y * from->width + 2 * x, at = y * to->width + x;
      const int64_t samples[4] = {first, first + 1, first + from->width, first + from->width + 1};
      float nearest = from->depth[first];
      int sum[3] = {2, 2, 2};
      for (int s = 0; s < 4; s++) {
        nearest = fminf(nearest, from->depth[samples[s]]);
        for (int c = 0; c < 3; c++)
          sum[c] += from->pixels[3 * samples[s] + c];
      }
      to->depth[at] = nearest;
      for (int c = 0; c < 3; c++)
        to->pixels[3 * at + c] = (uint8_t)(sum[c] / 4);
    }
  }
}

static mvg_status draw_supersampled(const mvg_raster_scene *scene,
                                    const mvg_raster_corner *corners) {
  mvg_raster_target pixels = make_target(scene), samples = pixels;
  samples.width *= 2;
  samples.height *= 2;
  samples.focal *= 2;
  samples.cx *= 2;
  samples.cy *= 2;
  samples.pixels = NULL;
  samples.depth = NULL;
  size_t count = (size_t)(samples.width * samples.height);
  mvg_status status = mvg_alloc_zeroed(count, 3, (void **)&samples.pixels);
  if (status) goto cleanup;
  status = MVG_NEW_ARRAY(count, &samples.depth);
  if (status) goto cleanup;
  spread_samples(&pixels, &samples);
  draw_faces(scene, &samples, corners);
  gather_samples(&samples, &pixels);
cleanup:
  mvg_free(samples.pixels);
  mvg_free(samples.depth);
  return status;
}

mvg_status mvg_raster_draw(const mvg_raster_scene *scene) {
  MVG_RETURN_IF_ERROR(check_scene(scene));
  mvg_ndarray *made = NULL;
  mvg_raster_corner *corners = NULL;
  mvg_status status = NULL;
  if (!scene->normals) status = mvg_raster_make_normals(scene->vertices, scene->faces, &made);
  if (status) goto cleanup;
  status = MVG_NEW_ARRAY((size_t)scene->vertices->shape.dims[0], &corners);
  if (status) goto cleanup;
  make_corners(scene, made ? made : scene->normals, corners);
  if (scene->is_supersampled) {
    status = draw_supersampled(scene, corners);
  } else {
    mvg_raster_target target = make_target(scene);
    draw_faces(scene, &target, corners);
  }
cleanup:
  mvg_free(corners);
  mvg_ndarray_release(made);
  return status;
}

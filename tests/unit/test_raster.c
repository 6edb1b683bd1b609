// The rasteriser against geometry worked out by hand: coverage, depth, perspective, clipping, light
// and order.
#include "../support/test_support.h"

#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "data/raster.h"
#include "io/image.h"

typedef struct {
  mvg_raster_scene scene;
  mvg_ndarray *owned[16];
  int owned_count;
} fixture;

static mvg_ndarray *keep(fixture *f, mvg_ndarray *array) {
  f->owned[f->owned_count++] = array;
  return array;
}

static mvg_ndarray *make_table(fixture *f, mvg_dtype dtype, int64_t rows, int64_t columns,
                               const double *values) {
  mvg_shape shape = {.rank = 2, .dims = {rows, columns}};
  mvg_ndarray *array;
  assert_ok(mvg_ndarray_create(dtype, &shape, &array));
  for (int64_t i = 0; values && i < rows * columns; i++)
    mvg_ndarray_set(array, i, values[i]);
  return keep(f, array);
}

static void clear(fixture *f) {
  memset(f->scene.image->data, 0, f->scene.image->size_bytes);
  for (int64_t i = 0; i < mvg_shape_get_size(&f->scene.depth->shape); i++) {
    ((float *)f->scene.depth->data)[i] = 1e30f;
  }
}

// A camera whose picture plane at z = 1 is 2 wide and centred.
static fixture make_fixture(int64_t size) {
  fixture f = {
      .scene = {.focal = (double)size / 2, .cx = (double)size / 2, .cy = (double)size / 2}};
  assert_ok(mvg_image_create(size, size, &f.scene.image));
  keep(&f, f.scene.image);
  f.scene.depth = make_table(&f, MVG_DTYPE_F32, size, size, NULL);
  clear(&f);
  return f;
}

static void release(fixture *f) {
  for (int i = 0; i < f->owned_count; i++)
    mvg_ndarray_release(f->owned[i]);
}

// Counter-clockwise on the picture, so it shows its front: corners (x0, y0) to (x1, y1) with depths
// left and right.
static void set_quad(fixture *f, double x0, double y0, double x1, double y1, double left,
                     double right) {
  const double vertices[] = {x0 * left,  y0 * left,  left,  x1 * right, y0 * right, right,
                             x1 * right, y1 * right, right, x0 * left,  y1 * left,  left};
  const double faces[] = {0, 3, 1, 1, 3, 2};
  f->scene.vertices = make_table(f, MVG_DTYPE_F32, 4, 3, vertices);
  f->scene.faces = make_table(f, MVG_DTYPE_I32, 2, 3, faces);
}

static const uint8_t *get_pixel(const fixture *f, int64_t x, int64_t y) {
  return (const uint8_t *)f->scene.image->data + 3 * (y * f->scene.image->shape.dims[1] + x);
}

static float get_depth(const fixture *f, int64_t x, int64_t y) {
  return ((const float *)f->scene.depth->data)[y * f->scene.depth->shape.dims[1] + x];
}

static int64_t count_lit(const fixture *f) {
  int64_t lit = 0;
  for (size_t i = 0; i < f->scene.image->size_bytes; i += 3) {
    lit += ((const uint8_t *)f->scene.image->data)[i] > 0;
  }
  return lit;
}

static void test_quad_covers_exactly_its_pixels(void **state) {
  (void)state;
  fixture f = make_fixture(32);
  set_quad(&f, -0.5, -0.25, 0.5, 0.75, 2, 2);
  assert_ok(mvg_raster_draw(&f.scene));
  assert_int_equal(count_lit(&f), 16 * 16);
  assert_int_equal(get_pixel(&f, 8, 12)[0], 255);
  assert_int_equal(get_pixel(&f, 7, 12)[0], 0);
  assert_int_equal(get_pixel(&f, 23, 27)[0], 255);
  assert_int_equal(get_pixel(&f, 23, 28)[0], 0);
  assert_true(fabsf(get_depth(&f, 10, 20) - 2) < 1e-5f);
  assert_true(get_depth(&f, 0, 0) > 1e29f);
  release(&f);
}

static void test_nearer_surface_wins_in_any_order(void **state) {
  (void)state;
  const double colors[2][12] = {{1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0},
                                {0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0}};
  for (int first = 0; first < 2; first++) {
    fixture f = make_fixture(16);
    for (int k = 0; k < 2; k++) {
      int which = k ^ first;
      set_quad(&f, -1, -1, 1, 1, which ? 3 : 2, which ? 3 : 2);
      f.scene.colors = make_table(&f, MVG_DTYPE_F32, 4, 3, colors[which]);
      assert_ok(mvg_raster_draw(&f.scene));
    }
    assert_int_equal(get_pixel(&f, 8, 8)[0], 255);
    assert_int_equal(get_pixel(&f, 8, 8)[1], 0);
    assert_true(fabsf(get_depth(&f, 8, 8) - 2) < 1e-5f);
    release(&f);
  }
}

// Halfway across the picture of a wall from depth 1 to 3, 1/z is halfway: z = 1.5, a quarter of the
// way along.
static void test_interpolation_is_perspective_correct(void **state) {
  (void)state;
  fixture f = make_fixture(256);
  set_quad(&f, -1, -1, 1, 1, 1, 3);
  const double colors[] = {0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0};
  f.scene.colors = make_table(&f, MVG_DTYPE_F32, 4, 3, colors);
  assert_ok(mvg_raster_draw(&f.scene));
  assert_true(fabsf(get_depth(&f, 128, 128) - 1.5f) < 0.01f);
  assert_in_range(get_pixel(&f, 128, 128)[0], 62, 66);
  assert_in_range(get_pixel(&f, 128, 60)[0], 62, 66);
  release(&f);
}

static void test_faces_are_cut_at_the_near_plane(void **state) {
  (void)state;
  fixture f = make_fixture(64);
  // A floor one metre below the camera, from behind it to far ahead.
  const double vertices[] = {-50, 1, -10, 50, 1, -10, 50, 1, 50, -50, 1, 50};
  const double faces[] = {0, 1, 2, 0, 2, 3};
  f.scene.vertices = make_table(&f, MVG_DTYPE_F32, 4, 3, vertices);
  f.scene.faces = make_table(&f, MVG_DTYPE_I32, 2, 3, faces);
  f.scene.near = 0.1;
  assert_ok(mvg_raster_draw(&f.scene));
  assert_int_equal(get_pixel(&f, 32, 20)[0], 0);
  assert_int_equal(get_pixel(&f, 32, 63)[0], 255);
  assert_true(fabsf(get_depth(&f, 32, 63) - 32 / 31.5f) < 1e-3f);
  for (int64_t x = 0; x < 64; x++)
    assert_int_equal(get_pixel(&f, x, 40)[0], 255);
  release(&f);
}

static void test_what_lies_behind_or_is_not_finite_is_left_out(void **state) {
  (void)state;
  fixture f = make_fixture(16);
  set_quad(&f, -1, -1, 1, 1, -2, -2);
  assert_ok(mvg_raster_draw(&f.scene));
  const double bad[] = {NAN, 0, 2, 1, 0, 2, 0, 1, 2, INFINITY, 1, 2};
  f.scene.vertices = make_table(&f, MVG_DTYPE_F32, 4, 3, bad);
  assert_ok(mvg_raster_draw(&f.scene));
  const double huge[] = {-1e30, 0, 2, 1e30, 0, 2, 0, 1e30, 2, 3e38, 1, 2};
  f.scene.vertices = make_table(&f, MVG_DTYPE_F32, 4, 3, huge);
  assert_ok(mvg_raster_draw(&f.scene));
  assert_int_equal(count_lit(&f), 0);
  release(&f);
}

static void test_light_follows_the_cosine(void **state) {
  (void)state;
  fixture f = make_fixture(16);
  set_quad(&f, -1, -1, 1, 1, 2, 2);
  f.scene.ambient = 0.2;
  const double angles[] = {0, 0.5, 1.0, 2.0};
  for (int i = 0; i < 4; i++) {
    clear(&f);
    f.scene.light[0] = 3 * sin(angles[i]);
    f.scene.light[2] = -3 * cos(angles[i]);
    assert_ok(mvg_raster_draw(&f.scene));
    double expected = 255 * (0.2 + 0.8 * fmax(0, cos(angles[i])));
    assert_true(fabs(get_pixel(&f, 8, 8)[0] - expected) <= 1);
  }
  release(&f);
}

static void test_backs_are_dark_lit_or_left_out(void **state) {
  (void)state;
  fixture f = make_fixture(16);
  set_quad(&f, -1, -1, 1, 1, 2, 2);
  const double turned[] = {0, 1, 3, 1, 2, 3};
  f.scene.faces = make_table(&f, MVG_DTYPE_I32, 2, 3, turned);
  f.scene.light[2] = -1;
  f.scene.ambient = 0.2;
  assert_ok(mvg_raster_draw(&f.scene));
  assert_int_equal(get_pixel(&f, 8, 8)[0], 51);
  clear(&f);
  f.scene.is_two_sided = true;
  assert_ok(mvg_raster_draw(&f.scene));
  assert_int_equal(get_pixel(&f, 8, 8)[0], 255);
  clear(&f);
  f.scene.is_culled = true;
  assert_ok(mvg_raster_draw(&f.scene));
  assert_int_equal(count_lit(&f), 0);
  release(&f);
}

static void test_texture_lies_where_its_coordinates_say(void **state) {
  (void)state;
  fixture f = make_fixture(64);
  set_quad(&f, -1, -1, 1, 1, 2, 2);
  assert_ok(mvg_image_create(2, 2, (mvg_ndarray **)&f.scene.texture));
  keep(&f, (mvg_ndarray *)f.scene.texture);
  const uint8_t texels[12] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255};
  memcpy(f.scene.texture->data, texels, sizeof texels);
  f.scene.texture_coordinates =
      make_table(&f, MVG_DTYPE_F32, 4, 2, (const double[]){0, 0, 1, 0, 1, 1, 0, 1});
  assert_ok(mvg_raster_draw(&f.scene));
  const int64_t centres[4][2] = {{16, 16}, {48, 16}, {16, 48}, {48, 48}};
  for (int i = 0; i < 4; i++) {
    const uint8_t *pixel = get_pixel(&f, centres[i][0], centres[i][1]);
    for (int c = 0; c < 3; c++)
      assert_true(abs(pixel[c] - texels[3 * i + c]) < 12);
  }
  release(&f);
}

static void test_supersampling_softens_edges_only(void **state) {
  (void)state;
  fixture f = make_fixture(32);
  set_quad(&f, -0.53, -0.5, 0.5, 0.5, 2, 2);
  f.scene.is_supersampled = true;
  assert_ok(mvg_raster_draw(&f.scene));
  assert_int_equal(get_pixel(&f, 16, 16)[0], 255);
  assert_in_range(get_pixel(&f, 7, 16)[0], 126, 129);
  assert_int_equal(get_pixel(&f, 6, 16)[0], 0);
  assert_true(fabsf(get_depth(&f, 7, 16) - 2) < 1e-5f);
  release(&f);
}

// A fan of thin faces around a point: neighbours share edges at every slope, and no pixel inside is
// missed.
static void test_shared_edges_leave_no_gaps(void **state) {
  (void)state;
  enum { SPOKES = 97 };
  fixture f = make_fixture(128);
  double vertices[(SPOKES + 1) * 3] = {0.013, -0.021, 1}, faces[SPOKES * 3];
  for (int i = 0; i < SPOKES; i++) {
    double angle = 2 * M_PI * i / SPOKES;
    vertices[3 * i + 3] = 0.9 * cos(angle);
    vertices[3 * i + 4] = 0.9 * sin(angle);
    vertices[3 * i + 5] = 1;
    faces[3 * i] = 0;
    faces[3 * i + 1] = 1 + i;
    faces[3 * i + 2] = 1 + (i + 1) % SPOKES;
  }
  f.scene.vertices = make_table(&f, MVG_DTYPE_F32, SPOKES + 1, 3, vertices);
  f.scene.faces = make_table(&f, MVG_DTYPE_I32, SPOKES, 3, faces);
  assert_ok(mvg_raster_draw(&f.scene));
  for (int64_t y = 0; y < 128; y++) {
    for (int64_t x = 0; x < 128; x++) {
      double radius = hypot((double)x + 0.5 - 64, (double)y + 0.5 - 64);
      if (radius < 57) assert_int_equal(get_pixel(&f, x, y)[0], 255);
      if (radius > 58.5) assert_int_equal(get_pixel(&f, x, y)[0], 0);
    }
  }
  release(&f);
}

static void test_normals_point_outwards_with_unit_length(void **state) {
  (void)state;
  fixture f = {0};
  const double vertices[] = {1, 0, 0, 0, 1, 0, 0, 0, 1, -1, -1, -1, 9, 9, 9};
  const double faces[] = {0, 1, 2, 0, 3, 1, 1, 3, 2, 2, 3, 0};
  const mvg_ndarray *v = make_table(&f, MVG_DTYPE_F32, 5, 3, vertices);
  mvg_ndarray *normals;
  assert_ok(mvg_raster_make_normals(v, make_table(&f, MVG_DTYPE_I32, 4, 3, faces), &normals));
  for (int i = 0; i < 4; i++) {
    const float *n = (const float *)normals->data + 3 * i;
    const double *p = vertices + 3 * i;
    assert_true(fabs(hypot(hypot(n[0], n[1]), n[2]) - 1) < 1e-5);
    assert_true(n[0] * p[0] + n[1] * p[1] + n[2] * p[2] > 0);
  }
  assert_true(((const float *)normals->data)[12] == 0);
  mvg_ndarray_release(normals);
  release(&f);
}

static void test_wrong_scenes_are_refused(void **state) {
  (void)state;
  fixture f = make_fixture(16), other = make_fixture(8);
  set_quad(&f, -1, -1, 1, 1, 2, 2);
  mvg_raster_scene scene = f.scene;
  scene.depth = other.scene.depth;
  assert_fails(mvg_raster_draw(&scene), MVG_INVALID_ARGUMENT, "depth: expected f32 [16, 16]");
  scene = f.scene;
  scene.faces = make_table(&f, MVG_DTYPE_I32, 1, 3, (const double[]){0, 1, 4});
  assert_fails(mvg_raster_draw(&scene), MVG_INVALID_ARGUMENT, "face 0 names vertex 4");
  scene.faces = make_table(&f, MVG_DTYPE_I32, 1, 3, (const double[]){0, -1, 1});
  assert_fails(mvg_raster_draw(&scene), MVG_INVALID_ARGUMENT, "names vertex -1");
  scene = f.scene;
  scene.focal = 0;
  assert_fails(mvg_raster_draw(&scene), MVG_INVALID_ARGUMENT, "focal length");
  scene = f.scene;
  scene.texture = f.scene.image;
  assert_fails(mvg_raster_draw(&scene), MVG_INVALID_ARGUMENT, "go together");
  scene = f.scene;
  scene.colors = make_table(&f, MVG_DTYPE_F32, 3, 3, NULL);
  assert_fails(mvg_raster_draw(&scene), MVG_INVALID_ARGUMENT, "colors: expected f32 [4, 3]");
  release(&f);
  release(&other);
}

static void test_random_soup_is_drawn_the_same_each_time(void **state) {
  (void)state;
  enum { COUNT = 600 };
  mvg_ndarray *pictures[2];
  fixture fixtures[2];
  for (int round = 0; round < 2; round++) {
    fixture f = make_fixture(64);
    double vertices[COUNT * 3], faces[COUNT * 3];
    for (uint32_t i = 0; i < COUNT * 3; i++) {
      vertices[i] = 8 * mvg_rng_uniform(5, 0, 0, i) - 4;
      faces[i] = floor(COUNT * mvg_rng_uniform(5, 0, 1, i));
    }
    f.scene.vertices = make_table(&f, MVG_DTYPE_F32, COUNT, 3, vertices);
    f.scene.faces = make_table(&f, MVG_DTYPE_I32, COUNT, 3, faces);
    f.scene.light[1] = -1;
    f.scene.is_supersampled = true;
    assert_ok(mvg_raster_draw(&f.scene));
    fixtures[round] = f;
    pictures[round] = f.scene.image;
  }
  assert_true(count_lit(&fixtures[0]) > 1000);
  assert_memory_equal(pictures[0]->data, pictures[1]->data, pictures[0]->size_bytes);
  for (int round = 0; round < 2; round++)
    release(&fixtures[round]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_quad_covers_exactly_its_pixels),
      cmocka_unit_test(test_nearer_surface_wins_in_any_order),
      cmocka_unit_test(test_interpolation_is_perspective_correct),
      cmocka_unit_test(test_faces_are_cut_at_the_near_plane),
      cmocka_unit_test(test_what_lies_behind_or_is_not_finite_is_left_out),
      cmocka_unit_test(test_light_follows_the_cosine),
      cmocka_unit_test(test_backs_are_dark_lit_or_left_out),
      cmocka_unit_test(test_texture_lies_where_its_coordinates_say),
      cmocka_unit_test(test_supersampling_softens_edges_only),
      cmocka_unit_test(test_shared_edges_leave_no_gaps),
      cmocka_unit_test(test_normals_point_outwards_with_unit_length),
      cmocka_unit_test(test_wrong_scenes_are_refused),
      cmocka_unit_test(test_random_soup_is_drawn_the_same_each_time),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

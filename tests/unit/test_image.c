// Pictures: PNG there and back, foreign flavours of PNG and JPEG, damage; resizing, cropping and
// flat drawing.
#include "../support/test_support.h"

#include <math.h>
#include <png.h>

#include "../support/test_folder.h"
#include "base/alloc.h"
#include "base/rng.h"
#include "data/augment.h"
#include "data/crop.h"
#include "data/draw.h"
#include "io/file.h"
#include "io/image.h"

static mvg_ndarray *make_image(int64_t height, int64_t width) {
  mvg_ndarray *image;
  assert_ok(mvg_image_create(height, width, &image));
  return image;
}

// Every pixel differs from its neighbours.
static mvg_ndarray *make_pattern(int64_t height, int64_t width) {
  mvg_ndarray *image = make_image(height, width);
  uint8_t *bytes = image->data;
  for (size_t i = 0; i < image->size_bytes; i++)
    bytes[i] = (uint8_t)(i * 37 + i / 7 * 11);
  return image;
}

static mvg_ndarray *make_plain(int64_t height, int64_t width, uint8_t value) {
  mvg_ndarray *image = make_image(height, width);
  memset(image->data, value, image->size_bytes);
  return image;
}

static const uint8_t *get_pixel(const mvg_ndarray *image, int64_t x, int64_t y) {
  return (const uint8_t *)image->data + 3 * (y * image->shape.dims[1] + x);
}

static int64_t count_lit(const mvg_ndarray *image) {
  int64_t lit = 0;
  for (size_t i = 0; i < image->size_bytes; i += 3)
    lit += ((const uint8_t *)image->data)[i] > 0;
  return lit;
}

static void test_png_survives_a_round_trip_with_stable_bytes(void **state) {
  (void)state;
  mvg_ndarray *image = make_pattern(13, 29), *read;
  char *bytes[2];
  size_t sizes[2];
  for (int i = 0; i < 2; i++) {
    assert_ok(mvg_image_write_png(in_folder("a.png"), image));
    assert_ok(mvg_file_read(in_folder("a.png"), MVG_FILE_NO_LIMIT, &bytes[i], &sizes[i]));
  }
  assert_int_equal(sizes[0], sizes[1]);
  assert_memory_equal(bytes[0], bytes[1], sizes[0]);
  assert_ok(mvg_image_read(in_folder("a.png"), &read));
  assert_true(mvg_shape_is_equal(&read->shape, &image->shape));
  assert_memory_equal(read->data, image->data, image->size_bytes);
  for (int i = 0; i < 2; i++)
    mvg_free(bytes[i]);
  mvg_ndarray_release(read);
  mvg_ndarray_release(image);
}

// One pixel row as another program would store it.
static void write_foreign(const char *path, int color_type, int depth, png_bytep row,
                          png_uint_32 width) {
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  png_infop info = png_create_info_struct(png);
  png_init_io(png, file);
  png_set_IHDR(png, info, width, 1, depth, color_type, PNG_INTERLACE_ADAM7,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (color_type == PNG_COLOR_TYPE_PALETTE) {
    const png_color colors[2] = {{10, 20, 30}, {200, 100, 50}};
    png_set_PLTE(png, info, colors, 2);
  }
  png_write_info(png, info);
  for (int pass = png_set_interlace_handling(png); pass > 0; pass--)
    png_write_row(png, row);
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  fclose(file);
}

static void assert_row(const char *path, const uint8_t *expected, int64_t width) {
  mvg_ndarray *image;
  assert_ok(mvg_image_read(path, &image));
  assert_int_equal(image->shape.dims[1], width);
  assert_memory_equal(image->data, expected, (size_t)width * 3);
  mvg_ndarray_release(image);
}

static void test_other_kinds_of_png_become_rgb(void **state) {
  (void)state;
  const char *path = in_folder("foreign.png");
  write_foreign(path, PNG_COLOR_TYPE_GRAY, 1, (png_byte[]){0x80}, 2);
  assert_row(path, (uint8_t[]){255, 255, 255, 0, 0, 0}, 2);
  write_foreign(path, PNG_COLOR_TYPE_GRAY, 16, (png_byte[]){0x80, 0x80, 0xff, 0xff}, 2);
  assert_row(path, (uint8_t[]){128, 128, 128, 255, 255, 255}, 2);
  write_foreign(path, PNG_COLOR_TYPE_RGB_ALPHA, 8, (png_byte[]){9, 8, 7, 0}, 1);
  assert_row(path, (uint8_t[]){9, 8, 7}, 1);
  write_foreign(path, PNG_COLOR_TYPE_PALETTE, 8, (png_byte[]){1, 0}, 2);
  assert_row(path, (uint8_t[]){200, 100, 50, 10, 20, 30}, 2);
}

// Two pixels in the plainest of formats.
static const unsigned char small_ppm[] = "P6\n2 1\n255\n\x0a\x14\x1e\xc8\x64\x32";

static void test_other_formats_go_through_ffmpeg(void **state) {
  (void)state;
  assert_ok(mvg_file_write_atomic(in_folder("a.ppm"), small_ppm, sizeof small_ppm - 1));
  assert_row(in_folder("a.ppm"), (uint8_t[]){10, 20, 30, 200, 100, 50}, 2);
}

static void test_bad_pictures_are_refused_by_name(void **state) {
  (void)state;
  mvg_ndarray *image;
  assert_fails(mvg_image_read(in_folder("none.png"), &image), MVG_NOT_FOUND, "none.png");
  assert_ok(mvg_file_write_atomic(in_folder("text.png"), "not a picture", 13));
  assert_fails(mvg_image_read(in_folder("text.png"), &image), MVG_INVALID_ARGUMENT, "text.png");
  assert_ok(mvg_file_write_atomic(in_folder("empty.png"), "", 0));
  assert_fails(mvg_image_read(in_folder("empty.png"), &image), MVG_INVALID_ARGUMENT, "empty.png");
  assert_null(image);
}

static void test_cut_and_damaged_png_never_crash(void **state) {
  (void)state;
  mvg_ndarray *image = make_pattern(20, 20), *read;
  assert_ok(mvg_image_write_png(in_folder("whole.png"), image));
  char *bytes;
  size_t size;
  assert_ok(mvg_file_read(in_folder("whole.png"), MVG_FILE_NO_LIMIT, &bytes, &size));
  for (size_t cut = 8; cut < size; cut += 17) {
    assert_ok(mvg_file_write_atomic(in_folder("cut.png"), bytes, cut));
    assert_fails(mvg_image_read(in_folder("cut.png"), &read), MVG_INVALID_ARGUMENT, "cut.png");
  }
  int refused = 0;
  for (uint32_t round = 0; round < 300; round++) {
    uint32_t key[2] = {round, 3}, counter[4] = {0}, words[4];
    mvg_rng_philox(counter, key, words);
    size_t at = 8 + words[0] % (size - 8);
    bytes[at] ^= (char)(1 << words[1] % 8);
    assert_ok(mvg_file_write_atomic(in_folder("bad.png"), bytes, size));
    mvg_status status = mvg_image_read(in_folder("bad.png"), &read);
    refused += status != NULL;
    mvg_status_destroy(status);
    mvg_ndarray_release(read);
    bytes[at] ^= (char)(1 << words[1] % 8);
  }
  assert_true(refused > 250);
  mvg_free(bytes);
  mvg_ndarray_release(image);
}

static void test_wrong_arrays_are_not_pictures(void **state) {
  (void)state;
  mvg_shape shape = {.rank = 3, .dims = {4, 4, 3}};
  mvg_ndarray *floats, *read;
  assert_ok(mvg_ndarray_create(MVG_DTYPE_F32, &shape, &floats));
  assert_fails(mvg_image_write_png(in_folder("f.png"), floats), MVG_INVALID_ARGUMENT,
               "f32 [4, 4, 3]; a picture is u8");
  mvg_ndarray *flat = make_image(0, 4);
  assert_fails(mvg_image_write_png(in_folder("f.png"), flat), MVG_INVALID_ARGUMENT, "no pixels");
  assert_false(mvg_file_exists(in_folder("f.png")));
  assert_fails(mvg_image_create(-1, 4, &read), MVG_INVALID_ARGUMENT, "sides");
  mvg_ndarray_release(floats);
  mvg_ndarray_release(flat);
}

static void test_every_failed_allocation_is_clean(void **state) {
  (void)state;
  mvg_ndarray *image = make_pattern(5, 5), *read;
  assert_ok(mvg_image_write_png(in_folder("oom.png"), image));
  mvg_status status;
  uint64_t n = 0;
  do {
    mvg_alloc_fail_nth(++n);
    status = mvg_image_read(in_folder("oom.png"), &read);
    if (!status) {
      mvg_ndarray_release(read);
      status = mvg_image_write_png(in_folder("oom2.png"), image);
    }
    mvg_alloc_fail_nth(0);
    mvg_code code = mvg_status_get_code(status);
    assert_true(!status || code == MVG_OUT_OF_MEMORY);
    mvg_status_destroy(status);
  } while (status);
  assert_true(n > 3);
  mvg_ndarray_release(image);
}

static void test_resize_keeps_plain_colour_and_mean(void **state) {
  (void)state;
  mvg_ndarray *plain = make_plain(17, 31, 200), *resized;
  const int64_t sizes[][2] = {{1, 1}, {5, 9}, {17, 31}, {40, 70}};
  for (int i = 0; i < 4; i++) {
    assert_ok(mvg_draw_resize(plain, sizes[i][0], sizes[i][1], &resized));
    for (size_t k = 0; k < resized->size_bytes; k++) {
      assert_int_equal(((uint8_t *)resized->data)[k], 200);
    }
    mvg_ndarray_release(resized);
  }
  mvg_ndarray_release(plain);
  mvg_ndarray *pattern = make_pattern(8, 8);
  assert_ok(mvg_draw_resize(pattern, 8, 8, &resized));
  assert_memory_equal(resized->data, pattern->data, pattern->size_bytes);
  mvg_ndarray_release(resized);
  assert_fails(mvg_draw_resize(pattern, 0, 8, &resized), MVG_INVALID_ARGUMENT, "at least 1");
  mvg_ndarray_release(pattern);
}

static void test_shrinking_averages_fine_stripes(void **state) {
  (void)state;
  mvg_ndarray *stripes = make_image(64, 64), *small;
  for (size_t i = 0; i < stripes->size_bytes; i++) {
    ((uint8_t *)stripes->data)[i] = i / 3 % 2 ? 255 : 0;
  }
  assert_ok(mvg_draw_resize(stripes, 8, 8, &small));
  for (int64_t x = 1; x < 7; x++)
    assert_in_range(get_pixel(small, x, 3)[1], 126, 129);
  mvg_ndarray_release(small);
  assert_ok(mvg_crop_affine(stripes, &(mvg_crop_box){32, 32, 64, 0}, 8, &small));
  for (int64_t x = 1; x < 7; x++)
    assert_in_range(get_pixel(small, x, 3)[1], 126, 129);
  mvg_ndarray_release(small);
  mvg_ndarray_release(stripes);
}

static void test_crop_at_full_scale_copies_pixels(void **state) {
  (void)state;
  mvg_ndarray *image = make_pattern(20, 30), *crop;
  assert_ok(mvg_crop_affine(image, &(mvg_crop_box){14, 9, 8, 0}, 8, &crop));
  for (int64_t y = 0; y < 8; y++) {
    assert_memory_equal(get_pixel(crop, 0, y), get_pixel(image, 10, 5 + y), 24);
  }
  mvg_ndarray_release(crop);
  assert_ok(mvg_crop_affine(image, &(mvg_crop_box){14, 9, 8, M_PI / 2}, 8, &crop));
  assert_memory_equal(get_pixel(crop, 0, 0), get_pixel(image, 17, 5), 3);
  assert_memory_equal(get_pixel(crop, 7, 0), get_pixel(image, 17, 12), 3);
  mvg_ndarray_release(crop);
  mvg_ndarray_release(image);
}

static void test_crop_outside_is_black(void **state) {
  (void)state;
  mvg_ndarray *image = make_plain(10, 10, 255), *crop;
  assert_ok(mvg_crop_affine(image, &(mvg_crop_box){0, 0, 8, 0}, 8, &crop));
  assert_int_equal(get_pixel(crop, 0, 7)[0], 0);
  assert_int_equal(get_pixel(crop, 7, 0)[0], 0);
  assert_int_equal(get_pixel(crop, 7, 7)[0], 255);
  mvg_ndarray_release(crop);
  assert_ok(mvg_crop_affine(image, &(mvg_crop_box){1e12, 0, 8, 0}, 8, &crop));
  assert_int_equal(count_lit(crop), 0);
  mvg_ndarray_release(crop);
  assert_fails(mvg_crop_affine(image, &(mvg_crop_box){NAN, 0, 8, 0}, 8, &crop),
               MVG_INVALID_ARGUMENT, "finite");
  assert_fails(mvg_crop_affine(image, &(mvg_crop_box){0, 0, 0, 0}, 8, &crop), MVG_INVALID_ARGUMENT,
               "positive");
  mvg_ndarray_release(image);
}

static void test_normalize_puts_channels_first(void **state) {
  (void)state;
  mvg_shape shape = {.rank = 4, .dims = {2, 3, 5, 3}};
  mvg_ndarray *images, *batch;
  assert_ok(mvg_ndarray_create(MVG_DTYPE_U8, &shape, &images));
  for (size_t i = 0; i < images->size_bytes; i++)
    ((uint8_t *)images->data)[i] = (uint8_t)(i * 29);
  const double mean[3] = {0.485, 0.456, 0.406}, std[3] = {0.229, 0.224, 0.225};
  assert_ok(mvg_crop_normalize_batch(images, mean, std, &batch));
  const int64_t expected[4] = {2, 3, 3, 5};
  assert_memory_equal(batch->shape.dims, expected, sizeof expected);
  for (int64_t b = 0; b < 2; b++) {
    for (int64_t c = 0; c < 3; c++) {
      for (int64_t i = 0; i < 15; i++) {
        double value = ((const uint8_t *)images->data)[(b * 15 + i) * 3 + c] / 255.0;
        double got = ((const float *)batch->data)[(b * 3 + c) * 15 + i];
        assert_true(fabs(got - (value - mean[c]) / std[c]) < 1e-6);
      }
    }
  }
  const double zero[3] = {1, 0, 1};
  mvg_ndarray *none;
  assert_fails(mvg_crop_normalize_batch(images, mean, zero, &none), MVG_INVALID_ARGUMENT,
               "channel 1");
  assert_fails(mvg_crop_normalize_batch(batch, mean, std, &none), MVG_INVALID_ARGUMENT,
               "expected u8 [b, h, w, 3]");
  mvg_ndarray_release(batch);
  mvg_ndarray_release(images);
}

static void test_augmenting_changes_in_place_and_holds_nothing(void **state) {
  (void)state;
  const mvg_shape shape = {.rank = 4, .dims = {1, 2, 2, 3}};
  const mvg_augmentation change = {
      .box = {1, 1, 2, 0}, .is_mirrored = true, .gains = {1, 2, 1}, .offsets = {0, 0, 5}};
  mvg_alloc_watch();
  mvg_ndarray *images;
  assert_ok(mvg_ndarray_create(MVG_DTYPE_U8, &shape, &images));
  for (int i = 0; i < 12; i++)
    ((uint8_t *)images->data)[i] = (uint8_t)i;
  assert_ok(mvg_augment_batch(images, &change));
  const uint8_t expected[] = {3, 8, 10, 0, 2, 7, 9, 20, 16, 6, 14, 13};
  assert_memory_equal(images->data, expected, sizeof expected);
  mvg_ndarray_release(images);
  assert_int_equal(mvg_alloc_unwatch(), 0);
}

static void test_shapes_cover_their_area(void **state) {
  (void)state;
  const mvg_color white = {255, 255, 255};
  mvg_ndarray *image = make_image(100, 100);
  assert_ok(mvg_draw_disc(image, 50, 50, 20, white));
  double sum = 0;
  for (size_t i = 0; i < image->size_bytes; i += 3)
    sum += ((const uint8_t *)image->data)[i] / 255.0;
  assert_true(fabs(sum - M_PI * 400) < 12);
  memset(image->data, 0, image->size_bytes);
  assert_ok(mvg_draw_line(image, 10, 50, 90, 50, white, 4));
  sum = 0;
  for (int64_t y = 0; y < 100; y++)
    sum += get_pixel(image, 50, y)[0] / 255.0;
  assert_true(fabs(sum - 4) < 0.05);
  memset(image->data, 0, image->size_bytes);
  assert_ok(mvg_draw_rect(image, 10, 20, 30, 40, white, 0));
  assert_int_equal(count_lit(image), 30 * 40);
  memset(image->data, 0, image->size_bytes);
  assert_ok(mvg_draw_rect(image, 10, 20, 30, 40, white, 2));
  assert_int_equal(count_lit(image), 30 * 40 - 26 * 36);
  mvg_ndarray_release(image);
}

static void test_drawing_outside_is_cut(void **state) {
  (void)state;
  const mvg_color white = {255, 255, 255};
  mvg_ndarray *image = make_image(10, 10), *source = make_plain(6, 6, 9);
  assert_ok(mvg_draw_line(image, -1e9, -1e9, -5, 1e9, white, 3));
  assert_ok(mvg_draw_line(image, NAN, 0, 5, INFINITY, white, 3));
  assert_ok(mvg_draw_disc(image, 1e300, 5, 3, white));
  assert_ok(mvg_draw_rect(image, 50, -50, 30, 30, white, 0));
  assert_ok(mvg_draw_text(image, -500, 3, "away", white, 2));
  assert_ok(mvg_draw_paste(image, source, 10, 0));
  assert_ok(mvg_draw_paste(image, source, 0, -6));
  assert_int_equal(count_lit(image), 0);
  assert_ok(mvg_draw_paste(image, source, -2, 7));
  assert_int_equal(count_lit(image), 4 * 3);
  mvg_ndarray_release(image);
  mvg_ndarray_release(source);
}

static void test_letters_are_legible_dots(void **state) {
  (void)state;
  const mvg_color white = {255, 255, 255};
  static const char *const expected[7] = {"#...#", "#...#", "#...#", "#####",
                                          "#...#", "#...#", "#...#"};
  mvg_ndarray *image = make_image(20, 60);
  assert_ok(mvg_draw_text(image, 3, 2, "H", white, 1));
  for (int y = 0; y < 7; y++) {
    for (int x = 0; x < 5; x++) {
      assert_int_equal(get_pixel(image, 3 + x, 2 + y)[0], expected[y][x] == '#' ? 255 : 0);
    }
  }
  int64_t width, height;
  mvg_draw_measure_text("ab\nlonger", 2, &width, &height);
  assert_int_equal(width, (6 * 6 - 1) * 2);
  assert_int_equal(height, (9 + 7) * 2);
  mvg_ndarray_release(image);
}

static void test_every_printable_character_differs(void **state) {
  (void)state;
  const mvg_color white = {255, 255, 255};
  mvg_ndarray *drawn[128] = {0};
  for (int c = ' '; c <= '~'; c++) {
    drawn[c] = make_image(9, 6);
    assert_ok(mvg_draw_text(drawn[c], 0, 0, (char[]){(char)c, 0}, white, 1));
    for (int other = ' '; other < c; other++) {
      assert_memory_not_equal(drawn[c]->data, drawn[other]->data, drawn[c]->size_bytes);
    }
  }
  for (int c = ' '; c <= '~'; c++)
    mvg_ndarray_release(drawn[c]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_png_survives_a_round_trip_with_stable_bytes),
      cmocka_unit_test(test_other_kinds_of_png_become_rgb),
      cmocka_unit_test(test_other_formats_go_through_ffmpeg),
      cmocka_unit_test(test_bad_pictures_are_refused_by_name),
      cmocka_unit_test(test_cut_and_damaged_png_never_crash),
      cmocka_unit_test(test_wrong_arrays_are_not_pictures),
      cmocka_unit_test(test_every_failed_allocation_is_clean),
      cmocka_unit_test(test_resize_keeps_plain_colour_and_mean),
      cmocka_unit_test(test_shrinking_averages_fine_stripes),
      cmocka_unit_test(test_crop_at_full_scale_copies_pixels),
      cmocka_unit_test(test_crop_outside_is_black),
      cmocka_unit_test(test_normalize_puts_channels_first),
      cmocka_unit_test(test_augmenting_changes_in_place_and_holds_nothing),
      cmocka_unit_test(test_shapes_cover_their_area),
      cmocka_unit_test(test_drawing_outside_is_cut),
      cmocka_unit_test(test_letters_are_legible_dots),
      cmocka_unit_test(test_every_printable_character_differs),
  };
  return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}

// Videos: every frame in order, turned as the file asks, and a clear word about files that are cut
// or no videos.
#include "../support/test_support.h"

#include "../support/make_clip.h"
#include "../support/skip.h"
#include "../support/test_folder.h"
#include "base/alloc.h"
#include "base/rng.h"
#include "data/video.h"
#include "io/file.h"

static const clip_options small_clip = {
    .width = 64, .height = 32, .frame_count = 20, .is_with_index_first = true};

static mvg_video *open_video(const char *path) {
  mvg_video *video;
  assert_ok(mvg_video_create(path, &video));
  return video;
}

static const uint8_t *get_pixel(const mvg_ndarray *frame, int64_t x, int64_t y) {
  return (const uint8_t *)frame->data + 3 * (y * frame->shape.dims[1] + x);
}

static void assert_frame(mvg_video *video, int index) {
  mvg_ndarray *frame;
  assert_ok(mvg_video_read(video, &frame));
  assert_non_null(frame);
  for (int c = 0; c < 3; c++) {
    assert_in_range(get_pixel(frame, 60, 28)[c], 8 + 8 * index, 12 + 8 * index);
    assert_in_range(get_pixel(frame, 4, 4)[c], 253, 255);
  }
  mvg_ndarray_release(frame);
}

static void assert_ends(mvg_video *video) {
  mvg_ndarray *frame;
  for (int i = 0; i < 2; i++) {
    assert_ok(mvg_video_read(video, &frame));
    assert_null(frame);
  }
}

static int64_t count_frames(mvg_video *video) {
  int64_t count;
  assert_ok(mvg_video_count_frames(video, &count));
  return count;
}

static void test_frames_come_in_order_from_each_container(void **state) {
  (void)state;
  const char *names[] = {"a.mp4", "a.mkv", "a.avi"};
  for (int k = 0; k < 3; k++) {
    make_clip(in_folder(names[k]), &small_clip);
    mvg_video *video = open_video(in_folder(names[k]));
    assert_int_equal(mvg_video_get_width(video), 64);
    assert_int_equal(mvg_video_get_height(video), 32);
    assert_true(mvg_video_get_frames_per_second(video) == 25);
    for (int i = 0; i < 5; i++)
      assert_frame(video, i);
    assert_int_equal(count_frames(video), 20);
    for (int i = 5; i < 20; i++)
      assert_frame(video, i);
    assert_ends(video);
    assert_ok(mvg_video_rewind(video));
    assert_frame(video, 0);
    mvg_video_destroy(video);
  }
}

// The white corner, top left as stored, is top right after a clockwise quarter.
static void test_a_turn_asked_for_is_done(void **state) {
  (void)state;
  clip_options options = small_clip;
  options.is_turned = true;
  make_clip(in_folder("turned.mp4"), &options);
  mvg_video *video = open_video(in_folder("turned.mp4"));
  assert_int_equal(mvg_video_get_width(video), 32);
  assert_int_equal(mvg_video_get_height(video), 64);
  mvg_ndarray *frame;
  assert_ok(mvg_video_read(video, &frame));
  assert_in_range(get_pixel(frame, 28, 4)[0], 253, 255);
  assert_in_range(get_pixel(frame, 4, 4)[0], 8, 12);
  assert_in_range(get_pixel(frame, 28, 60)[0], 8, 12);
  mvg_ndarray_release(frame);
  mvg_video_destroy(video);
}

static void cut_file(const char *from, const char *to, double part) {
  char *bytes;
  size_t size;
  assert_ok(mvg_file_read(from, MVG_FILE_NO_LIMIT, &bytes, &size));
  assert_ok(mvg_file_write_atomic(to, bytes, (size_t)((double)size * part)));
  mvg_free(bytes);
}

static mvg_status read_all_frames(const char *path) {
  mvg_video *video;
  MVG_RETURN_IF_ERROR(mvg_video_create(path, &video));
  mvg_ndarray *frame;
  mvg_status status;
  do {
    status = mvg_video_read(video, &frame);
    mvg_ndarray_release(frame);
  } while (!status && frame);
  mvg_video_destroy(video);
  return status;
}

static void test_cut_videos_are_told_with_counts(void **state) {
  (void)state;
  make_clip(in_folder("whole.mp4"), &small_clip);
  cut_file(in_folder("whole.mp4"), in_folder("cut.mp4"), 0.6);
  assert_fails(read_all_frames(in_folder("cut.mp4")), MVG_IO, "of 20 frames announced");
  mvg_video *video = open_video(in_folder("cut.mp4"));
  int64_t count;
  assert_fails(mvg_video_count_frames(video, &count), MVG_IO, "of 20 frames announced");
  mvg_video_destroy(video);
  make_clip(in_folder("whole.mkv"), &small_clip);
  cut_file(in_folder("whole.mkv"), in_folder("cut.mkv"), 0.6);
  assert_fails(read_all_frames(in_folder("cut.mkv")), MVG_IO, "seconds announced");
}

static void test_a_video_without_its_index_is_refused(void **state) {
  (void)state;
  clip_options options = small_clip;
  options.is_with_index_first = false;
  make_clip(in_folder("late.mp4"), &options);
  cut_file(in_folder("late.mp4"), in_folder("cut.mp4"), 0.6);
  mvg_video *video;
  assert_fails(mvg_video_create(in_folder("cut.mp4"), &video), MVG_INVALID_ARGUMENT, "moov");
  assert_null(video);
}

static void test_what_is_no_video_is_refused_by_name(void **state) {
  (void)state;
  mvg_video *video;
  assert_fails(mvg_video_create(in_folder("none.mp4"), &video), MVG_NOT_FOUND, "none.mp4");
  assert_fails(mvg_video_create(test_folder, &video), MVG_IO, "is a directory");
  assert_ok(mvg_file_write_atomic(in_folder("text.mp4"), "just words\n", 11));
  assert_fails(mvg_video_create(in_folder("text.mp4"), &video), MVG_INVALID_ARGUMENT, "text.mp4");
  assert_ok(mvg_file_write_atomic(in_folder("empty.mp4"), "", 0));
  assert_fails(mvg_video_create(in_folder("empty.mp4"), &video), MVG_INVALID_ARGUMENT, "empty.mp4");
}

// A playlist must not lead to files that nobody named.
static void test_references_to_other_files_are_not_followed(void **state) {
  (void)state;
  make_clip(in_folder("target.mp4"), &small_clip);
  const char concat[] = "ffconcat version 1.0\nfile target.mp4\n";
  assert_ok(mvg_file_write_atomic(in_folder("list.ffconcat"), concat, sizeof concat - 1));
  mvg_video *video;
  assert_fails(mvg_video_create(in_folder("list.ffconcat"), &video), MVG_INVALID_ARGUMENT, "list");
  char hls[PATH_MAX + 128];
  int size = snprintf(hls, sizeof hls, "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n%s\n",
                      in_folder("target.mp4"));
  assert_ok(mvg_file_write_atomic(in_folder("list.m3u8"), hls, (size_t)size));
  assert_fails(mvg_video_create(in_folder("list.m3u8"), &video), MVG_INVALID_ARGUMENT, "list");
}

static void test_damaged_videos_never_crash(void **state) {
  (void)state;
  make_clip(
      in_folder("sound.mp4"),
      &(clip_options){.width = 32, .height = 32, .frame_count = 4, .is_with_index_first = true});
  char *bytes;
  size_t size;
  assert_ok(mvg_file_read(in_folder("sound.mp4"), MVG_FILE_NO_LIMIT, &bytes, &size));
  int refused = 0;
  for (uint32_t round = 0; round < 150; round++) {
    uint32_t key[2] = {round, 11}, counter[4] = {0}, words[4];
    mvg_rng_philox(counter, key, words);
    size_t at = words[0] % (size < 1200 ? size : 1200);
    char before = bytes[at];
    bytes[at] = (char)words[1];
    assert_ok(mvg_file_write_atomic(in_folder("damaged.mp4"), bytes, size));
    bytes[at] = before;
    mvg_status status = read_all_frames(in_folder("damaged.mp4"));
    refused += status != NULL;
    mvg_status_destroy(status);
  }
  assert_true(refused > 10 && refused < 150);
  mvg_free(bytes);
}

// As the limit on a single request of FFmpeg's rises, reading fails until it can succeed.
static void test_reading_within_any_limit_of_memory_is_clean(void **state) {
  (void)state;
  make_clip(in_folder("limited.mp4"), &small_clip);
  int refused = 0;
  mvg_status status;
  size_t limit_bytes = 64;
  do {
    limit_bytes += limit_bytes / 16;
    av_max_alloc(limit_bytes);
    status = read_all_frames(in_folder("limited.mp4"));
    refused += status != NULL;
    if (status) assert_non_null(strstr(mvg_status_get_message(status), "limited.mp4"));
    mvg_status_destroy(status);
  } while (status);
  av_max_alloc(INT_MAX);
  assert_in_range(refused, 20, 200);
}

static void test_real_footage_is_read_whole(void **state) {
  (void)state;
  const char *path = get_shared("data/balance/cam02.mp4");
  assert_non_null(path);
  mvg_video *video = open_video(path);
  assert_int_equal(count_frames(video), 100);
  mvg_ndarray *frame;
  assert_ok(mvg_video_read(video, &frame));
  assert_int_equal(frame->shape.dims[0], 1920);
  assert_int_equal(frame->shape.dims[1], 1080);
  mvg_ndarray_release(frame);
  mvg_video_destroy(video);
}

int main(void) {
  struct CMUnitTest tests[] = {
      cmocka_unit_test(test_frames_come_in_order_from_each_container),
      cmocka_unit_test(test_a_turn_asked_for_is_done),
      cmocka_unit_test(test_cut_videos_are_told_with_counts),
      cmocka_unit_test(test_a_video_without_its_index_is_refused),
      cmocka_unit_test(test_what_is_no_video_is_refused_by_name),
      cmocka_unit_test(test_references_to_other_files_are_not_followed),
      cmocka_unit_test(test_damaged_videos_never_crash),
      cmocka_unit_test(test_reading_within_any_limit_of_memory_is_clean),
      cmocka_unit_test(test_real_footage_is_read_whole),
  };
  char name[SKIPPED_NAME_SIZE];
  if (!get_shared("data/balance/cam02.mp4")) {
    struct CMUnitTest *last = &tests[sizeof tests / sizeof *tests - 1];
    mark_skipped(last, name, "no data/balance/cam02.mp4 below MVGRAPH_SHARED");
  }
  return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}

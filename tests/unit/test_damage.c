// Damaged files: every cut of a small file and every flipped bit of its beginning, for every
// reader. Each is read or refused by name, never by a mistake of the reader's own.
#include "tests/support/test_support.h"

#include "tests/support/make_clip.h"
#include "tests/support/test_folder.h"

#include <stdio.h>

#include "base/alloc.h"
#include "io/file.h"
#include "script/vm.h"

typedef struct {
  const char *name;
  char *bytes;
  size_t size;
} sound_file;

static mvg_vm *vm;

static mvg_status call(const char *function, const char *name, int n, int *out_result) {
  char number[16];
  snprintf(number, sizeof number, "%d", n);
  const char *arguments[] = {test_folder, name, number};
  bool is_usage;
  return mvg_vm_call_main(vm, "tests.support.readers", function, arguments, 3, out_result,
                          &is_usage);
}

static mvg_status read_file(const char *name) {
  int result;
  return call("read", name, 0, &result);
}

static sound_file load_sound(const char *name) {
  sound_file file = {.name = name};
  assert_ok(read_file(name));
  assert_ok(mvg_file_read(in_folder(name), MVG_FILE_NO_LIMIT, &file.bytes, &file.size));
  return file;
}

// Not synced, and not over an older file, which some file systems sync: there are thousands.
static void put(const sound_file *file, size_t size) {
  assert_int_equal(remove(in_folder(file->name)), 0);
  FILE *out = fopen(in_folder(file->name), "wb");
  assert_non_null(out);
  assert_int_equal(fwrite(file->bytes, 1, size, out), size);
  assert_int_equal(fclose(out), 0);
}

// Returns whether what lies there was refused.
static bool is_refused(const sound_file *file, const char *damage, size_t at) {
  mvg_status status = read_file(file->name);
  if (!status) return false;
  const char *message = mvg_status_get_message(status);
  const char *slash = strrchr(file->name, '/');
  bool is_named = strstr(message, slash ? "/people" : file->name) != NULL;
  bool is_fault = strstr(message, "attempt to") || strstr(message, "bad argument");
  if (!is_named || is_fault) {
    fail_msg("%s, %s at %zu of %zu: \"%s\"", file->name, damage, at, file->size, message);
  }
  mvg_status_destroy(status);
  return true;
}

// Every length up to `dense`, then every 37th.
static size_t cut_everywhere(const sound_file *file, size_t dense) {
  size_t refused = 0;
  for (size_t size = 0; size < file->size; size += size < dense ? 1 : 37) {
    put(file, size);
    refused += is_refused(file, "cut", size);
  }
  return refused;
}

static size_t flip_everywhere(const sound_file *file, size_t dense) {
  size_t refused = 0;
  for (size_t bit = 0; bit < 8 * file->size && bit < 8 * dense; ++bit) {
    file->bytes[bit / 8] = (char)(file->bytes[bit / 8] ^ 1 << bit % 8);
    put(file, file->size);
    file->bytes[bit / 8] = (char)(file->bytes[bit / 8] ^ 1 << bit % 8);
    refused += is_refused(file, "bit flipped", bit);
  }
  return refused;
}

static void replace_every_value(const char *name) {
  sound_file file = load_sound(name);
  size_t refused = 0;
  for (int n = 1, has_more = 1; has_more; ++n) {
    assert_ok(call("replace", name, n, &has_more));
    if (has_more) refused += is_refused(&file, "value replaced", (size_t)n);
  }
  assert_true(refused > 0);
  put(&file, file.size);
  mvg_free(file.bytes);
}

static void damage(const char *name, size_t dense) {
  sound_file file = load_sound(name);
  assert_true(cut_everywhere(&file, dense) > 0);
  assert_true(flip_everywhere(&file, dense) > 0);
  put(&file, file.size);
  assert_ok(read_file(name));
  mvg_free(file.bytes);
}

static void test_detections_are_read_or_refused(void **state) {
  (void)state;
  damage("keypoints.json", 256);
  damage("mmpose.json", 256);
  damage("alphapose.json", 256);
  damage("predictions.json", 256);
  damage("people/camera_000001_keypoints.json", 256);
  replace_every_value("keypoints.json");
  replace_every_value("mmpose.json");
  replace_every_value("alphapose.json");
  replace_every_value("predictions.json");
  replace_every_value("people/camera_000001_keypoints.json");
}

static void test_references_are_read_or_refused(void **state) {
  (void)state;
  damage("reference3d.json", 400);
  damage("calibration.toml", 400);
  damage("calibration.yml", 500);
  damage("calibration_room.json", 400);
  damage("room.qca.txt", 600);
  replace_every_value("reference3d.json");
}

static void test_motions_are_read_or_refused(void **state) {
  (void)state;
  damage("bones.asf", 256);
  damage("frames.amc", 256);
  damage("tree.bvh", 400);
}

static void test_weights_are_read_or_refused(void **state) {
  (void)state;
  damage("weights.safetensors", 400);
}

static void test_pictures_are_read_or_refused(void **state) {
  (void)state;
  damage("picture.png", 400);
}

static void test_videos_are_read_or_refused(void **state) {
  (void)state;
  make_clip(
      in_folder("clip.mp4"),
      &(clip_options){.width = 16, .height = 16, .frame_count = 2, .is_with_index_first = true});
  damage("clip.mp4", 128);
}

static int setup(void **state) {
  if (make_test_folder(state) != 0) return -1;
  const mvg_vm_options options = {.script_dir = "scripts", .root_dir = ".", .version = "test"};
  mvg_status status = mvg_vm_create(&options, &vm);
  if (!status) status = mvg_sandbox_allow(mvg_vm_get_sandbox(vm), test_folder, true);
  int none;
  if (!status) status = call("write", "", 0, &none);
  if (status) print_error("%s\n", mvg_status_get_message(status));
  int result = status ? -1 : 0;
  mvg_status_destroy(status);
  return result;
}

static int teardown(void **state) {
  mvg_vm_destroy(vm);
  return remove_test_folder(state);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_detections_are_read_or_refused),
      cmocka_unit_test(test_references_are_read_or_refused),
      cmocka_unit_test(test_motions_are_read_or_refused),
      cmocka_unit_test(test_weights_are_read_or_refused),
      cmocka_unit_test(test_pictures_are_read_or_refused),
      cmocka_unit_test(test_videos_are_read_or_refused),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

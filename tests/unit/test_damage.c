// Damaged files: every cut of a small file and every flipped bit of its beginning, for every
// reader. Each is read or refused by name, never by a mistake of the reader's own.
#include "tests/support/test_support.h"

#include "tests/support/test_folder.h"

#include <stdio.h>

#include "base/alloc.h"
#include "io/file.h"
#include "script/vm.h"

typedef struct {
  const char *reader; // an entry of tests/fuzz/readers.lua, the file's name
  const char *path;   // below tests/fuzz/corpus/
  char *bytes;
  size_t size;
} sound_file;

static mvg_vm *vm;

static mvg_status call(const char *module, const char *function, const char *reader,
                       const char *more[2], int *out_result) {
  const char *arguments[] = {reader, test_folder, more ? more[0] : "", more ? more[1] : ""};
  bool is_usage;
  return mvg_vm_call_main(vm, module, function, arguments, 4, out_result, &is_usage);
}

// Returns whether what lies there was refused.
static bool is_refused(const sound_file *file, const char *damage, size_t at) {
  int is_read = 0;
  mvg_status status = call("tests.fuzz.readers", "check", file->reader, NULL, &is_read);
  if (status) {
    fail_msg("%s, %s at %zu of %zu: \"%s\"", file->path, damage, at, file->size,
             mvg_status_get_message(status));
  }
  return !is_read;
}

// Not synced, and not over an older file, which some file systems sync: there are thousands.
static void put(const sound_file *file, size_t size) {
  remove(in_folder(file->reader));
  FILE *out = fopen(in_folder(file->reader), "wb");
  assert_non_null(out);
  assert_int_equal(fwrite(file->bytes, 1, size, out), size);
  assert_int_equal(fclose(out), 0);
}

static sound_file load_sound(const char *reader, const char *name) {
  sound_file file = {.reader = reader, .path = name};
  char path[PATH_MAX];
  snprintf(path, sizeof path, "tests/fuzz/corpus/%s/%s", reader, name);
  assert_ok(mvg_file_read(path, MVG_FILE_NO_LIMIT, &file.bytes, &file.size));
  put(&file, file.size);
  assert_false(is_refused(&file, "nothing", 0));
  return file;
}

static void forget(sound_file *file) {
  assert_int_equal(remove(in_folder(file->reader)), 0);
  mvg_free(file->bytes);
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

static void replace_every_value(const char *reader, const char *name) {
  sound_file file = load_sound(reader, name);
  size_t refused = 0;
  char number[16];
  for (int n = 1, has_more = 1; has_more; ++n) {
    snprintf(number, sizeof number, "%d", n);
    assert_ok(call("tests.support.replace_value", "replace", reader, (const char *[]){name, number},
                   &has_more));
    if (has_more) refused += is_refused(&file, "value replaced", (size_t)n);
  }
  assert_true(refused > 0);
  forget(&file);
}

static void damage(const char *reader, const char *name, size_t dense) {
  sound_file file = load_sound(reader, name);
  assert_true(cut_everywhere(&file, dense) > 0);
  assert_true(flip_everywhere(&file, dense) > 0);
  forget(&file);
}

static void test_detections_are_read_or_refused(void **state) {
  (void)state;
  damage("keypoints.json", "coco.json", 256);
  damage("keypoints.json", "mmpose.json", 256);
  damage("keypoints.json", "alphapose.json", 256);
  damage("keypoints.json", "predictions.json", 256);
  damage("camera_000001_keypoints.json", "one_person.json", 256);
  replace_every_value("keypoints.json", "coco.json");
  replace_every_value("keypoints.json", "mmpose.json");
  replace_every_value("keypoints.json", "alphapose.json");
  replace_every_value("keypoints.json", "predictions.json");
  replace_every_value("camera_000001_keypoints.json", "one_person.json");
}

static void test_references_are_read_or_refused(void **state) {
  (void)state;
  damage("reference3d.json", "one_pose.json", 400);
  damage("calibration.toml", "one_camera.toml", 400);
  damage("calibration.yml", "opencv.yml", 500);
  damage("calibration_room.json", "panoptic.json", 400);
  damage("room.qca.txt", "qualisys.txt", 600);
  replace_every_value("reference3d.json", "one_pose.json");
}

static void test_motions_are_read_or_refused(void **state) {
  (void)state;
  damage("bones.asf", "leg.asf", 256);
  damage("frames.amc", "leg.amc", 256);
  damage("tree.bvh", "leg.bvh", 400);
}

static void test_weights_are_read_or_refused(void **state) {
  (void)state;
  damage("weights.safetensors", "two.safetensors", 400);
}

static void test_pictures_are_read_or_refused(void **state) {
  (void)state;
  damage("picture.png", "grey.png", 400);
}

static void test_videos_are_read_or_refused(void **state) {
  (void)state;
  damage("clip.mp4", "two_frames.mp4", 128);
}

static int setup(void **state) {
  if (make_test_folder(state) != 0) return -1;
  const mvg_vm_options options = {.script_dir = "scripts", .root_dir = ".", .version = "test"};
  mvg_status status = mvg_vm_create(&options, &vm);
  if (!status) status = mvg_sandbox_allow(mvg_vm_get_sandbox(vm), test_folder, true);
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

// The safetensors reader and writer: stable bytes, agreement with a file laid out by hand, and no
// trust in files.
#include "../support/test_support.h"

#include <math.h>

#include "../support/test_folder.h"
#include "base/alloc.h"
#include "base/rng.h"
#include "io/file.h"
#include "io/safetensors.h"

static mvg_ndarray *make_array(mvg_dtype dtype, uint32_t rank, const int64_t *dims) {
  mvg_shape shape = {.rank = rank};
  memcpy(shape.dims, dims, rank * sizeof *dims);
  mvg_ndarray *array;
  assert_ok(mvg_ndarray_create(dtype, &shape, &array));
  for (int64_t i = 0; i < mvg_shape_get_size(&shape); i++) {
    mvg_ndarray_set(array, i, (double)i * 1.5 + (double)dtype);
  }
  return array;
}

static void add_array(mvg_safetensors *set, const char *name, mvg_dtype dtype, uint32_t rank,
                      const int64_t *dims) {
  mvg_ndarray *array = make_array(dtype, rank, dims);
  assert_ok(mvg_safetensors_add(set, name, array));
  mvg_ndarray_release(array);
}

static void fill_set(mvg_safetensors *set) {
  add_array(set, "zeta", MVG_DTYPE_F32, 2, (int64_t[]){3, 5});
  add_array(set, "alpha", MVG_DTYPE_U8, 1, (int64_t[]){7});
  add_array(set, "scalar", MVG_DTYPE_I32, 0, (int64_t[]){0});
  add_array(set, "wide \"\xc3\xa9\"", MVG_DTYPE_F64, 2, (int64_t[]){2, 2});
  add_array(set, "none", MVG_DTYPE_F32, 2, (int64_t[]){4, 0});
  assert_ok(mvg_safetensors_add_metadata(set, "format", "pt"));
  assert_ok(mvg_safetensors_add_metadata(set, "a step", "12\n"));
}

static void assert_same(const mvg_safetensors *a, const mvg_safetensors *b) {
  assert_int_equal(a->count, b->count);
  for (size_t i = 0; i < a->count; i++) {
    const mvg_ndarray *left = a->entries[i].array;
    const mvg_ndarray *right = mvg_safetensors_get(b, a->entries[i].name);
    assert_non_null(right);
    assert_int_equal(left->dtype, right->dtype);
    assert_true(mvg_shape_is_equal(&left->shape, &right->shape));
    assert_memory_equal(left->data, right->data, left->size_bytes);
  }
  assert_int_equal(a->metadata_count, b->metadata_count);
  for (size_t i = 0; i < a->metadata_count; i++) {
    assert_string_equal(mvg_safetensors_get_metadata(b, a->metadata[i].key), a->metadata[i].value);
  }
}

static void test_arrays_survive_a_round_trip(void **state) {
  (void)state;
  mvg_safetensors set = {0}, loaded;
  fill_set(&set);
  assert_ok(mvg_safetensors_save(in_folder("a.safetensors"), &set));
  assert_ok(mvg_safetensors_load(in_folder("a.safetensors"), &loaded));
  assert_same(&set, &loaded);
  assert_string_equal(loaded.entries[0].name, "alpha");
  mvg_safetensors_deinit(&loaded);
  mvg_safetensors_deinit(&set);
}

static void test_empty_set_is_a_file(void **state) {
  (void)state;
  mvg_safetensors set = {0};
  assert_ok(mvg_safetensors_save(in_folder("empty.safetensors"), &set));
  assert_ok(mvg_safetensors_load(in_folder("empty.safetensors"), &set));
  assert_int_equal(set.count, 0);
  mvg_safetensors_deinit(&set);
}

static void test_order_of_adding_does_not_change_the_bytes(void **state) {
  (void)state;
  mvg_safetensors set = {0}, turned = {0};
  fill_set(&set);
  for (size_t i = set.count; i-- > 0;) {
    assert_ok(mvg_safetensors_add(&turned, set.entries[i].name, set.entries[i].array));
  }
  assert_ok(mvg_safetensors_add_metadata(&turned, "a step", "12\n"));
  assert_ok(mvg_safetensors_add_metadata(&turned, "format", "pt"));
  assert_ok(mvg_safetensors_save(in_folder("one"), &set));
  assert_ok(mvg_safetensors_save(in_folder("two"), &turned));
  char *one, *two;
  size_t one_size, two_size;
  assert_ok(mvg_file_read(in_folder("one"), MVG_FILE_NO_LIMIT, &one, &one_size));
  assert_ok(mvg_file_read(in_folder("two"), MVG_FILE_NO_LIMIT, &two, &two_size));
  assert_int_equal(one_size, two_size);
  assert_memory_equal(one, two, one_size);
  mvg_free(one);
  mvg_free(two);
  mvg_safetensors_deinit(&set);
  mvg_safetensors_deinit(&turned);
}

// What the reference implementation writes for the same content.
static void test_bytes_are_those_of_the_reference(void **state) {
  (void)state;
  const char header[] = "{\"__metadata__\":{\"k\":\"v\"},"
                        "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                        "\"a\":{\"dtype\":\"U8\",\"shape\":[1,3],\"data_offsets\":[8,11]}}";
  mvg_safetensors set = {0};
  add_array(&set, "a", MVG_DTYPE_U8, 2, (int64_t[]){1, 3});
  add_array(&set, "b", MVG_DTYPE_F32, 1, (int64_t[]){2});
  assert_ok(mvg_safetensors_add_metadata(&set, "k", "v"));
  assert_ok(mvg_safetensors_save(in_folder("reference"), &set));
  char *bytes;
  size_t size, padded = (sizeof header - 1 + 7) / 8 * 8;
  assert_ok(mvg_file_read(in_folder("reference"), MVG_FILE_NO_LIMIT, &bytes, &size));
  assert_int_equal(size, 8 + padded + 11);
  assert_int_equal((unsigned char)bytes[0], padded);
  assert_memory_equal(bytes + 8, header, sizeof header - 1);
  for (size_t i = sizeof header - 1; i < padded; i++)
    assert_int_equal(bytes[8 + i], ' ');
  const float b[2] = {0, 1.5f};
  assert_memory_equal(bytes + 8 + padded, b, sizeof b);
  mvg_free(bytes);
  mvg_safetensors_deinit(&set);
}

// A file from a header and data; returns the parser's status.
static mvg_status parse(const char *header, const void *data, size_t data_size,
                        mvg_safetensors *out_set) {
  char bytes[1024];
  uint64_t length = strlen(header);
  assert_true(8 + length + data_size <= sizeof bytes);
  memcpy(bytes, &length, 8);
  memcpy(bytes + 8, header, length);
  if (data_size) memcpy(bytes + 8 + length, data, data_size);
  return mvg_safetensors_parse("x.safetensors", bytes, 8 + length + data_size, out_set);
}

static void test_half_floats_and_long_integers_are_converted(void **state) {
  (void)state;
  // f16: 1.5, -2, the smallest subnormal, infinity, largest; bf16: 1.5, -2; i64: -3, 7
  const uint16_t data[] = {0x3e00, 0xc000, 0x0001, 0x7c00, 0x7bff, 0x8000, 0x3fc0, 0xc000,
                           0xfffd, 0xffff, 0xffff, 0xffff, 7,      0,      0,      0};
  mvg_safetensors set;
  assert_ok(parse("{\"h\":{\"dtype\":\"F16\",\"shape\":[6],\"data_offsets\":[0,12]},"
                  "\"b\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[12,16]},"
                  "\"i\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[16,32]}}",
                  data, sizeof data, &set));
  const float *h = mvg_safetensors_get(&set, "h")->data, *b = mvg_safetensors_get(&set, "b")->data;
  const int32_t *i = mvg_safetensors_get(&set, "i")->data;
  const float expected[5] = {1.5f, -2, 0x1p-24f, INFINITY, 65504};
  for (int k = 0; k < 5; k++)
    assert_true(h[k] == expected[k]);
  assert_true(h[5] == 0 && signbit(h[5]));
  assert_true(b[0] == 1.5f && b[1] == -2);
  assert_true(i[0] == -3 && i[1] == 7);
  mvg_safetensors_deinit(&set);
  const int64_t large = (int64_t)1 << 40;
  assert_fails(
      parse("{\"i\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]}}", &large, 8, &set),
      MVG_UNSUPPORTED, "does not fit 32 bits");
}

static void test_each_lie_of_a_header_is_named(void **state) {
  (void)state;
  static const struct {
    const char *header;
    mvg_code code;
    const char *message;
  } lies[] = {
      {"{", MVG_INVALID_ARGUMENT, "not a JSON object"},
      {"[]", MVG_INVALID_ARGUMENT, "not a JSON object"},
      {"{} x", MVG_INVALID_ARGUMENT, "not a JSON object"},
      {"{}", MVG_INVALID_ARGUMENT, "8 bytes at the end belong to no tensor"},
      {"{\"a\":3}", MVG_INVALID_ARGUMENT, "'a' is not a tensor"},
      {"{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", MVG_UNSUPPORTED, "dtype (none)"},
      {"{\"a\":{\"dtype\":\"Q9\",\"shape\":[2],\"data_offsets\":[0,8]}}", MVG_UNSUPPORTED,
       "dtype Q9"},
      {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", MVG_INVALID_ARGUMENT, "'shape'"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", MVG_INVALID_ARGUMENT,
       "other than sizes"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,8]}}", MVG_INVALID_ARGUMENT,
       "other than sizes"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[70000,70000],\"data_offsets\":[0,8]}}",
       MVG_INVALID_ARGUMENT, "tensor 'a'"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,2],\"data_offsets\":[0,8]}}",
       MVG_UNSUPPORTED, "more than 8 dimensions"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", MVG_INVALID_ARGUMENT,
       "takes 12 bytes by its shape and 8"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", MVG_INVALID_ARGUMENT,
       "ends at data byte 16, but only 8"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", MVG_INVALID_ARGUMENT,
       "data_offsets"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,1e300]}}", MVG_INVALID_ARGUMENT,
       "data_offsets"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", MVG_INVALID_ARGUMENT,
       "leaves a hole"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
       "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
       MVG_INVALID_ARGUMENT, "overlaps"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
       "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
       MVG_INVALID_ARGUMENT, "two tensors are called 'a'"},
      {"{\"__metadata__\":{\"k\":1}}", MVG_INVALID_ARGUMENT, "'k' is not a text"},
      {"{\"__metadata__\":[]}", MVG_INVALID_ARGUMENT, "not an object"},
      {"{\"\xff\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", MVG_INVALID_ARGUMENT,
       "not UTF-8"},
  };
  const char data[8] = {0};
  for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
    mvg_safetensors set;
    assert_fails(parse(lies[i].header, data, sizeof data, &set), lies[i].code, lies[i].message);
    assert_int_equal(set.count, 0);
  }
}

static void test_names_that_cannot_be_read_back_are_not_written(void **state) {
  (void)state;
  const char *names[][2] = {{"a", "a"}, {"\xed\xa0\x80", "b"}, {"__metadata__", "b"}};
  const char *messages[] = {"two tensors", "not UTF-8", "__metadata__"};
  for (int i = 0; i < 3; i++) {
    mvg_safetensors set = {0};
    for (int k = 0; k < 2; k++)
      add_array(&set, names[i][k], MVG_DTYPE_F32, 1, (int64_t[]){2});
    assert_fails(mvg_safetensors_save(in_folder("refused"), &set), MVG_INVALID_ARGUMENT,
                 messages[i]);
    mvg_safetensors_deinit(&set);
  }
  assert_false(mvg_file_exists(in_folder("refused")));
}

static void read_sample(char **out_bytes, size_t *out_size) {
  mvg_safetensors set = {0};
  fill_set(&set);
  assert_ok(mvg_safetensors_save(in_folder("sample"), &set));
  assert_ok(mvg_file_read(in_folder("sample"), MVG_FILE_NO_LIMIT, out_bytes, out_size));
  mvg_safetensors_deinit(&set);
}

// A copy with nothing behind its end, so that a sanitizer sees a read past it.
static mvg_status parse_copy(const char *bytes, size_t size, mvg_safetensors *out_set) {
  char *copy = malloc(size ? size : 1);
  memcpy(copy, bytes, size);
  mvg_status status = mvg_safetensors_parse("copy", copy, size, out_set);
  free(copy);
  return status;
}

static void test_every_cut_is_refused(void **state) {
  (void)state;
  char *bytes;
  size_t size;
  read_sample(&bytes, &size);
  for (size_t cut = 0; cut < size; cut++) {
    mvg_safetensors set;
    mvg_status status = parse_copy(bytes, cut, &set);
    assert_non_null(status);
    assert_non_null(strstr(mvg_status_get_message(status), "copy"));
    mvg_status_destroy(status);
  }
  mvg_free(bytes);
}

static void test_damaged_files_never_crash(void **state) {
  (void)state;
  char *bytes;
  size_t size;
  read_sample(&bytes, &size);
  size_t refused = 0;
  for (uint32_t round = 0; round < 4000; round++) {
    uint32_t key[2] = {round, 7}, counter[4] = {0}, words[4];
    mvg_rng_philox(counter, key, words);
    char *damaged = malloc(size);
    memcpy(damaged, bytes, size);
    for (uint32_t flip = 0; flip <= words[3] % 3; flip++) {
      damaged[words[flip] % size] ^= (char)(1 << (words[flip] >> 20) % 8);
    }
    mvg_safetensors set;
    mvg_status status = parse_copy(damaged, size, &set);
    refused += status != NULL;
    mvg_status_destroy(status);
    mvg_safetensors_deinit(&set);
    free(damaged);
  }
  assert_true(refused > 1000 && refused < 4000);
  mvg_free(bytes);
}

static void test_full_disk_keeps_the_earlier_checkpoint(void **state) {
  (void)state;
  mvg_safetensors old = {0}, newer = {0}, loaded;
  fill_set(&old);
  add_array(&newer, "other", MVG_DTYPE_F32, 1, (int64_t[]){1000});
  assert_ok(mvg_safetensors_save(in_folder("checkpoint"), &old));
  setenv("MVGRAPH_FAULT_WRITE", "2", 1);
  mvg_file_fault_restart();
  assert_fails(mvg_safetensors_save(in_folder("checkpoint"), &newer), MVG_IO, "no space left");
  unsetenv("MVGRAPH_FAULT_WRITE");
  assert_ok(mvg_safetensors_load(in_folder("checkpoint"), &loaded));
  assert_same(&old, &loaded);
  mvg_safetensors_deinit(&loaded);
  mvg_safetensors_deinit(&old);
  mvg_safetensors_deinit(&newer);
}

static void test_every_failed_allocation_is_clean(void **state) {
  (void)state;
  char *bytes;
  size_t size;
  read_sample(&bytes, &size);
  mvg_status status;
  int failures = -1;
  do {
    mvg_safetensors set;
    mvg_alloc_fail_nth((uint64_t)++failures + 1);
    status = mvg_safetensors_parse("x", bytes, size, &set);
    mvg_alloc_fail_nth(0);
    if (status) assert_int_equal(mvg_status_get_code(status), MVG_OUT_OF_MEMORY);
    mvg_status_destroy(status);
    mvg_safetensors_deinit(&set);
  } while (status);
  assert_true(failures > 5);
  mvg_free(bytes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_arrays_survive_a_round_trip),
      cmocka_unit_test(test_empty_set_is_a_file),
      cmocka_unit_test(test_order_of_adding_does_not_change_the_bytes),
      cmocka_unit_test(test_bytes_are_those_of_the_reference),
      cmocka_unit_test(test_half_floats_and_long_integers_are_converted),
      cmocka_unit_test(test_each_lie_of_a_header_is_named),
      cmocka_unit_test(test_names_that_cannot_be_read_back_are_not_written),
      cmocka_unit_test(test_every_cut_is_refused),
      cmocka_unit_test(test_damaged_files_never_crash),
      cmocka_unit_test(test_full_disk_keeps_the_earlier_checkpoint),
      cmocka_unit_test(test_every_failed_allocation_is_clean),
  };
  return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}

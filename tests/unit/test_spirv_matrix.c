// Cooperative matrices as glslang writes them and as drivers want them: the rewritten module, word
// by word.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "codegen/spirv.h"
#include "codegen/spirv_matrix.h"

static const char shader[] =
    "#version 450\n"
    "#extension GL_NV_cooperative_matrix : require\n"
    "#extension GL_KHR_memory_scope_semantics : require\n"
    "#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require\n"
    "layout(local_size_x = 32) in;\n"
    "layout(constant_id = %d) const uint ROWS_A = 16;\n"
    "layout(constant_id = %d) const uint ROWS_B = 16;\n"
    "layout(constant_id = %d) const uint ROWS_SUM = 16;\n"
    "layout(std430, set = 0, binding = 0) writeonly buffer Y { float y[]; };\n"
    "shared uvec2 tile[64];\n"
    "shared float stage[256];\n"
    "void main() {\n"
    "  fcoopmatNV<16, gl_ScopeSubgroup, ROWS_A, 16> a;\n"
    "  fcoopmatNV<16, gl_ScopeSubgroup, ROWS_B, 16> b;\n"
    "  fcoopmatNV<32, gl_ScopeSubgroup, ROWS_SUM, 16> sum =\n"
    "    fcoopmatNV<32, gl_ScopeSubgroup, ROWS_SUM, 16>(0.0);\n"
    "  coopMatLoadNV(a, tile, 0, 4, true);\n"
    "  coopMatLoadNV(b, tile, 0, 4, false);\n"
    "  sum = coopMatMulAddNV(a, b, sum);\n"
    "  coopMatStoreNV(sum, stage, 0, 16, false);\n"
    "  barrier();\n"
    "  y[gl_LocalInvocationIndex] = stage[gl_LocalInvocationIndex + sum.length()];\n"
    "}\n";

typedef struct {
  uint32_t *words;
  size_t count;
} module;

static mvg_status make_module(int a, int b, int sum, module *out) {
  char glsl[2048];
  snprintf(glsl, sizeof glsl, shader, a, b, sum);
  return mvg_spirv_compile("matrices", glsl, NULL, &out->words, &out->count);
}

static module expect_module(int a, int b) {
  module m;
  mvg_status status = make_module(a, b, MVG_MATRIX_SUM, &m);
  if (status) fail_msg("%s", mvg_status_get_message(status));
  return m;
}

// The `number`-th instruction of that kind, from 0; NULL when there are not so many.
static const uint32_t *find(const module *m, uint32_t op, uint32_t number) {
  size_t at = 5;
  for (; at < m->count; at += m->words[at] >> 16) {
    if ((m->words[at] & 0xFFFFu) == op && number-- == 0) return m->words + at;
  }
  assert_int_equal(at, m->count); // instructions fill the module
  return NULL;
}

static uint32_t get_constant(const module *m, uint32_t id) {
  const uint32_t *at;
  for (uint32_t i = 0; (at = find(m, 43, i)); ++i) {
    if (at[2] == id) return at[3];
  }
  fail_msg("%%%u is no constant", id);
  return 0;
}

static bool has_word(const module *m, uint32_t op, uint32_t word) {
  const uint32_t *at;
  for (uint32_t i = 0; (at = find(m, op, i)); ++i) {
    if (at[1] == word) return true;
  }
  return false;
}

static bool has_extension(const module *m, const char *name) {
  const uint32_t *at;
  for (uint32_t i = 0; (at = find(m, 10, i)); ++i) {
    bool is_whole = (at[0] >> 16) == 1 + strlen(name) / 4 + 1;
    if (is_whole && strcmp((const char *)&at[1], name) == 0) return true;
  }
  return false;
}

static void expect_khr_form(const module *m) {
  for (uint32_t op = 5358; op <= 5362; ++op)
    assert_null(find(m, op, 0));
  assert_true(has_word(m, 17, 6022));
  assert_false(has_word(m, 17, 5357));
  assert_true(has_extension(m, "SPV_KHR_cooperative_matrix"));
  assert_false(has_extension(m, "SPV_NV_cooperative_matrix"));
}

// Of each of the three types: which use, of which element's type.
static void test_types_say_what_they_are_used_for(void **state) {
  (void)state;
  module m = expect_module(MVG_MATRIX_A, MVG_MATRIX_B);
  expect_khr_form(&m);
  uint32_t seen = 0;
  for (uint32_t i = 0; i < 3; ++i) {
    const uint32_t *type = find(&m, 4456, i);
    assert_non_null(type);
    assert_int_equal(type[0] >> 16, 7);
    assert_int_equal(get_constant(&m, type[3]), 3); // scope: subgroup
    assert_int_equal(get_constant(&m, type[5]), 16);
    uint32_t use = get_constant(&m, type[6]);
    seen |= 1u << use;
    const uint32_t *element = find(&m, 22, 0);
    for (uint32_t k = 1; element && element[1] != type[2]; ++k)
      element = find(&m, 22, k);
    assert_non_null(element);
    assert_int_equal(element[0] >> 16, 3);
    assert_int_equal(element[2], use == MVG_MATRIX_SUM ? 32 : 16);
  }
  assert_int_equal(seen, 7);
  assert_null(find(&m, 4456, 3));
  mvg_free(m.words);
}

static void test_loads_and_stores_name_their_layout(void **state) {
  (void)state;
  module m = expect_module(MVG_MATRIX_A, MVG_MATRIX_B);
  const uint32_t *a = find(&m, 4457, 0), *b = find(&m, 4457, 1), *store = find(&m, 4458, 0);
  const uint32_t *length = find(&m, 52, 0);
  assert_true(a && b && store && length && find(&m, 4459, 0));
  assert_int_equal(length[3], 4460);
  assert_int_equal(get_constant(&m, a[4]), 1); // column major
  assert_int_equal(get_constant(&m, b[4]), 0);
  assert_int_equal(get_constant(&m, a[5]), 4); // stride
  assert_int_equal(get_constant(&m, store[3]), 0);
  assert_int_equal(get_constant(&m, store[4]), 16);
  assert_int_equal(store[0] >> 16, 7); // with the memory operands of before
  mvg_free(m.words);
}

static void test_ids_stay_below_the_bound_and_are_defined_once(void **state) {
  (void)state;
  module m = expect_module(MVG_MATRIX_A, MVG_MATRIX_B);
  uint32_t numbers[3] = {0};
  const uint32_t *at;
  for (uint32_t i = 0; (at = find(&m, 43, i)); ++i) {
    assert_true(at[2] < m.words[3]);
    if (at[2] + 3 >= m.words[3]) ++numbers[at[2] + 3 - m.words[3]]; // the three that were added
  }
  for (int i = 0; i < 3; ++i)
    assert_int_equal(numbers[i], 1);
  mvg_free(m.words);
}

static void test_marked_operands_become_bfloat16(void **state) {
  (void)state;
  module m = expect_module(MVG_MATRIX_A_BF16, MVG_MATRIX_B_BF16);
  expect_khr_form(&m);
  assert_true(has_extension(&m, "SPV_KHR_bfloat16"));
  assert_true(has_word(&m, 17, 5116) && has_word(&m, 17, 5118));
  assert_false(has_word(&m, 17, 9)); // no other use of 16-bit floats
  uint32_t halves = 0;
  const uint32_t *at;
  for (uint32_t i = 0; (at = find(&m, 22, i)); ++i) {
    if (at[2] != 16) continue;
    ++halves;
    assert_int_equal(at[0] >> 16, 4);
    assert_int_equal(at[3], 0); // BFloat16KHR
  }
  assert_int_equal(halves, 1);
  mvg_free(m.words);
}

static void test_a_matrix_without_a_known_use_is_refused(void **state) {
  (void)state;
  module m;
  mvg_status status = make_module(MVG_MATRIX_A, 7, MVG_MATRIX_SUM, &m);
  assert_int_equal(mvg_status_get_code(status), MVG_INTERNAL);
  assert_null(m.words);
  mvg_status_destroy(status);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_types_say_what_they_are_used_for),
      cmocka_unit_test(test_loads_and_stores_name_their_layout),
      cmocka_unit_test(test_ids_stay_below_the_bound_and_are_defined_once),
      cmocka_unit_test(test_marked_operands_become_bfloat16),
      cmocka_unit_test(test_a_matrix_without_a_known_use_is_refused),
  };
  return cmocka_run_group_tests_name("spirv_matrix", tests, NULL, NULL);
}

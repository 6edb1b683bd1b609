#include "codegen/spirv_matrix.h"

#include <string.h>

#include "base/array.h"

#define HEADER_WORDS 5
#define BOUND_WORD 3
#define NO_USE UINT32_MAX

// SPIR-V 1.3 section 3.32, SPV_NV_cooperative_matrix, SPV_KHR_cooperative_matrix.
enum {
  OP_EXTENSION = 10,
  OP_CAPABILITY = 17,
  OP_TYPE_INT = 21,
  OP_TYPE_FLOAT = 22,
  OP_CONSTANT_TRUE = 41,
  OP_CONSTANT = 43,
  OP_SPEC_CONSTANT_OP = 52,
  OP_DECORATE = 71,
  OP_NV_TYPE = 5358,
  OP_NV_LOAD = 5359,
  OP_NV_STORE = 5360,
  OP_NV_MULTIPLY_ADD = 5361,
  OP_NV_LENGTH = 5362,
  OP_KHR_TYPE = 4456,
  OP_KHR_LOAD = 4457,
  OP_KHR_STORE = 4458,
  OP_KHR_MULTIPLY_ADD = 4459,
  OP_KHR_LENGTH = 4460,
};
enum {
  CAPABILITY_FLOAT16 = 9,
  CAPABILITY_NV_MATRIX = 5357,
  CAPABILITY_KHR_MATRIX = 6022,
  CAPABILITY_BF16 = 5116,
  CAPABILITY_BF16_MATRIX = 5118,
};
enum { DECORATION_SPEC_ID = 1, ENCODING_BF16 = 0 };

#define NV_NAME "SPV_NV_cooperative_matrix"
#define KHR_NAME "SPV_KHR_cooperative_matrix"
#define BF16_NAME "SPV_KHR_bfloat16"

typedef struct {
  const uint32_t *words;
  size_t count;
  uint32_t bound;
  uint32_t *use;    // by id: what SpecId says of a constant, or NO_USE
  bool *is_true;    // by id: a constant that is true
  bool is_bf16;     // some matrix is
  bool has_numbers; // constants 0, 1 and 2 are in `out`, with the ids from `bound` on
  MVG_ARRAY(uint32_t) out;
} rewriting;

static uint32_t get_op(const uint32_t *at) {
  return at[0] & 0xFFFFu;
}

static uint32_t get_length(const uint32_t *at) {
  return at[0] >> 16;
}

// The instruction at `position`, or NULL at the end and where it has not all of its words.
static const uint32_t *get_instruction(const uint32_t *words, size_t count, size_t position) {
  if (position >= count) return NULL;
  uint32_t length = get_length(words + position);
  return length > 0 && length <= count - position ? words + position : NULL;
}

bool mvg_spirv_has_nv_matrices(const uint32_t *words, size_t count) {
  const uint32_t *at;
  for (size_t i = HEADER_WORDS; (at = get_instruction(words, count, i)); i += get_length(at)) {
    if (get_op(at) != OP_CAPABILITY) return false; // these come first
    if (at[1] == CAPABILITY_NV_MATRIX) return true;
  }
  return false;
}

// ---- what is known before the first word is written ----

static mvg_status survey(rewriting *r) {
  MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY(r->bound, &r->use));
  MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY(r->bound, &r->is_true));
  for (uint32_t id = 0; id < r->bound; ++id)
    r->use[id] = NO_USE;
  const uint32_t *at;
  for (size_t i = HEADER_WORDS; (at = get_instruction(r->words, r->count, i));
       i += get_length(at)) {
    bool is_spec_id = get_op(at) == OP_DECORATE && get_length(at) == 4 &&
                      at[2] == DECORATION_SPEC_ID && at[1] < r->bound;
    if (is_spec_id) r->use[at[1]] = at[3];
    if (is_spec_id && (at[3] == MVG_MATRIX_A_BF16 || at[3] == MVG_MATRIX_B_BF16)) r->is_bf16 = true;
    if (get_op(at) == OP_CONSTANT_TRUE && at[2] < r->bound) r->is_true[at[2]] = true;
  }
  return NULL;
}

// ---- writing ----

static mvg_status put(rewriting *r, const uint32_t *words, size_t count) {
  for (size_t i = 0; i < count; ++i)
    MVG_RETURN_IF_ERROR(mvg_array_push(&r->out, words[i]));
  return NULL;
}
#define PUT(r, ...)                                                                                \
  put((r), (const uint32_t[]){__VA_ARGS__},                                                        \
      sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static mvg_status put_extension(rewriting *r, const char *name) {
  uint32_t words[16] = {0};
  uint32_t length = 1 + (uint32_t)(strlen(name) / 4 + 1);
  memcpy(&words[1], name, strlen(name));
  words[0] = length << 16 | OP_EXTENSION;
  return put(r, words, length);
}

static mvg_status put_capability(rewriting *r, const uint32_t *at) {
  if (at[1] == CAPABILITY_NV_MATRIX) return PUT(r, at[0], CAPABILITY_KHR_MATRIX);
  if (at[1] != CAPABILITY_FLOAT16 || !r->is_bf16) return put(r, at, get_length(at));
  return PUT(r, at[0], CAPABILITY_BF16, at[0], CAPABILITY_BF16_MATRIX);
}

static mvg_status put_extensions(rewriting *r, const uint32_t *at) {
  if (strcmp((const char *)&at[1], NV_NAME) != 0) return put(r, at, get_length(at));
  MVG_RETURN_IF_ERROR(put_extension(r, KHR_NAME));
  return r->is_bf16 ? put_extension(r, BF16_NAME) : NULL;
}

// Behind the first type of unsigned integers: numbers for uses and layouts.
static mvg_status put_integer_type(rewriting *r, const uint32_t *at) {
  MVG_RETURN_IF_ERROR(put(r, at, get_length(at)));
  if (r->has_numbers || at[2] != 32 || at[3] != 0) return NULL;
  r->has_numbers = true;
  for (uint32_t number = 0; number < 3; ++number)
    MVG_RETURN_IF_ERROR(PUT(r, 4u << 16 | OP_CONSTANT, at[1], r->bound + number, number));
  return NULL;
}

static mvg_status put_float_type(rewriting *r, const uint32_t *at) {
  if (!r->is_bf16 || at[2] != 16) return put(r, at, get_length(at));
  return PUT(r, 4u << 16 | OP_TYPE_FLOAT, at[1], 16, ENCODING_BF16);
}

static mvg_status put_matrix_type(rewriting *r, const uint32_t *at) {
  uint32_t use = at[4] < r->bound ? r->use[at[4]] : NO_USE;
  if (use == MVG_MATRIX_A_BF16) use = MVG_MATRIX_A;
  if (use == MVG_MATRIX_B_BF16) use = MVG_MATRIX_B;
  if (use > MVG_MATRIX_SUM || !r->has_numbers) {
    return MVG_ERROR(MVG_INTERNAL, "the use of matrix type %%%u is not marked", at[1]);
  }
  return PUT(r, 7u << 16 | OP_KHR_TYPE, at[1], at[2], at[3], at[4], at[5], r->bound + use);
}

// Stride and a flag, from word `first` on, become a layout and the stride.
static mvg_status put_access(rewriting *r, const uint32_t *at, uint32_t op, uint32_t first) {
  uint32_t length = get_length(at), stride = at[first], flag = at[first + 1];
  bool is_column_major = flag < r->bound && r->is_true[flag];
  MVG_RETURN_IF_ERROR(PUT(r, length << 16 | op));
  MVG_RETURN_IF_ERROR(put(r, at + 1, first - 1));
  MVG_RETURN_IF_ERROR(PUT(r, r->bound + is_column_major, stride));
  return put(r, at + first + 2, length - first - 2);
}

static mvg_status put_multiply_add(rewriting *r, const uint32_t *at) {
  uint32_t length = get_length(at);
  MVG_RETURN_IF_ERROR(PUT(r, length << 16 | OP_KHR_MULTIPLY_ADD));
  return put(r, at + 1, length - 1);
}

// The length of a matrix is an operation on constants.
static mvg_status put_constant_operation(rewriting *r, const uint32_t *at) {
  if (at[3] != OP_NV_LENGTH) return put(r, at, get_length(at));
  MVG_RETURN_IF_ERROR(PUT(r, at[0], at[1], at[2], OP_KHR_LENGTH));
  return put(r, at + 4, get_length(at) - 4);
}

// Instructions have the lengths that glslang gives them.
static mvg_status put_instruction(rewriting *r, const uint32_t *at) {
  switch (get_op(at)) {
  case OP_CAPABILITY:
    return put_capability(r, at);
  case OP_EXTENSION:
    return put_extensions(r, at);
  case OP_TYPE_INT:
    return put_integer_type(r, at);
  case OP_TYPE_FLOAT:
    return put_float_type(r, at);
  case OP_NV_TYPE:
    return put_matrix_type(r, at);
  case OP_NV_LOAD:
    return put_access(r, at, OP_KHR_LOAD, 4);
  case OP_NV_STORE:
    return put_access(r, at, OP_KHR_STORE, 3);
  case OP_NV_MULTIPLY_ADD:
    return put_multiply_add(r, at);
  case OP_SPEC_CONSTANT_OP:
    return put_constant_operation(r, at);
  default:
    return put(r, at, get_length(at));
  }
}

static mvg_status rewrite(rewriting *r) {
  MVG_RETURN_IF_ERROR(survey(r));
  MVG_RETURN_IF_ERROR(mvg_array_reserve(&r->out, r->count + 64));
  MVG_RETURN_IF_ERROR(put(r, r->words, HEADER_WORDS));
  r->out.items[BOUND_WORD] = r->bound + 3;
  const uint32_t *at;
  for (size_t i = HEADER_WORDS; (at = get_instruction(r->words, r->count, i)); i += get_length(at))
    MVG_RETURN_IF_ERROR(put_instruction(r, at));
  return NULL;
}

mvg_status mvg_spirv_rewrite_matrices(const char *name, uint32_t **inout_words,
                                      size_t *inout_count) {
  rewriting r = {.words = *inout_words, .count = *inout_count, .bound = (*inout_words)[BOUND_WORD]};
  mvg_status status = rewrite(&r);
  mvg_free(r.use);
  mvg_free(r.is_true);
  if (status) {
    mvg_array_deinit(&r.out);
    return mvg_status_annotate(status, "shader '%s'", name);
  }
  mvg_free(*inout_words);
  *inout_words = r.out.items;
  *inout_count = r.out.count;
  return NULL;
}

#include "codegen/spirv_check.h"

#include <inttypes.h>
#include <spirv-tools/libspirv.h>

#include "base/alloc.h"

#define HEADER_WORDS 5
#define BOUND_WORD 3
#define STORAGE_WORKGROUP 4

// Instructions that say how large a type is, SPIR-V 1.3 section 3.32.
enum {
  OP_CAPABILITY = 17,
  OP_TYPE_BOOL = 20,
  OP_TYPE_INT = 21,
  OP_TYPE_FLOAT = 22,
  OP_TYPE_VECTOR = 23,
  OP_TYPE_MATRIX = 24,
  OP_TYPE_ARRAY = 28,
  OP_TYPE_STRUCT = 30,
  OP_TYPE_POINTER = 32,
  OP_CONSTANT = 43,
  OP_SPEC_CONSTANT = 50,
  OP_VARIABLE = 59,
};
enum { CAPABILITY_FIRST_GROUP = 61, CAPABILITY_LAST_GROUP = 68 }; // GroupNonUniform...

typedef struct {
  uint64_t *sizes; // by id: of a type in bytes, of a pointer's target, a constant's low word
  uint32_t bound;
  uint64_t shared_bytes;
  bool has_subgroups;
} survey;

static uint64_t get(const survey *s, uint32_t id) {
  return id < s->bound ? s->sizes[id] : 0;
}

static void set(survey *s, uint32_t id, uint64_t size) {
  if (id < s->bound) s->sizes[id] = size;
}

// `at` is an instruction of `length` words; what it lacks of them counts as nothing.
static void visit(survey *s, const uint32_t *at, uint32_t length) {
  const uint32_t a = length > 1 ? at[1] : 0, b = length > 2 ? at[2] : 0, c = length > 3 ? at[3] : 0;
  switch (at[0] & 0xFFFFu) {
  case OP_CAPABILITY:
    if (a >= CAPABILITY_FIRST_GROUP && a <= CAPABILITY_LAST_GROUP) s->has_subgroups = true;
    break;
  case OP_TYPE_BOOL:
    set(s, a, 4);
    break;
  case OP_TYPE_INT:
  case OP_TYPE_FLOAT:
    set(s, a, b / 8);
    break;
  case OP_TYPE_VECTOR:
  case OP_TYPE_MATRIX:
    set(s, a, get(s, b) * c);
    break;
  case OP_TYPE_ARRAY:
    set(s, a, get(s, b) * get(s, c));
    break;
  case OP_TYPE_STRUCT:
    for (uint32_t i = 2; i < length; ++i)
      set(s, a, get(s, a) + get(s, at[i]));
    break;
  case OP_TYPE_POINTER:
    set(s, a, get(s, c));
    break;
  case OP_CONSTANT:
  case OP_SPEC_CONSTANT:
    set(s, b, c);
    break;
  case OP_VARIABLE:
    if (c == STORAGE_WORKGROUP) s->shared_bytes += get(s, a);
    break;
  default:
    break;
  }
}

static mvg_status take_survey(const uint32_t *words, size_t count, survey *s) {
  *s = (survey){.bound = words[BOUND_WORD] < count ? words[BOUND_WORD] : (uint32_t)count};
  MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY(s->bound, &s->sizes));
  for (size_t at = HEADER_WORDS; at < count;) {
    uint32_t length = words[at] >> 16;
    if (length == 0 || length > count - at) break;
    visit(s, words + at, length);
    at += length;
  }
  mvg_free(s->sizes);
  s->sizes = NULL;
  return NULL;
}

mvg_status mvg_spirv_check_limits(const char *name, const uint32_t *words, size_t count,
                                  const mvg_caps *caps) {
  survey s;
  if (count < HEADER_WORDS) return NULL; // not a module; the device will say so
  MVG_RETURN_IF_ERROR(take_survey(words, count, &s));
  if (s.has_subgroups && caps->subgroup_size == 0) {
    return MVG_ERROR(MVG_UNSUPPORTED,
                     "shader '%s' uses subgroup operations, which device '%s' has not", name,
                     caps->name);
  }
  if (caps->max_shared_bytes && s.shared_bytes > caps->max_shared_bytes) {
    return MVG_ERROR(MVG_UNSUPPORTED,
                     "shader '%s' needs %" PRIu64 " bytes of shared memory, device '%s' has %u",
                     name, s.shared_bytes, caps->name, caps->max_shared_bytes);
  }
  return NULL;
}

mvg_status mvg_spirv_validate(const char *name, const uint32_t *words, size_t count) {
  spv_context context = spvContextCreate(SPV_ENV_VULKAN_1_1);
  if (!context) return MVG_ERROR(MVG_OUT_OF_MEMORY, "spirv-val does not start");
  spv_diagnostic diagnostic = NULL;
  spv_result_t result = spvValidateBinary(context, words, count, &diagnostic);
  mvg_status status = NULL;
  if (result != SPV_SUCCESS) {
    status = MVG_ERROR(MVG_INTERNAL, "shader '%s' is not valid SPIR-V: word %zu: %s", name,
                       diagnostic ? diagnostic->position.index : 0,
                       diagnostic ? diagnostic->error : "no reason is given");
  }
  spvDiagnosticDestroy(diagnostic);
  spvContextDestroy(context);
  return status;
}

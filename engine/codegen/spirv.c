#include "codegen/spirv.h"

#include <ctype.h>
#include <glslang/Include/glslang_c_interface.h>
#include <glslang/Public/resource_limits_c.h>
#include <glslang/build_info.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "codegen/spirv_check.h"
#include "codegen/spirv_matrix.h"
#include "io/cache_file.h"

#define SPIRV_MAGIC 0x07230203u
#define ENTRY_MAGIC 0x3156505347564dull // "MVGSPV1"
#define MAX_WORDS (16u << 20)
#define ZSTD_LEVEL 3

static atomic_uint_fast64_t compiled_count, cached_count, validated_count;

mvg_spirv_counts mvg_spirv_get_counts(void) {
  return (mvg_spirv_counts){.compiled = atomic_load(&compiled_count),
                            .from_cache = atomic_load(&cached_count),
                            .validated = atomic_load(&validated_count)};
}

// ---- cache ----

typedef struct {
  uint64_t low, high;
} cache_key;

typedef struct {
  uint64_t magic;
  cache_key key;
  uint64_t word_count;
  uint64_t words_hash;
} entry_header;

static uint64_t hash_shader(uint64_t seed, const char *glsl, const mvg_caps *caps) {
  static const uint64_t version[] = {GLSLANG_VERSION_MAJOR, GLSLANG_VERSION_MINOR,
                                     GLSLANG_VERSION_PATCH, GLSLANG_TARGET_SPV_1_3,
                                     MVG_MATRIX_REWRITING};
  uint64_t hash = mvg_hash_bytes(seed, version, sizeof version);
  hash = mvg_hash_u64(hash, caps ? caps->max_local_size : 0);
  return mvg_hash_string(hash, glsl);
}

static cache_key make_key(const char *glsl, const mvg_caps *caps) {
  return (cache_key){hash_shader(MVG_HASH_SEED, glsl, caps), hash_shader(strlen(glsl), glsl, caps)};
}

static void format_cache_name(cache_key key, char out_name[64]) {
  snprintf(out_name, 64, "spirv/%016" PRIx64 "%016" PRIx64 ".zst", key.high, key.low);
}

void mvg_spirv_get_cache_name(const char *glsl, const mvg_caps *caps, char out_name[64]) {
  format_cache_name(make_key(glsl, caps), out_name);
}

static bool decode_entry(const void *bytes, size_t size, cache_key key, uint32_t **out_words,
                         size_t *out_count) {
  entry_header header;
  if (size < sizeof header) return false;
  memcpy(&header, bytes, sizeof header);
  if (header.magic != ENTRY_MAGIC || header.key.low != key.low || header.key.high != key.high ||
      header.word_count == 0 || header.word_count > MAX_WORDS) {
    return false;
  }
  uint32_t *words = NULL;
  mvg_status status = MVG_NEW_ARRAY((size_t)header.word_count, &words);
  if (status) {
    mvg_status_destroy(status);
    return false;
  }
  size_t words_size = (size_t)header.word_count * sizeof *words;
  size_t got =
      ZSTD_decompress(words, words_size, (const char *)bytes + sizeof header, size - sizeof header);
  if (ZSTD_isError(got) || got != words_size || words[0] != SPIRV_MAGIC ||
      mvg_hash_bytes(MVG_HASH_SEED, words, words_size) != header.words_hash) {
    mvg_free(words);
    return false;
  }
  *out_words = words;
  *out_count = (size_t)header.word_count;
  return true;
}

static bool read_entry(cache_key key, uint32_t **out_words, size_t *out_count) {
  char name[64];
  format_cache_name(key, name);
  void *bytes = NULL;
  size_t size = 0;
  if (!mvg_cache_file_read(name, &bytes, &size)) return false;
  bool is_valid = decode_entry(bytes, size, key, out_words, out_count);
  mvg_free(bytes);
  if (!is_valid) mvg_log(MVG_LOG_DEBUG, "cache entry %s is damaged and will be rebuilt", name);
  return is_valid;
}

static void write_entry(cache_key key, const uint32_t *words, size_t count) {
  size_t words_size = count * sizeof *words;
  entry_header header = {.magic = ENTRY_MAGIC,
                         .key = key,
                         .word_count = count,
                         .words_hash = mvg_hash_bytes(MVG_HASH_SEED, words, words_size)};
  size_t bound = ZSTD_compressBound(words_size);
  char *entry = NULL;
  mvg_status status = MVG_NEW_ARRAY(sizeof header + bound, &entry);
  if (status) {
    mvg_status_destroy(status);
    return;
  }
  memcpy(entry, &header, sizeof header);
  size_t size = ZSTD_compress(entry + sizeof header, bound, words, words_size, ZSTD_LEVEL);
  char name[64];
  format_cache_name(key, name);
  if (!ZSTD_isError(size)) mvg_cache_file_write(name, entry, sizeof header + size);
  mvg_free(entry);
}

// ---- errors ----

static void append_source_line(mvg_str *str, const char *glsl, long number) {
  const char *line = glsl;
  for (long i = 1; i < number && line; ++i) {
    line = strchr(line, '\n');
    if (line) ++line;
  }
  if (!line || !*line) return;
  mvg_str_appendf(str, "  %4ld | %.*s\n", number, (int)strcspn(line, "\n"), line);
}

#define MAX_QUOTED_LINES 8

// Log lines look like "ERROR: 0:12: 'x' : undeclared identifier".
static void append_offending_lines(mvg_str *str, const char *glsl, const char *log) {
  long seen[MAX_QUOTED_LINES];
  size_t seen_count = 0;
  for (const char *at = strstr(log, "ERROR: "); at && seen_count < MAX_QUOTED_LINES;
       at = strstr(at + 1, "ERROR: ")) {
    const char *colon = strchr(at + 7, ':');
    if (!colon || !isdigit((unsigned char)colon[1])) continue;
    long number = strtol(colon + 1, NULL, 10);
    bool is_seen = number <= 0;
    for (size_t i = 0; i < seen_count; ++i)
      is_seen = is_seen || seen[i] == number;
    if (is_seen) continue;
    seen[seen_count++] = number;
    append_source_line(str, glsl, number);
  }
}

static mvg_status make_compile_error(const char *name, const char *glsl, const char *log) {
  mvg_str text = {0};
  mvg_str_append(&text, log);
  if (log[0] && log[strlen(log) - 1] != '\n') mvg_str_append(&text, "\n");
  append_offending_lines(&text, glsl, log);
  while (text.length > 0 && text.text[text.length - 1] == '\n')
    text.text[--text.length] = '\0';
  char *message = NULL;
  MVG_RETURN_IF_ERROR(mvg_str_take(&text, &message));
  mvg_status status =
      MVG_ERROR(MVG_INVALID_ARGUMENT, "shader '%s' does not compile:\n%s", name, message);
  mvg_free(message);
  return status;
}

// ---- glslang ----

static pthread_once_t glslang_once = PTHREAD_ONCE_INIT;
static bool is_glslang_ready;

static void initialise_glslang(void) {
  is_glslang_ready = glslang_initialize_process() != 0;
  if (is_glslang_ready) atexit(glslang_finalize_process);
}

static glslang_resource_t make_limits(const mvg_caps *caps) {
  glslang_resource_t limits = *glslang_default_resource();
  if (caps) {
    limits.max_compute_work_group_size_x = (int)caps->max_local_size;
    limits.max_compute_work_group_size_y = (int)caps->max_local_size;
  }
  return limits;
}

static mvg_status generate_words(const char *name, const char *glsl, glslang_program_t *program,
                                 uint32_t **out_words, size_t *out_count) {
  glslang_program_SPIRV_generate(program, GLSLANG_STAGE_COMPUTE);
  size_t count = glslang_program_SPIRV_get_size(program);
  if (count == 0) {
    const char *messages = glslang_program_SPIRV_get_messages(program);
    return make_compile_error(name, glsl, messages ? messages : "no code was generated");
  }
  uint32_t *words = NULL;
  MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY(count, &words));
  glslang_program_SPIRV_get(program, words);
  *out_words = words;
  *out_count = count;
  return NULL;
}

static mvg_status compile(const char *name, const char *glsl, const mvg_caps *caps,
                          uint32_t **out_words, size_t *out_count) {
  pthread_once(&glslang_once, initialise_glslang);
  if (!is_glslang_ready) return MVG_ERROR(MVG_INTERNAL, "glslang does not initialise");
  const glslang_resource_t limits = make_limits(caps);
  const int messages = GLSLANG_MSG_SPV_RULES_BIT | GLSLANG_MSG_VULKAN_RULES_BIT;
  const glslang_input_t input = {
      .language = GLSLANG_SOURCE_GLSL,
      .stage = GLSLANG_STAGE_COMPUTE,
      .client = GLSLANG_CLIENT_VULKAN,
      .client_version = GLSLANG_TARGET_VULKAN_1_1,
      .target_language = GLSLANG_TARGET_SPV,
      .target_language_version = GLSLANG_TARGET_SPV_1_3,
      .code = glsl,
      .default_version = 450,
      .default_profile = GLSLANG_NO_PROFILE,
      .messages = (glslang_messages_t)messages,
      .resource = &limits,
  };
  mvg_status status = NULL;
  glslang_program_t *program = NULL;
  glslang_shader_t *shader = glslang_shader_create(&input);
  if (!shader) return MVG_ERROR(MVG_INTERNAL, "shader '%s': glslang cannot start", name);
  if (!glslang_shader_preprocess(shader, &input) || !glslang_shader_parse(shader, &input)) {
    status = make_compile_error(name, glsl, glslang_shader_get_info_log(shader));
    goto cleanup;
  }
  program = glslang_program_create();
  glslang_program_add_shader(program, shader);
  if (!glslang_program_link(program, messages)) {
    status = make_compile_error(name, glsl, glslang_program_get_info_log(program));
    goto cleanup;
  }
  status = generate_words(name, glsl, program, out_words, out_count);
  if (!status && mvg_spirv_has_nv_matrices(*out_words, *out_count))
    status = mvg_spirv_rewrite_matrices(name, out_words, out_count);
cleanup:
  if (program) glslang_program_delete(program);
  glslang_shader_delete(shader);
  return status;
}

static mvg_status take_or_compile(const char *name, const char *glsl, const mvg_caps *caps,
                                  uint32_t **out_words, size_t *out_count) {
  const cache_key key = make_key(glsl, caps);
  if (read_entry(key, out_words, out_count)) {
    atomic_fetch_add(&cached_count, 1);
    return NULL;
  }
  MVG_RETURN_IF_ERROR(compile(name, glsl, caps, out_words, out_count));
  atomic_fetch_add(&compiled_count, 1);
  write_entry(key, *out_words, *out_count);
  return NULL;
}

// MVGRAPH_SPIRV_VAL=1 in the environment has every module validated, those of the cache too.
static bool is_validation_wanted(void) {
  const char *wanted = getenv("MVGRAPH_SPIRV_VAL");
  return wanted && *wanted == '1';
}

mvg_status mvg_spirv_compile(const char *name, const char *glsl, const mvg_caps *caps,
                             uint32_t **out_words, size_t *out_count) {
  *out_words = NULL;
  *out_count = 0;
  mvg_status status = take_or_compile(name, glsl, caps, out_words, out_count);
  if (!status && caps) status = mvg_spirv_check_limits(name, *out_words, *out_count, caps);
  if (!status && is_validation_wanted()) {
    status = mvg_spirv_validate(name, *out_words, *out_count);
    atomic_fetch_add(&validated_count, 1);
  }
  if (!status) return NULL;
  mvg_free(*out_words);
  *out_words = NULL;
  *out_count = 0;
  return status;
}

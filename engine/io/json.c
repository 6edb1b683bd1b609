#include "io/json.h"

#include <pthread.h>

#include "base/alloc.h"

static _Thread_local size_t refused_bytes; // of the last request that failed

static void *allocate(size_t size_bytes) {
  void *memory = mvg_alloc_plain(size_bytes);
  if (!memory) refused_bytes = size_bytes;
  return memory;
}

static void set_hooks(void) {
  cJSON_InitHooks(&(cJSON_Hooks){.malloc_fn = allocate, .free_fn = mvg_free});
}

void mvg_json_init(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, set_hooks);
}

mvg_status mvg_json_out_of_memory(void) {
  return MVG_ERROR(MVG_OUT_OF_MEMORY, "out of host memory: %zu bytes of JSON", refused_bytes);
}

mvg_status mvg_json_parse(const char *text, size_t size, bool is_whole, cJSON **out_tree,
                          const char **out_end) {
  mvg_json_init();
  refused_bytes = 0;
  *out_end = text;
  *out_tree = cJSON_ParseWithLengthOpts(text, size + is_whole, out_end, is_whole);
  return *out_tree || refused_bytes == 0 ? NULL : mvg_json_out_of_memory();
}

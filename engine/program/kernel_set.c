#include "program/kernel_set.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/threads.h"
#include "codegen/spirv.h"

#define MAX_THREADS 8

void mvg_kernel_set_deinit(mvg_kernel_set *set) {
  for (size_t i = 0; i < set->entries.count; ++i) {
    mvg_shader_deinit(&set->entries.items[i].shader);
    if (set->entries.items[i].kernel) mvg_kernel_release(set->entries.items[i].kernel);
  }
  mvg_array_deinit(&set->entries);
}

mvg_status mvg_kernel_set_add(mvg_kernel_set *set, mvg_shader *shader, uint32_t binding_count,
                              uint32_t *out_index) {
  uint64_t hash = mvg_hash_string(mvg_hash_u64(MVG_HASH_SEED, binding_count), shader->glsl);
  for (uint32_t i = 0; i < set->entries.count; ++i) {
    const mvg_kernel_entry *entry = &set->entries.items[i];
    bool is_same = entry->hash == hash && entry->binding_count == binding_count &&
                   strcmp(entry->shader.glsl, shader->glsl) == 0;
    if (!is_same) continue;
    mvg_shader_deinit(shader);
    *out_index = i;
    return NULL;
  }
  *out_index = (uint32_t)set->entries.count;
  mvg_status status =
      mvg_array_push(&set->entries, ((mvg_kernel_entry){*shader, hash, binding_count, NULL}));
  if (status) mvg_shader_deinit(shader);
  return status;
}

typedef struct {
  mvg_kernel_set *set;
  mvg_device *device;
  atomic_uint next;
  atomic_bool has_failed;
  pthread_mutex_t lock;
  mvg_status failure;
} job;

static mvg_status compile_entry(mvg_device *device, mvg_kernel_entry *entry) {
  uint32_t *words = NULL;
  size_t count = 0;
  const mvg_shader *shader = &entry->shader;
  mvg_log(MVG_LOG_DEBUG, "kernel %016llx %s\n%s", (unsigned long long)entry->hash, shader->name,
          shader->glsl);
  MVG_RETURN_IF_ERROR(
      mvg_spirv_compile(shader->name, shader->glsl, mvg_device_get_caps(device), &words, &count));
  mvg_kernel_layout layout = {.binding_count = entry->binding_count,
                              .push_bytes = shader->push_count * (uint32_t)sizeof(uint32_t),
                              .subgroup_size = shader->subgroup_size};
  mvg_status status =
      mvg_kernel_create(device, shader->name, words, count, &layout, &entry->kernel);
  mvg_free(words);
  return status;
}

static void *compile_some(void *context) {
  job *j = context;
  for (;;) {
    uint32_t i = atomic_fetch_add(&j->next, 1);
    if (i >= j->set->entries.count || atomic_load(&j->has_failed)) return NULL;
    mvg_status status = compile_entry(j->device, &j->set->entries.items[i]);
    if (!status) continue;
    atomic_store(&j->has_failed, true);
    pthread_mutex_lock(&j->lock);
    j->failure = mvg_status_join(j->failure, status);
    pthread_mutex_unlock(&j->lock);
  }
}

mvg_status mvg_kernel_set_compile(mvg_kernel_set *set, mvg_device *device) {
  job j = {.set = set, .device = device, .lock = PTHREAD_MUTEX_INITIALIZER};
  size_t wanted = mvg_threads_count_cores();
  if (wanted > MAX_THREADS) wanted = MAX_THREADS;
  if (wanted > set->entries.count) wanted = set->entries.count;
  pthread_t threads[MAX_THREADS];
  size_t started = 0;
  for (size_t i = 1; i < wanted; ++i) {
    if (pthread_create(&threads[started], NULL, compile_some, &j) == 0) ++started;
  }
  compile_some(&j);
  for (size_t i = 0; i < started; ++i)
    pthread_join(threads[i], NULL);
  pthread_mutex_destroy(&j.lock);
  return j.failure;
}

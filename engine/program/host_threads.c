#include "program/host_threads.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

#define MAX_WORKERS 63

// Workers live as long as the process; a job is announced by its number.
static struct {
  pthread_once_t once;
  pthread_mutex_t lock, turn; // `turn` is held by whoever runs a job
  pthread_cond_t has_job, is_done;
  uint64_t job;
  uint32_t worker_count, busy_count;
  mvg_host_task task;
  void *context;
  int64_t count;
  atomic_llong next;
} pool = {.once = PTHREAD_ONCE_INIT,
          .lock = PTHREAD_MUTEX_INITIALIZER,
          .turn = PTHREAD_MUTEX_INITIALIZER,
          .has_job = PTHREAD_COND_INITIALIZER,
          .is_done = PTHREAD_COND_INITIALIZER};

static void run_tasks(void) {
  for (;;) {
    int64_t i = atomic_fetch_add(&pool.next, 1);
    if (i >= pool.count) return;
    pool.task(pool.context, i);
  }
}

static _Thread_local uint32_t thread_number;

static void *work(void *number) {
  uint64_t seen = 0;
  thread_number = (uint32_t)(uintptr_t)number;
  pthread_mutex_lock(&pool.lock);
  while (true) {
    while (pool.job == seen)
      pthread_cond_wait(&pool.has_job, &pool.lock);
    seen = pool.job;
    pthread_mutex_unlock(&pool.lock);
    run_tasks();
    pthread_mutex_lock(&pool.lock);
    if (--pool.busy_count == 0) pthread_cond_signal(&pool.is_done);
  }
  return NULL;
}

static void start_workers(void) {
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  for (long i = 1; i < cores && i <= MAX_WORKERS; ++i) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, work, (void *)(uintptr_t)i) != 0) return;
    pthread_detach(thread);
    ++pool.worker_count;
  }
}

uint32_t mvg_host_get_thread_count(void) {
  pthread_once(&pool.once, start_workers);
  return pool.worker_count + 1;
}

uint32_t mvg_host_get_thread(void) {
  return thread_number;
}

void mvg_host_parallel(int64_t count, mvg_host_task task, void *context) {
  pthread_once(&pool.once, start_workers);
  bool is_alone = count < 2 || pool.worker_count == 0 || pthread_mutex_trylock(&pool.turn) != 0;
  if (is_alone) {
    for (int64_t i = 0; i < count; ++i)
      task(context, i);
    return;
  }
  pthread_mutex_lock(&pool.lock);
  pool.task = task;
  pool.context = context;
  pool.count = count;
  atomic_store(&pool.next, 0);
  pool.busy_count = pool.worker_count;
  ++pool.job;
  pthread_cond_broadcast(&pool.has_job);
  pthread_mutex_unlock(&pool.lock);
  run_tasks();
  pthread_mutex_lock(&pool.lock);
  while (pool.busy_count)
    pthread_cond_wait(&pool.is_done, &pool.lock);
  pthread_mutex_unlock(&pool.lock);
  pthread_mutex_unlock(&pool.turn);
}

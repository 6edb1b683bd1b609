#include "base/threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

#define MAX_WORKERS 63
#define PATIENCE 4000 // looks at what is awaited before a thread sleeps: some tens of microseconds

// Workers live as long as the process; a job is announced by its number. Steps follow each other
// so closely that waking threads would cost more than many of them: who waits looks on for a while.
static struct {
  pthread_once_t once;
  pthread_mutex_t lock, turn; // `turn` is held by whoever runs a job
  pthread_cond_t has_job, is_done;
  atomic_ullong job;
  uint32_t worker_count;
  atomic_uint busy_count;
  mvg_thread_task task;
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

static inline void pause_briefly(void) {
#if defined(__x86_64__) && defined(__GNUC__)
  __builtin_ia32_pause();
#endif
}

static void await_job(uint64_t seen) {
  for (int i = 0; i < PATIENCE && atomic_load(&pool.job) == seen; ++i)
    pause_briefly();
  if (atomic_load(&pool.job) != seen) return;
  pthread_mutex_lock(&pool.lock);
  while (atomic_load(&pool.job) == seen)
    pthread_cond_wait(&pool.has_job, &pool.lock);
  pthread_mutex_unlock(&pool.lock);
}

static void await_workers(void) {
  for (int i = 0; i < PATIENCE && atomic_load(&pool.busy_count); ++i)
    pause_briefly();
  if (atomic_load(&pool.busy_count) == 0) return;
  pthread_mutex_lock(&pool.lock);
  while (atomic_load(&pool.busy_count))
    pthread_cond_wait(&pool.is_done, &pool.lock);
  pthread_mutex_unlock(&pool.lock);
}

static void *work(void *number) {
  uint64_t seen = 0;
  thread_number = (uint32_t)(uintptr_t)number;
  while (true) {
    await_job(seen);
    seen = atomic_load(&pool.job);
    run_tasks();
    if (atomic_fetch_sub(&pool.busy_count, 1) != 1) continue;
    pthread_mutex_lock(&pool.lock); // else the signal could fall between a look and a sleep
    pthread_cond_signal(&pool.is_done);
    pthread_mutex_unlock(&pool.lock);
  }
  return NULL;
}

uint32_t mvg_threads_count_cores(void) {
  cpu_set_t cores;
  return sched_getaffinity(0, sizeof cores, &cores) == 0 ? (uint32_t)CPU_COUNT(&cores) : 1;
}

static void start_workers(void) {
  uint32_t cores = mvg_threads_count_cores();
  for (uint32_t i = 1; i < cores && i <= MAX_WORKERS; ++i) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, work, (void *)(uintptr_t)i) != 0) return;
    pthread_detach(thread);
    ++pool.worker_count;
  }
}

uint32_t mvg_threads_get_count(void) {
  pthread_once(&pool.once, start_workers);
  return pool.worker_count + 1;
}

uint32_t mvg_threads_get_current(void) {
  return thread_number;
}

void mvg_threads_run(int64_t count, mvg_thread_task task, void *context) {
  pthread_once(&pool.once, start_workers);
  bool is_alone = count < 2 || pool.worker_count == 0 || pthread_mutex_trylock(&pool.turn) != 0;
  if (is_alone) {
    for (int64_t i = 0; i < count; ++i)
      task(context, i);
    return;
  }
  pool.task = task;
  pool.context = context;
  pool.count = count;
  atomic_store(&pool.next, 0);
  atomic_store(&pool.busy_count, pool.worker_count);
  pthread_mutex_lock(&pool.lock);
  atomic_fetch_add(&pool.job, 1);
  pthread_cond_broadcast(&pool.has_job);
  pthread_mutex_unlock(&pool.lock);
  run_tasks();
  await_workers();
  pthread_mutex_unlock(&pool.turn);
}

// Threads for work on the host. Workers look out for the next job for a moment, then sleep, so that
// a CPU device's own workers have the cores. (OpenMP runtimes spin for long, which halves the speed
// of the shaders that follow.)
#ifndef MVGRAPH_BASE_THREADS_H_
#define MVGRAPH_BASE_THREADS_H_

#include <stdint.h>

typedef void (*mvg_thread_task)(void *context, int64_t index);

// Cores that this process may use: of a job scheduler's cpuset or `taskset`, not of the machine.
uint32_t mvg_threads_count_cores(void);

// Calls task(context, 0..count-1), spread over all cores, and waits. One job at a time; a call from
// inside a task, or while another thread's job runs, is done by the caller alone.
void mvg_threads_run(int64_t count, mvg_thread_task task, void *context);

// Threads that may run tasks of one job, and which of them the caller is: 0 for all that are no
// workers.
uint32_t mvg_threads_get_count(void);
uint32_t mvg_threads_get_current(void);

#endif // MVGRAPH_BASE_THREADS_H_

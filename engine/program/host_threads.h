// Threads for host kernels: workers sleep between jobs, so that a CPU device's own workers have the
// cores meanwhile. (OpenMP runtimes spin after a job, which halves the speed of the shaders that
// follow.)
#ifndef MVGRAPH_PROGRAM_HOST_THREADS_H_
#define MVGRAPH_PROGRAM_HOST_THREADS_H_

#include <stdint.h>

typedef void (*mvg_host_task)(void *context, int64_t index);

// Cores that this process may use: of a job scheduler's cpuset or `taskset`, not of the machine.
uint32_t mvg_host_count_cores(void);

// Calls task(context, 0..count-1), spread over all cores, and waits. One job at a time; a call from
// inside a task, or while another thread's job runs, is done by the caller alone.
void mvg_host_parallel(int64_t count, mvg_host_task task, void *context);

// Threads that may run tasks of one job, and which of them the caller is: 0 for all that are no
// workers.
uint32_t mvg_host_get_thread_count(void);
uint32_t mvg_host_get_thread(void);

#endif // MVGRAPH_PROGRAM_HOST_THREADS_H_

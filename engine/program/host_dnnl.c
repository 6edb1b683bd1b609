// Products, and what all calls need: they run on the engine's threads, one thread each, so that how
// work is cut, and with it every bit, depends on shapes alone, and no second pool of threads looks
// for work.
#include "program/host_dnnl.h"

#include <dlfcn.h>
#include <oneapi/dnnl/dnnl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static struct {
  pthread_once_t once;
  bool is_on;
  void (*set_threads)(int); // of the OpenMP runtime that came with the library
} library = {.once = PTHREAD_ONCE_INIT};

static void look_up(void) {
  const char *wanted = getenv("MVGRAPH_ONEDNN");
  if (wanted && *wanted == '0') return;
  unsigned runtime = dnnl_version()->cpu_runtime;
  void *symbol = dlsym(RTLD_DEFAULT, "omp_set_num_threads");
  if (runtime == DNNL_RUNTIME_OMP) memcpy(&library.set_threads, &symbol, sizeof symbol);
  library.is_on = runtime == DNNL_RUNTIME_SEQ || library.set_threads;
}

bool mvg_dnnl_enter(void) {
  static _Thread_local bool is_alone;
  pthread_once(&library.once, look_up);
  if (library.is_on && !is_alone) {
    if (library.set_threads) library.set_threads(1);
    is_alone = true;
  }
  return library.is_on;
}

// ---- products ----

// Where it pays, by the CPU time of one Zen 4 core, GFLOP/s of oneDNN 2.6.3 and of the engine:
//   b as it is: 65536 x 96 x 384 105 and 95, 4096 x 384 x 1536 112 and 75, 128 x 128 x 128 114
//     and 101, 32 x 32 x 32 77 and 72; with a transposed 96 x 96 x 65536 104 and 81
//   b transposed: 65536 x 288 x 96 102 and 96, 512 x 384 x 768 106 and 99; but 256 x 192 x 3072 93
//     and 98, 16 x 1024 x 1024 36 and 65, and with a transposed, too, 128 x 256 x 1024 54 and 102
//   8 x 512 x 512 103 and 23, with b transposed 80 and 38; 1024 x 1 x 1024 40 and 5
//   1024 x 8 x 512 39 and 42; 1024 x 256 x 32 99 and 108 with a transposed
static bool pays(const mvg_product *p, bool turns_a, bool turns_b) {
  if (p->k <= 32 || p->m * p->n * p->k < 32 * 32 * 32) return false;
  if (p->n > 1 && p->n < 16) return false;
  return turns_b ? !turns_a && (p->m >= 512 || p->m <= 8) : true;
}

bool mvg_dnnl_multiply(const mvg_product *p, const void *a, const void *b, void *y) {
  if (p->a != MVG_DTYPE_F32 || p->b != MVG_DTYPE_F32 || p->y != MVG_DTYPE_F32) return false;
  bool turns_a = p->a_column != 1 || p->a_row < p->k, turns_b = p->b_column != 1;
  if ((turns_a && p->a_row != 1) || (turns_b && p->b_row != 1)) return false;
  if (!pays(p, turns_a, turns_b) || !mvg_dnnl_enter()) return false;
  return dnnl_sgemm(turns_a ? 'T' : 'N', turns_b ? 'T' : 'N', p->m, p->n, p->k, 1, a,
                    turns_a ? p->a_column : p->a_row, b, turns_b ? p->b_column : p->b_row,
                    p->overwrites ? 0 : 1, y, p->y_row) == dnnl_success;
}

#include "program/cut.h"

#define OPERATIONS_PER_NS 2000
#define BYTES_PER_NS 50
#define FIRST_LIMIT_NS (MVG_CUT_LIST_NS / 64)

double mvg_cut_estimate_ns(double operations, uint64_t bytes) {
  double compute_ns = operations > 0 ? operations / OPERATIONS_PER_NS : 0;
  double memory_ns = (double)bytes / BYTES_PER_NS;
  return compute_ns > memory_ns ? compute_ns : memory_ns;
}

uint32_t mvg_cut_count_parts(double step_ns, uint32_t max_parts) {
  if (!(step_ns > MVG_CUT_DISPATCH_NS) || max_parts < 2) return 1;
  double wanted = step_ns / MVG_CUT_LIST_NS;
  if (wanted >= max_parts) return max_parts;
  uint32_t parts = (uint32_t)wanted;
  return parts < wanted ? parts + 1 : parts;
}

static double next_limit(double limit_ns) {
  if (limit_ns == 0) return FIRST_LIMIT_NS;
  return 2 * limit_ns < MVG_CUT_LIST_NS ? 2 * limit_ns : MVG_CUT_LIST_NS;
}

bool mvg_cut_add(mvg_cut *cut, double ns) {
  double limit = cut->is_measured ? MVG_CUT_LIST_NS : cut->limit_ns;
  bool is_full =
      cut->ns + ns > limit || (!cut->is_measured && cut->step_count >= MVG_CUT_MAX_STEPS);
  bool is_first = !cut->is_open || is_full;
  if (is_first) {
    cut->limit_ns = next_limit(cut->limit_ns);
    cut->ns = 0;
    cut->step_count = 0;
  }
  cut->is_open = true;
  cut->ns += ns;
  ++cut->step_count;
  return is_first;
}

void mvg_cut_close(mvg_cut *cut) {
  cut->is_open = false;
}

// What steps cost: device timestamps and the host's clock for the profile, estimates and then
// timestamps for where runs are cut.
#include "program/cut.h"
#include "program/program_internal.h"

mvg_status mvg_program_estimate_costs(mvg_program *p) {
  MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY(p->plan->step_count, &p->cost_ns));
  for (uint32_t i = 0; i < p->plan->step_count; ++i) {
    mvg_cost cost = mvg_profile_get_cost(p->plan, i);
    p->cost_ns[i] = mvg_cut_estimate_ns(cost.operations, cost.read_bytes + cost.write_bytes);
  }
  return NULL;
}

static bool has_timestamps(const mvg_program *p) {
  return mvg_device_get_caps(p->device)->has_timestamps;
}

static bool is_measurable(const mvg_program *p) {
  return has_timestamps(p) && !p->profile.step_ns && !mvg_program_runs_alone(p);
}

bool mvg_program_is_stamped(const mvg_program *p) {
  return p->profile.step_ns || (is_measurable(p) && !p->is_measured);
}

typedef void (*step_visitor)(void *context, uint32_t step, double begin_ns, double end_ns);

// Of a list in which each step is followed by a timestamp; times are since the list began.
static mvg_status visit_times(const mvg_segment *s, double offset_ns, step_visitor visit,
                              void *context) {
  uint32_t count = s->step_count + 1;
  uint64_t *times;
  MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY(count, &times));
  mvg_status status = mvg_commands_read_timestamps(s->commands, times, count);
  for (uint32_t i = 1; i < count && !status; ++i) {
    if (times[i] < times[i - 1]) times[i] = times[i - 1]; // not written, or the counter wrapped
    visit(context, s->first_step + i - 1, offset_ns + (double)(times[i - 1] - times[0]),
          offset_ns + (double)(times[i] - times[0]));
  }
  mvg_free(times);
  return status;
}

static void add_to_profile(void *context, uint32_t step, double begin_ns, double end_ns) {
  mvg_profile_add(context, step, begin_ns, end_ns);
}

mvg_status mvg_program_profile_segment(mvg_program *p, const mvg_segment *s, double begin_ns,
                                       double end_ns) {
  if (s->commands && (has_timestamps(p) || s->step_count != 1)) {
    return visit_times(s, begin_ns, add_to_profile, &p->profile);
  }
  mvg_profile_add(&p->profile, s->first_step, begin_ns, end_ns);
  return NULL;
}

static void add_to_costs(void *context, uint32_t step, double begin_ns, double end_ns) {
  ((double *)context)[step] += end_ns - begin_ns;
}

static mvg_status measure(mvg_program *p, double *costs) {
  for (size_t i = 0; i < p->segments.count; ++i) {
    const mvg_segment *s = &p->segments.items[i];
    if (s->commands) MVG_RETURN_IF_ERROR(visit_times(s, 0, add_to_costs, costs));
  }
  for (uint32_t i = 0; i < p->plan->step_count; ++i) {
    if (costs[i] > 0) p->cost_ns[i] = costs[i]; // else it is below the clock's grain, or unknown
  }
  p->is_measured = true;
  p->is_recorded = false; // the next run begins with lists of what is known now
  return NULL;
}

mvg_status mvg_program_measure_costs(mvg_program *p) {
  if (p->is_measured || !is_measurable(p) || ++p->run_count < 2) return NULL;
  double *costs;
  MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY(p->plan->step_count, &costs));
  mvg_status status = measure(p, costs);
  mvg_free(costs);
  return status;
}

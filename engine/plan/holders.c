// Who holds the arena at its peak: values written at or before that step and read at or after it.
#include "plan/plan.h"

// Next values of states are read last of all, by copies.
static uint32_t find_last_read(const mvg_plan *plan, mvg_value value) {
  const mvg_graph *graph = plan->fusion->graph;
  for (uint32_t i = 0; i < mvg_graph_get_target_count(graph); ++i) {
    const mvg_target *target = mvg_graph_get_target(graph, i);
    bool is_same = target->value.node == value.node && target->value.output == value.output;
    if (is_same && target->is_update) return plan->step_count;
  }
  uint32_t last = 0;
  for (uint32_t i = 0; i < plan->step_count; ++i) {
    const mvg_group *group = plan->steps[i].group;
    for (uint32_t k = 0; group && k < group->read_count; ++k) {
      mvg_value read = group->reads[k].value;
      if (read.node == value.node && read.output == value.output) last = i;
    }
  }
  return last;
}

static void keep_largest(mvg_holder *holders, uint32_t max, uint32_t *count, mvg_holder candidate) {
  uint32_t at = *count;
  while (at > 0 && holders[at - 1].bytes < candidate.bytes)
    --at;
  if (at == max) return;
  uint32_t last = *count < max ? (*count)++ : max - 1;
  for (uint32_t i = last; i > at; --i)
    holders[i] = holders[i - 1];
  holders[at] = candidate;
}

uint32_t mvg_plan_find_holders(const mvg_plan *plan, mvg_holder *holders, uint32_t max) {
  uint32_t count = 0;
  for (uint32_t i = 0; i <= plan->peak_step && i < plan->step_count; ++i) {
    const mvg_step *step = &plan->steps[i];
    for (uint32_t k = 0; step->group && k < step->write_count; ++k) {
      const mvg_span *span = &step->spans[step->read_count + k];
      mvg_value value = step->group->writes[k];
      bool is_alive = i == plan->peak_step || find_last_read(plan, value) >= plan->peak_step;
      if (span->region != MVG_REGION_ARENA || !is_alive) continue;
      keep_largest(holders, max, &count, (mvg_holder){value, span->size_bytes});
    }
  }
  return count;
}

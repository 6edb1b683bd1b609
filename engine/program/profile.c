#include "program/profile.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_LINES 40

mvg_status mvg_profile_init(mvg_profile *profile, const mvg_plan *plan, bool is_wanted) {
  const char *wanted = getenv("MVGRAPH_PROFILE");
  *profile = (mvg_profile){.is_printed = wanted && *wanted && *wanted != '0'};
  if (!profile->is_printed && !is_wanted) return NULL;
  MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY(plan->step_count + 1, &profile->last));
  return MVG_NEW_ARRAY(plan->step_count + 1, &profile->step_ns);
}

void mvg_profile_deinit(mvg_profile *profile) {
  mvg_free(profile->step_ns);
  mvg_free(profile->last);
  profile->step_ns = NULL;
  profile->last = NULL;
}

void mvg_profile_add(mvg_profile *profile, uint32_t step, double begin_ns, double end_ns) {
  profile->step_ns[step] += end_ns - begin_ns;
  profile->last[step] = (mvg_profile_span){begin_ns, end_ns};
}

static double count_operations(const mvg_plan *plan, const mvg_group *group) {
  if (!group) return 0;
  if (group->kind == MVG_GROUP_FUSED) return group->work;
  if (group->kind == MVG_GROUP_HOST) return -1;
  return mvg_graph_get_node(plan->fusion->graph, group->node)->kernel.operations;
}

mvg_cost mvg_profile_get_cost(const mvg_plan *plan, uint32_t number) {
  const mvg_step *step = &plan->steps[number];
  mvg_cost cost = {.operations = count_operations(plan, step->group)};
  for (uint32_t i = 0; i < step->read_count; ++i)
    cost.read_bytes += step->spans[i].size_bytes;
  for (uint32_t i = 0; i < step->write_count; ++i)
    cost.write_bytes += step->spans[step->read_count + i].size_bytes;
  return cost;
}

double mvg_profile_now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

void mvg_profile_print(const mvg_profile *profile, const mvg_plan *plan, mvg_str *out) {
  if (!profile->step_ns || profile->run_count == 0) return;
  double runs = (double)profile->run_count, total = 0;
  bool *is_printed;
  mvg_status status = MVG_NEW_ARRAY(plan->step_count + 1, &is_printed);
  if (status) {
    mvg_status_destroy(status);
    return;
  }
  for (uint32_t i = 0; i < plan->step_count; ++i)
    total += profile->step_ns[i];
  mvg_str_appendf(out, "profile '%s': %" PRIu64 " runs of %.3f ms, %.3f ms in %u steps\n",
                  mvg_graph_get_name(plan->fusion->graph), profile->run_count,
                  profile->wall_ns / runs * 1e-6, total / runs * 1e-6, plan->step_count);
  for (uint32_t line = 0; line < MAX_LINES && line < plan->step_count; ++line) {
    uint32_t longest = UINT32_MAX;
    for (uint32_t i = 0; i < plan->step_count; ++i) {
      bool is_longer = longest == UINT32_MAX || profile->step_ns[i] > profile->step_ns[longest];
      if (!is_printed[i] && is_longer) longest = i;
    }
    is_printed[longest] = true;
    mvg_str_appendf(out, "%9.3f ms ", profile->step_ns[longest] / runs * 1e-6);
    mvg_plan_print_step_name(plan, longest, out);
    const mvg_group *group = plan->steps[longest].group;
    if (group) {
      char origin[MVG_ORIGIN_TEXT_SIZE];
      const mvg_node *node = mvg_graph_get_node(plan->fusion->graph, group->writes[0].node);
      mvg_str_appendf(out, "  %s", mvg_node_format_origin(node, origin));
    }
    mvg_str_append(out, "\n");
  }
  mvg_free(is_printed);
}

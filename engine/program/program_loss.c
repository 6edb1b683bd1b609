// What a lost device was doing: drivers do not say, so all that was in flight is named.
#include "program/program_internal.h"

#define MAX_NAMED 12

static void print_step(const mvg_plan *plan, uint32_t number, mvg_str *out) {
  mvg_str_appendf(out, "\n    step %u, ", number);
  mvg_plan_print_step_name(plan, number, out);
  const mvg_group *group = plan->steps[number].group;
  if (!group) return;
  char origin[MVG_ORIGIN_TEXT_SIZE];
  const mvg_node *node = mvg_graph_get_node(plan->fusion->graph, group->writes[0].node);
  mvg_str_appendf(out, ", %s", mvg_node_format_origin(node, origin));
}

static void print_steps(const mvg_plan *plan, uint32_t first, uint32_t end, mvg_str *out) {
  if (first == end) {
    mvg_str_append(out, "\n  in flight: copies of inputs or outputs");
    return;
  }
  mvg_str_appendf(out, "\n  in flight: %u of %u steps", end - first, plan->step_count);
  for (uint32_t i = first; i < end; ++i) {
    bool is_named =
        end - first <= MAX_NAMED || i < first + MAX_NAMED / 2 || i >= end - MAX_NAMED / 2;
    if (is_named) print_step(plan, i, out);
    if (is_named || i != first + MAX_NAMED / 2) continue;
    mvg_str_appendf(out, "\n    ... %u more ...", end - first - MAX_NAMED);
  }
}

mvg_status mvg_program_explain_loss(const mvg_program *p, mvg_status status) {
  bool is_loss = mvg_status_get_code(status) == MVG_DEVICE_LOST;
  if (!is_loss || p->flight_first == p->flight_end) return status;
  const mvg_segment *first = &p->segments.items[p->flight_first];
  const mvg_segment *last = &p->segments.items[p->flight_end - 1];
  mvg_str text = {0};
  mvg_str_append(&text, mvg_status_get_message(status));
  print_steps(p->plan, first->first_step, last->first_step + last->step_count, &text);
  mvg_str_append(&text,
                 "\n  Drivers give a device up when work takes too long, reaches outside its "
                 "memory, or meets their own faults: try a smaller batch or image, or another "
                 "driver; MVGRAPH_GUARD=1 finds accesses that go astray.");
  char *message;
  mvg_status failure = mvg_str_take(&text, &message);
  if (failure) {
    mvg_status_destroy(failure);
    return status;
  }
  mvg_status_destroy(status);
  status = MVG_ERROR(MVG_DEVICE_LOST, "%s", message);
  mvg_free(message);
  return status;
}

// The text form of plans, stable and free of addresses.
#include <inttypes.h>
#include <stdio.h>

#include "plan/plan.h"

static const char *const region_names[MVG_REGION_COUNT] = {"arena", "input", "output", "const",
                                                           "state"};

static void print_bytes(mvg_str *out, uint64_t bytes) {
  if (bytes < 10240) {
    mvg_str_appendf(out, "%" PRIu64 " B", bytes);
  } else if (bytes < 10240 * 1024) {
    mvg_str_appendf(out, "%.1f KiB", (double)bytes / 1024);
  } else {
    mvg_str_appendf(out, "%.1f MiB", (double)bytes / (1024 * 1024));
  }
}

static void print_span(mvg_str *out, const mvg_span *span) {
  mvg_str_append(out, region_names[span->region]);
  if (span->slot || span->region == MVG_REGION_STATE) mvg_str_appendf(out, "%u", span->slot);
  mvg_str_appendf(out, "[%" PRIu64 "+%" PRIu64 "]", span->offset, span->size_bytes);
}

static void print_name(mvg_str *out, const mvg_plan *plan, const mvg_step *step) {
  static const char *const kinds[] = {"fused", "kernel", "bound", "host"};
  const mvg_group *group = step->group;
  if (!group) {
    mvg_str_appendf(out, "copy to %s", step->name);
    return;
  }
  mvg_str_appendf(out, "%s ", kinds[group->kind]);
  for (uint32_t i = 0; i < group->write_count; ++i) {
    const mvg_node *node = mvg_graph_get_node(plan->fusion->graph, group->writes[i].node);
    mvg_str_appendf(out, i ? "+%s" : "%s", node->op);
  }
  if (group->kind != MVG_GROUP_FUSED) {
    const mvg_node *node = mvg_graph_get_node(plan->fusion->graph, group->node);
    bool is_shown = false;
    for (uint32_t i = 0; i < group->write_count; ++i)
      is_shown = is_shown || group->writes[i].node == group->node;
    if (!is_shown) mvg_str_appendf(out, " after %s", node->op);
  }
  for (uint32_t p = 0; p < group->part_count && group->kind == MVG_GROUP_FUSED; ++p) {
    mvg_str_appendf(out, p ? ", %" PRId64 : " (%" PRId64, group->parts[p].count);
  }
  if (group->kind == MVG_GROUP_FUSED) mvg_str_append(out, ")");
}

void mvg_plan_print_step_name(const mvg_plan *plan, uint32_t step, mvg_str *out) {
  print_name(out, plan, &plan->steps[step]);
}

void mvg_plan_print_value_name(const mvg_plan *plan, mvg_value value, mvg_str *out) {
  const mvg_node *node = mvg_graph_get_node(plan->fusion->graph, value.node);
  char origin[MVG_ORIGIN_TEXT_SIZE];
  bool is_leaf = node->kind == MVG_KIND_INPUT || node->kind == MVG_KIND_STATE;
  if (is_leaf) {
    mvg_str_appendf(out, "%s '%s'", node->op, node->leaf.name);
  } else {
    mvg_str_append(out, mvg_node_format_origin(node, origin));
  }
}

static void print_step(mvg_str *out, const mvg_plan *plan, uint32_t number) {
  static const char *const hazards[] = {"", "read after write", "write after read",
                                        "write after write"};
  const mvg_step *step = &plan->steps[number];
  if (step->barrier) {
    mvg_str_appendf(out, "     barrier: %s of step %u\n", hazards[step->barrier],
                    step->barrier_step);
  }
  mvg_str_appendf(out, "%4u %s", number, step->kind == MVG_STEP_HOST ? "host " : "");
  print_name(out, plan, step);
  mvg_str_append(out, " <-");
  for (uint32_t i = 0; i < step->read_count; ++i) {
    mvg_str_append(out, " ");
    print_span(out, &step->spans[i]);
  }
  mvg_str_append(out, " ->");
  for (uint32_t i = 0; i < step->write_count; ++i) {
    mvg_str_append(out, " ");
    print_span(out, &step->spans[step->read_count + i]);
  }
  mvg_str_append(out, "\n");
}

#define SHOWN_HOLDERS 8

void mvg_plan_print_peak(const mvg_plan *plan, mvg_str *out) {
  mvg_holder holders[SHOWN_HOLDERS];
  uint32_t count = mvg_plan_find_holders(plan, holders, SHOWN_HOLDERS);
  mvg_str_append(out, "peak ");
  print_bytes(out, plan->live_bytes);
  mvg_str_appendf(out, " at step %u, held by:\n", plan->peak_step);
  for (uint32_t i = 0; i < count; ++i) {
    char origin[MVG_ORIGIN_TEXT_SIZE];
    const mvg_node *node = mvg_graph_get_node(plan->fusion->graph, holders[i].value.node);
    mvg_str_append(out, "  ");
    print_bytes(out, holders[i].bytes);
    mvg_str_appendf(out, "  %s\n", mvg_node_format_origin(node, origin));
  }
}

void mvg_plan_print(const mvg_plan *plan, mvg_str *out) {
  uint32_t dispatches = 0, hosts = 0, copies = 0, barriers = 0;
  for (uint32_t i = 0; i < plan->step_count; ++i) {
    dispatches += plan->steps[i].kind == MVG_STEP_DISPATCH;
    hosts += plan->steps[i].kind == MVG_STEP_HOST;
    copies += plan->steps[i].kind == MVG_STEP_COPY;
    barriers += plan->steps[i].barrier != MVG_HAZARD_NONE;
  }
  mvg_str_appendf(out, "plan '%s': %u dispatches, %u host steps, %u copies, %u barriers\n",
                  mvg_graph_get_name(plan->fusion->graph), dispatches, hosts, copies, barriers);
  for (uint32_t i = 0; i < plan->step_count; ++i)
    print_step(out, plan, i);
  for (uint32_t i = 0; i < MVG_REGION_STATE; ++i) {
    mvg_str_appendf(out, "%s ", region_names[i]);
    print_bytes(out, plan->region_bytes[i]);
    mvg_str_append(out, i + 1 < MVG_REGION_STATE ? ", " : "; without reuse ");
  }
  print_bytes(out, plan->total_bytes);
  mvg_str_append(out, "\n");
  mvg_plan_print_peak(plan, out);
}

// Assembles the plan: places leaves and targets, lets the schedule order the groups, gives
// temporaries their offsets, and finds the barriers.
#include "plan/plan.h"

#include <inttypes.h>

#include "plan/barrier.h"
#include "plan/memory.h"
#include "plan/schedule.h"

#define MIN_ALIGNMENT 64
#define MAX_PIECE (UINT64_C(1) << 30) // drivers that promise larger allocations often break it

typedef struct {
  mvg_plan *plan;
  mvg_fusion *fusion;
  const mvg_graph *graph;
  mvg_schedule schedule;
  uint64_t alignment;
  uint64_t guard;     // bytes left free on both sides of a value, a multiple of the alignment
  mvg_span *spans;    // per value; size 0: nowhere yet
  uint32_t *block_of; // per value: its block in the arena; UINT32_MAX
  MVG_ARRAY(mvg_block) blocks;
  MVG_ARRAY(mvg_value) block_values;
  MVG_ARRAY(mvg_step) steps;
  MVG_ARRAY(mvg_placed) inputs, outputs, constants;
} planner;

static uint64_t get_bytes(const planner *p, mvg_value value) {
  const mvg_type *type = mvg_graph_get_type(p->graph, value);
  uint64_t bytes = (uint64_t)mvg_shape_get_size(&type->shape) * mvg_dtype_get_size(type->dtype);
  return bytes ? bytes
               : mvg_dtype_get_size(type->dtype); // empty tensors still need a legal binding
}

static mvg_span reserve(planner *p, mvg_region region, uint64_t bytes) {
  uint64_t *total = &p->plan->region_bytes[region];
  mvg_span span = {.region = region, .offset = *total + p->guard, .size_bytes = bytes};
  *total += (bytes + p->alignment - 1) / p->alignment * p->alignment + 2 * p->guard;
  return span;
}

// ---- leaves and targets ----

static mvg_status place_input(planner *p, mvg_value value, const mvg_node *node, mvg_span *span) {
  for (size_t i = 0; i < p->inputs.count; ++i) {
    if (p->inputs.items[i].slot != node->leaf.slot) continue;
    *span = p->inputs.items[i].span;
    return NULL;
  }
  *span = reserve(p, MVG_REGION_INPUT, get_bytes(p, value));
  mvg_placed placed = {node->leaf.name, node->outputs[0], *span, node->leaf.slot, NULL};
  return mvg_array_push(&p->inputs, placed);
}

static mvg_status place_leaves(planner *p) {
  for (uint32_t id = 0; id < mvg_graph_get_node_count(p->graph); ++id) {
    const mvg_node *node = mvg_graph_get_node(p->graph, id);
    mvg_value value = {id, 0};
    mvg_span *span = &p->spans[p->fusion->value_base[id]];
    if (!p->fusion->is_live[id] && node->kind != MVG_KIND_INPUT) continue;
    if (node->kind == MVG_KIND_INPUT) MVG_RETURN_IF_ERROR(place_input(p, value, node, span));
    if (node->kind == MVG_KIND_STATE) {
      *span = (mvg_span){MVG_REGION_STATE, node->leaf.slot, 0, get_bytes(p, value)};
    }
    if (node->kind != MVG_KIND_CONST || !mvg_fusion_is_loaded(p->fusion, value)) continue;
    *span = reserve(p, MVG_REGION_CONST, get_bytes(p, value));
    mvg_placed placed = {"const", node->outputs[0], *span, 0, node->constant.data};
    MVG_RETURN_IF_ERROR(mvg_array_push(&p->constants, placed));
  }
  return NULL;
}

static mvg_status place_targets(planner *p) {
  for (uint32_t i = 0; i < mvg_graph_get_target_count(p->graph); ++i) {
    const mvg_target *target = mvg_graph_get_target(p->graph, i);
    uint32_t number = mvg_fusion_number(p->fusion, target->value);
    mvg_span *span = &p->spans[number];
    if (!target->is_update) {
      *span = reserve(p, MVG_REGION_OUTPUT, get_bytes(p, target->value));
      mvg_placed placed = {target->name, *mvg_graph_get_type(p->graph, target->value), *span, 0,
                           NULL};
      MVG_RETURN_IF_ERROR(mvg_array_push(&p->outputs, placed));
    } else if (p->schedule.is_in_place[number]) {
      *span = (mvg_span){MVG_REGION_STATE, target->slot, 0, get_bytes(p, target->value)};
    }
  }
  return NULL;
}

// ---- temporaries ----

static mvg_status open_block(planner *p, mvg_value value, uint32_t step) {
  uint32_t number = mvg_fusion_number(p->fusion, value);
  if (p->spans[number].size_bytes) return NULL;
  p->block_of[number] = (uint32_t)p->blocks.count;
  p->spans[number] = (mvg_span){.region = MVG_REGION_ARENA, .size_bytes = get_bytes(p, value)};
  p->plan->total_bytes += get_bytes(p, value);
  MVG_RETURN_IF_ERROR(mvg_array_push(&p->block_values, value));
  mvg_block block = {get_bytes(p, value) + 2 * p->guard, step, step, 0};
  if (p->guard) { // what follows in the same memory would write over the bands
    block.first_step = 0;
    block.last_step = p->fusion->group_count;
  }
  return mvg_array_push(&p->blocks, block);
}

static void extend_block(planner *p, mvg_value value, uint32_t step) {
  uint32_t block = p->block_of[mvg_fusion_number(p->fusion, value)];
  if (block != UINT32_MAX && !p->guard) p->blocks.items[block].last_step = step;
}

static mvg_status find_lifetimes(planner *p) {
  uint32_t count = p->fusion->group_count;
  for (uint32_t i = 0; i < count; ++i) {
    const mvg_group *group = &p->fusion->groups[p->schedule.order[i]];
    for (uint32_t k = 0; k < group->write_count; ++k) {
      MVG_RETURN_IF_ERROR(open_block(p, group->writes[k], i));
    }
    for (uint32_t k = 0; k < group->read_count; ++k)
      extend_block(p, group->reads[k].value, i);
  }
  for (uint32_t i = 0; i < mvg_graph_get_target_count(p->graph); ++i) {
    const mvg_target *target = mvg_graph_get_target(p->graph, i);
    if (target->is_update) extend_block(p, target->value, count);
  }
  return NULL;
}

static mvg_status assign_arena(planner *p) {
  uint64_t *peak = &p->plan->region_bytes[MVG_REGION_ARENA];
  uint32_t count = (uint32_t)p->blocks.count;
  uint64_t piece = p->plan->piece_bytes;
  MVG_RETURN_IF_ERROR(mvg_memory_assign(p->blocks.items, count, p->alignment, piece, peak));
  for (uint32_t i = 0; i < count; ++i) {
    uint32_t number = mvg_fusion_number(p->fusion, p->block_values.items[i]);
    p->spans[number].slot = (uint32_t)(p->blocks.items[i].offset / piece);
    p->spans[number].offset = p->blocks.items[i].offset % piece + p->guard;
  }
  return NULL;
}

// Copies come after all groups and hold what the last value copied needs.
static mvg_status count_live_bytes(planner *p) {
  uint64_t *live, group_count = p->fusion->group_count;
  MVG_RETURN_IF_ERROR(
      mvg_arena_alloc(&p->plan->arena, p->steps.count, sizeof *live, (void **)&live));
  for (uint32_t step = 0; step < p->steps.count; ++step) {
    uint64_t moment = step < group_count ? step : group_count;
    for (size_t i = 0; i < p->blocks.count; ++i) {
      const mvg_block *block = &p->blocks.items[i];
      bool is_held = block->first_step <= moment && moment <= block->last_step;
      if (is_held) live[step] += block->size_bytes;
    }
    if (live[step] <= p->plan->live_bytes) continue;
    p->plan->live_bytes = live[step];
    p->plan->peak_step = step;
  }
  p->plan->step_live_bytes = live;
  return NULL;
}

// ---- steps ----

static mvg_status add_group(planner *p, const mvg_group *group) {
  bool is_host = group->kind == MVG_GROUP_HOST || group->kind == MVG_GROUP_BOUND;
  mvg_step step = {.kind = is_host ? MVG_STEP_HOST : MVG_STEP_DISPATCH,
                   .group = group,
                   .read_count = group->read_count,
                   .write_count = group->write_count};
  mvg_span *spans;
  MVG_RETURN_IF_ERROR(mvg_arena_alloc(&p->plan->arena, group->read_count + group->write_count,
                                      sizeof *spans, (void **)&spans));
  for (uint32_t i = 0; i < group->read_count; ++i) {
    spans[i] = p->spans[mvg_fusion_number(p->fusion, group->reads[i].value)];
  }
  for (uint32_t i = 0; i < group->write_count; ++i) {
    spans[group->read_count + i] = p->spans[mvg_fusion_number(p->fusion, group->writes[i])];
  }
  step.spans = spans;
  return mvg_array_push(&p->steps, step);
}

static mvg_status add_copy(planner *p, const mvg_target *target) {
  uint64_t bytes = get_bytes(p, target->value);
  const mvg_span spans[2] = {p->spans[mvg_fusion_number(p->fusion, target->value)],
                             {MVG_REGION_STATE, target->slot, 0, bytes}};
  mvg_step step = {.kind = MVG_STEP_COPY, .name = target->name, .read_count = 1, .write_count = 1};
  MVG_RETURN_IF_ERROR(
      mvg_arena_copy(&p->plan->arena, spans, 2, sizeof *spans, (void **)&step.spans));
  return mvg_array_push(&p->steps, step);
}

static mvg_status list_steps(planner *p) {
  for (uint32_t i = 0; i < p->fusion->group_count; ++i) {
    MVG_RETURN_IF_ERROR(add_group(p, &p->fusion->groups[p->schedule.order[i]]));
  }
  for (uint32_t i = 0; i < mvg_graph_get_target_count(p->graph); ++i) {
    const mvg_target *target = mvg_graph_get_target(p->graph, i);
    uint32_t number = mvg_fusion_number(p->fusion, target->value);
    if (target->is_update && !p->schedule.is_in_place[number]) {
      MVG_RETURN_IF_ERROR(add_copy(p, target));
    }
  }
  mvg_barrier_tracker tracker = {0};
  mvg_status status = NULL;
  for (uint32_t i = 0; i < p->steps.count && !status; ++i) {
    status = mvg_barrier_enter(&tracker, &p->steps.items[i], i);
  }
  mvg_barrier_tracker_deinit(&tracker);
  return status;
}

static mvg_status freeze_list(mvg_plan *plan, const mvg_placed *items, size_t count,
                              const mvg_placed **out, uint32_t *out_count) {
  *out_count = (uint32_t)count;
  return mvg_arena_copy(&plan->arena, items, count, sizeof *items, (void **)out);
}

static mvg_status freeze(planner *p) {
  mvg_plan *plan = p->plan;
  MVG_RETURN_IF_ERROR(
      freeze_list(plan, p->inputs.items, p->inputs.count, &plan->inputs, &plan->input_count));
  MVG_RETURN_IF_ERROR(
      freeze_list(plan, p->outputs.items, p->outputs.count, &plan->outputs, &plan->output_count));
  MVG_RETURN_IF_ERROR(freeze_list(plan, p->constants.items, p->constants.count, &plan->constants,
                                  &plan->constant_count));
  plan->step_count = (uint32_t)p->steps.count;
  return mvg_arena_copy(&plan->arena, p->steps.items, p->steps.count, sizeof *p->steps.items,
                        (void **)&plan->steps);
}

static mvg_status check_limits(const planner *p) {
  uint64_t largest = 0;
  for (size_t i = 0; i < p->blocks.count; ++i) {
    if (p->blocks.items[i].size_bytes > largest) largest = p->blocks.items[i].size_bytes;
  }
  if (largest <= p->plan->piece_bytes) return NULL;
  mvg_str text = {0};
  mvg_plan_print_peak(p->plan, &text);
  mvg_status status = MVG_ERROR(
      MVG_OUT_OF_MEMORY,
      "a tensor of %" PRIu64 " bytes is more than the device gives in one piece (%" PRIu64
      " bytes)\n%sthree ways to shrink it: a smaller batch, a smaller image size, fewer views",
      largest, p->plan->piece_bytes, text.text ? text.text : "");
  mvg_str_deinit(&text);
  return status;
}

static mvg_status make_plan(planner *p, const mvg_caps *caps, bool is_guarded) {
  p->graph = p->fusion->graph;
  p->alignment =
      caps->storage_alignment_bytes > MIN_ALIGNMENT ? caps->storage_alignment_bytes : MIN_ALIGNMENT;
  if (is_guarded) p->guard = (MVG_GUARD_BYTES + p->alignment - 1) / p->alignment * p->alignment;
  uint64_t limit = caps->max_allocation_bytes ? caps->max_allocation_bytes : MAX_PIECE;
  if (limit > MAX_PIECE) limit = MAX_PIECE;
  p->plan->piece_bytes = limit < p->alignment ? p->alignment : limit - limit % p->alignment;
  MVG_RETURN_IF_ERROR(mvg_arena_alloc(&p->plan->arena, p->fusion->value_count, sizeof *p->spans,
                                      (void **)&p->spans));
  MVG_RETURN_IF_ERROR(mvg_arena_alloc(&p->plan->arena, p->fusion->value_count, sizeof *p->block_of,
                                      (void **)&p->block_of));
  for (uint32_t i = 0; i < p->fusion->value_count; ++i)
    p->block_of[i] = UINT32_MAX;
  MVG_RETURN_IF_ERROR(mvg_schedule_create(p->fusion, &p->schedule));
  MVG_RETURN_IF_ERROR(place_leaves(p));
  MVG_RETURN_IF_ERROR(place_targets(p));
  MVG_RETURN_IF_ERROR(find_lifetimes(p));
  MVG_RETURN_IF_ERROR(assign_arena(p));
  MVG_RETURN_IF_ERROR(list_steps(p));
  MVG_RETURN_IF_ERROR(count_live_bytes(p));
  MVG_RETURN_IF_ERROR(freeze(p));
  return check_limits(p);
}

mvg_status mvg_plan_create(mvg_fusion *fusion, const mvg_caps *caps, bool is_guarded,
                           mvg_plan **out_plan) {
  *out_plan = NULL;
  mvg_plan *plan = NULL;
  mvg_status status = MVG_NEW(&plan);
  if (status) {
    mvg_fusion_destroy(fusion);
    return status;
  }
  plan->fusion = fusion;
  planner p = {.plan = plan, .fusion = fusion};
  status = make_plan(&p, caps, is_guarded);
  mvg_schedule_deinit(&p.schedule);
  mvg_array_deinit(&p.blocks);
  mvg_array_deinit(&p.block_values);
  mvg_array_deinit(&p.steps);
  mvg_array_deinit(&p.inputs);
  mvg_array_deinit(&p.outputs);
  mvg_array_deinit(&p.constants);
  status = mvg_status_annotate(status, "planning graph '%s'", mvg_graph_get_name(fusion->graph));
  if (status) {
    mvg_plan_destroy(plan);
    return status;
  }
  *out_plan = plan;
  return NULL;
}

void mvg_plan_destroy(mvg_plan *plan) {
  if (!plan) return;
  mvg_fusion_destroy(plan->fusion);
  mvg_arena_deinit(&plan->arena);
  mvg_free(plan);
}

bool mvg_plan_find(const mvg_plan *plan, mvg_value value, mvg_span *out_span) {
  for (uint32_t i = 0; i < plan->step_count; ++i) {
    const mvg_group *group = plan->steps[i].group;
    for (uint32_t k = 0; group && k < group->read_count + group->write_count; ++k) {
      mvg_value held =
          k < group->read_count ? group->reads[k].value : group->writes[k - group->read_count];
      if (held.node != value.node || held.output != value.output) continue;
      *out_span = plan->steps[i].spans[k];
      return true;
    }
  }
  return false;
}

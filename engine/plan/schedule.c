// List scheduling: among the groups that are ready, one that frees memory if there is one, else the
// one that the script wrote first. An update may overwrite its state when every other reader of the
// old value can run before it; the extra dependencies this takes are added here.
#include "plan/schedule.h"

#include <string.h>

#include "base/alloc.h"
#include "base/array.h"

typedef struct {
  uint32_t before, after;
  uint32_t next; // of the edges into `after`; UINT32_MAX ends the list
} edge;

typedef struct {
  const mvg_fusion *fusion;
  mvg_schedule *schedule;
  MVG_ARRAY(edge) extra;
  uint32_t *first_extra; // per group: the newest edge into it
  uint32_t *stamp, stamp_now;
  uint32_t *waiting; // per group: unfinished dependencies
  uint32_t *readers; // per value: groups still to read it
  bool *is_done;
} scheduler;

void mvg_schedule_deinit(mvg_schedule *schedule) {
  mvg_free(schedule->order);
  mvg_free(schedule->producer);
  mvg_free(schedule->is_in_place);
  mvg_free(schedule->target_of);
}

static uint32_t get_producer(const scheduler *s, mvg_value value) {
  return s->schedule->producer[mvg_fusion_number(s->fusion, value)];
}

static bool reaches(scheduler *s, uint32_t from, uint32_t target) {
  if (from == target) return true;
  if (s->stamp[from] == s->stamp_now) return false;
  s->stamp[from] = s->stamp_now;
  const mvg_group *group = &s->fusion->groups[from];
  for (uint32_t i = 0; i < group->read_count; ++i) {
    uint32_t next = get_producer(s, group->reads[i].value);
    if (next != UINT32_MAX && reaches(s, next, target)) return true;
  }
  for (uint32_t i = s->first_extra[from]; i != UINT32_MAX; i = s->extra.items[i].next) {
    if (reaches(s, s->extra.items[i].before, target)) return true;
  }
  return false;
}

static bool depends_on(scheduler *s, uint32_t group, uint32_t target) {
  ++s->stamp_now;
  return reaches(s, group, target);
}

// ---- updates in place ----

static bool is_state(const scheduler *s, mvg_value value, uint32_t slot) {
  const mvg_node *node = mvg_graph_get_node(s->fusion->graph, value.node);
  return node->kind == MVG_KIND_STATE && node->leaf.slot == slot;
}

static uint32_t find_part(const mvg_group *group, mvg_value root) {
  for (uint32_t p = 0; p < group->part_count; ++p) {
    for (uint32_t i = 0; i < group->parts[p].root_count; ++i) {
      mvg_value value = group->parts[p].roots[i].value;
      if (value.node == root.node && value.output == root.output) return p;
    }
  }
  return MVG_MANY_PARTS;
}

// The writing group itself may read the old value only where it writes the new one.
static bool may_overwrite(const scheduler *s, const mvg_group *group, const mvg_target *target) {
  for (uint32_t i = 0; i < group->read_count; ++i) {
    const mvg_read *read = &group->reads[i];
    if (!is_state(s, read->value, target->slot)) continue;
    bool is_own = group->kind == MVG_GROUP_FUSED && read->is_pointwise &&
                  read->part == find_part(group, target->value) && read->part != MVG_MANY_PARTS;
    if (!is_own) return false;
  }
  return true;
}

static mvg_status place_update(scheduler *s, const mvg_target *target) {
  uint32_t writer = get_producer(s, target->value);
  size_t known = s->extra.count;
  bool is_possible = writer != UINT32_MAX && may_overwrite(s, &s->fusion->groups[writer], target);
  for (uint32_t g = 0; g < s->fusion->group_count && is_possible; ++g) {
    const mvg_group *group = &s->fusion->groups[g];
    bool reads = false;
    for (uint32_t i = 0; i < group->read_count && g != writer; ++i) {
      reads = reads || is_state(s, group->reads[i].value, target->slot);
    }
    if (!reads) continue;
    is_possible = !depends_on(s, g, writer);
    if (!is_possible) break;
    MVG_RETURN_IF_ERROR(mvg_array_push(&s->extra, ((edge){g, writer, s->first_extra[writer]})));
    s->first_extra[writer] = (uint32_t)s->extra.count - 1;
  }
  while (!is_possible && s->extra.count > known) {
    edge last = s->extra.items[--s->extra.count];
    s->first_extra[last.after] = last.next;
  }
  s->schedule->is_in_place[mvg_fusion_number(s->fusion, target->value)] = is_possible;
  return NULL;
}

// ---- order ----

static uint64_t get_size(const scheduler *s, mvg_value value) {
  const mvg_type *type = mvg_graph_get_type(s->fusion->graph, value);
  return (uint64_t)mvg_shape_get_size(&type->shape) * mvg_dtype_get_size(type->dtype);
}

// Bytes that running a group adds to the arena, less those it frees.
static int64_t get_growth(const scheduler *s, const mvg_group *group) {
  int64_t growth = 0;
  for (uint32_t i = 0; i < group->write_count; ++i) {
    uint32_t number = mvg_fusion_number(s->fusion, group->writes[i]);
    bool is_fixed =
        s->schedule->is_in_place[number] ||
        (s->schedule->target_of[number] != UINT32_MAX &&
         !mvg_graph_get_target(s->fusion->graph, s->schedule->target_of[number])->is_update);
    if (!is_fixed) growth += (int64_t)get_size(s, group->writes[i]);
  }
  for (uint32_t i = 0; i < group->read_count; ++i) {
    mvg_value value = group->reads[i].value;
    uint32_t number = mvg_fusion_number(s->fusion, value);
    bool is_last = s->schedule->producer[number] != UINT32_MAX && s->readers[number] == 1 &&
                   s->schedule->target_of[number] == UINT32_MAX;
    if (is_last) growth -= (int64_t)get_size(s, value);
  }
  return growth;
}

static void count_dependencies(scheduler *s) {
  for (uint32_t g = 0; g < s->fusion->group_count; ++g) {
    const mvg_group *group = &s->fusion->groups[g];
    for (uint32_t i = 0; i < group->read_count; ++i) {
      uint32_t number = mvg_fusion_number(s->fusion, group->reads[i].value);
      ++s->readers[number];
      if (s->schedule->producer[number] != UINT32_MAX) ++s->waiting[g];
    }
  }
  for (size_t i = 0; i < s->extra.count; ++i)
    ++s->waiting[s->extra.items[i].after];
}

static uint32_t choose_next(const scheduler *s) {
  uint32_t first = UINT32_MAX;
  for (uint32_t g = 0; g < s->fusion->group_count; ++g) {
    if (s->is_done[g] || s->waiting[g]) continue;
    if (first == UINT32_MAX) first = g;
    if (get_growth(s, &s->fusion->groups[g]) < 0) return g;
  }
  return first;
}

static void finish_group(scheduler *s, uint32_t done) {
  const mvg_group *group = &s->fusion->groups[done];
  s->is_done[done] = true;
  for (uint32_t i = 0; i < group->read_count; ++i) {
    --s->readers[mvg_fusion_number(s->fusion, group->reads[i].value)];
  }
  for (uint32_t g = 0; g < s->fusion->group_count; ++g) {
    const mvg_group *user = &s->fusion->groups[g];
    for (uint32_t i = 0; i < user->read_count && !s->is_done[g]; ++i) {
      if (get_producer(s, user->reads[i].value) == done) --s->waiting[g];
    }
  }
  for (size_t i = 0; i < s->extra.count; ++i) {
    if (s->extra.items[i].before == done) --s->waiting[s->extra.items[i].after];
  }
}

static mvg_status order_groups(scheduler *s) {
  count_dependencies(s);
  for (uint32_t i = 0; i < s->fusion->group_count; ++i) {
    uint32_t next = choose_next(s);
    if (next == UINT32_MAX)
      return MVG_ERROR(MVG_INTERNAL, "fused groups depend on each other in a ring");
    s->schedule->order[i] = next;
    finish_group(s, next);
  }
  return NULL;
}

static void index_values(scheduler *s) {
  const mvg_fusion *fusion = s->fusion;
  if (fusion->value_count == 0) return;
  memset(s->schedule->producer, 0xFF, fusion->value_count * sizeof(uint32_t));
  memset(s->schedule->target_of, 0xFF, fusion->value_count * sizeof(uint32_t));
  for (uint32_t g = 0; g < fusion->group_count; ++g) {
    for (uint32_t i = 0; i < fusion->groups[g].write_count; ++i) {
      s->schedule->producer[mvg_fusion_number(fusion, fusion->groups[g].writes[i])] = g;
    }
  }
  for (uint32_t i = 0; i < mvg_graph_get_target_count(fusion->graph); ++i) {
    mvg_value value = mvg_graph_get_target(fusion->graph, i)->value;
    s->schedule->target_of[mvg_fusion_number(fusion, value)] = i;
  }
}

mvg_status mvg_schedule_create(const mvg_fusion *fusion, mvg_schedule *out_schedule) {
  *out_schedule = (mvg_schedule){0};
  scheduler s = {.fusion = fusion, .schedule = out_schedule};
  uint32_t groups = fusion->group_count, values = fusion->value_count;
  mvg_status status = MVG_NEW_ARRAY(groups, &out_schedule->order);
  if (!status) status = MVG_NEW_ARRAY(values, &out_schedule->producer);
  if (!status) status = MVG_NEW_ARRAY(values, &out_schedule->is_in_place);
  if (!status) status = MVG_NEW_ARRAY(values, &out_schedule->target_of);
  if (!status) status = MVG_NEW_ARRAY(groups, &s.stamp);
  if (!status) status = MVG_NEW_ARRAY(groups, &s.waiting);
  if (!status) status = MVG_NEW_ARRAY(groups, &s.is_done);
  if (!status) status = MVG_NEW_ARRAY(values, &s.readers);
  if (!status) status = MVG_NEW_ARRAY(groups, &s.first_extra);
  for (uint32_t g = 0; g < groups && !status; ++g)
    s.first_extra[g] = UINT32_MAX;
  if (!status) index_values(&s);
  for (uint32_t i = 0; i < mvg_graph_get_target_count(fusion->graph) && !status; ++i) {
    const mvg_target *target = mvg_graph_get_target(fusion->graph, i);
    if (target->is_update) status = place_update(&s, target);
  }
  if (!status) status = order_groups(&s);
  mvg_array_deinit(&s.extra);
  mvg_free(s.first_extra);
  mvg_free(s.stamp);
  mvg_free(s.waiting);
  mvg_free(s.is_done);
  mvg_free(s.readers);
  if (status) {
    mvg_schedule_deinit(out_schedule);
    *out_schedule = (mvg_schedule){0};
  }
  return status;
}

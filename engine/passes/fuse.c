// Assembles the fusion: uses, roots, one draft a root, merging, and the frozen result.
#include "passes/fuse.h"

#include <stdlib.h>
#include <string.h>

#include "passes/fuse_internal.h"
#include "passes/lower.h"

bool mvg_fusion_is_loaded(const mvg_fusion *fusion, mvg_value value) {
  const mvg_node *node = mvg_graph_get_node(fusion->graph, value.node);
  if (node->kind == MVG_KIND_CONST) return mvg_shape_get_size(&node->outputs[0].shape) != 1;
  return node->kind < MVG_KIND_CONST || fusion->is_root[mvg_fusion_number(fusion, value)];
}

#define PIECE_ALIGNMENT 256 // the largest alignment of offsets that devices ask for

uint64_t mvg_get_piece_bytes(const mvg_caps *caps) {
  uint64_t limit = caps->max_storage_range_bytes;
  return limit < PIECE_ALIGNMENT ? UINT64_MAX : limit - limit % PIECE_ALIGNMENT;
}

uint32_t mvg_count_pieces(const mvg_caps *caps, uint64_t size_bytes) {
  uint64_t piece = mvg_get_piece_bytes(caps);
  return size_bytes == 0 ? 1 : (uint32_t)((size_bytes - 1) / piece + 1);
}

mvg_value mvg_fusion_resolve(const mvg_fusion *fusion, mvg_value value) {
  const mvg_node *node = mvg_graph_get_node(fusion->graph, value.node);
  while (!mvg_fusion_is_loaded(fusion, value) && mvg_node_is_reshape(fusion->graph, node)) {
    value = node->inputs[0];
    node = mvg_graph_get_node(fusion->graph, value.node);
  }
  return value;
}

static mvg_status number_values(fuser *f) {
  mvg_fusion *fusion = f->fusion;
  uint32_t node_count = mvg_graph_get_node_count(f->graph);
  MVG_RETURN_IF_ERROR(mvg_arena_alloc(&fusion->arena, node_count, sizeof *fusion->value_base,
                                      (void **)&fusion->value_base));
  for (uint32_t id = 0; id < node_count; ++id) {
    fusion->value_base[id] = fusion->value_count;
    fusion->value_count += mvg_graph_get_node(f->graph, id)->output_count;
  }
  MVG_RETURN_IF_ERROR(mvg_arena_alloc(&fusion->arena, node_count, sizeof *fusion->is_live,
                                      (void **)&fusion->is_live));
  MVG_RETURN_IF_ERROR(mvg_arena_alloc(&fusion->arena, fusion->value_count, sizeof *fusion->is_root,
                                      (void **)&fusion->is_root));
  MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY(fusion->value_count, &f->is_target));
  MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY(fusion->value_count, &f->update_slot));
  MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY(fusion->value_count, &f->producer));
  return MVG_NEW_ARRAY(fusion->value_count + 1, &f->user_begin);
}

static void mark_live(fuser *f) {
  if (f->fusion->value_count > 0)
    memset(f->update_slot, 0xFF, f->fusion->value_count * sizeof *f->update_slot);
  for (uint32_t i = 0; i < mvg_graph_get_target_count(f->graph); ++i) {
    const mvg_target *target = mvg_graph_get_target(f->graph, i);
    f->fusion->is_live[target->value.node] = true;
    uint32_t number = mvg_fusion_number(f->fusion, target->value);
    f->is_target[number] = true;
    if (target->is_update) f->update_slot[number] = target->slot;
  }
  for (uint32_t id = mvg_graph_get_node_count(f->graph); id-- > 0;) {
    const mvg_node *node = mvg_graph_get_node(f->graph, id);
    if (!f->fusion->is_live[id]) continue;
    for (uint32_t i = 0; i < node->input_count; ++i)
      f->fusion->is_live[node->inputs[i].node] = true;
  }
}

static bool is_first_use(const mvg_node *node, uint32_t input) {
  for (uint32_t i = 0; i < input; ++i) {
    bool is_same = node->inputs[i].node == node->inputs[input].node &&
                   node->inputs[i].output == node->inputs[input].output;
    if (is_same) return false;
  }
  return true;
}

// Counting sort of (user, input) by value.
static mvg_status list_users(fuser *f) {
  uint32_t node_count = mvg_graph_get_node_count(f->graph);
  uint32_t *next = f->user_begin;
  for (int pass = 0; pass < 2; ++pass) {
    for (uint32_t id = 0; id < node_count; ++id) {
      const mvg_node *node = mvg_graph_get_node(f->graph, id);
      for (uint32_t i = 0; f->fusion->is_live[id] && i < node->input_count; ++i) {
        if (!is_first_use(node, i)) continue;
        uint32_t number = mvg_fusion_number(f->fusion, node->inputs[i]);
        if (pass == 0) {
          ++next[number + 1];
        } else {
          f->users.items[f->producer[number]++] = (mvg_value){id, i};
        }
      }
    }
    if (pass == 1) break;
    for (uint32_t v = 0; v < f->fusion->value_count; ++v)
      next[v + 1] += next[v];
    uint32_t total = next[f->fusion->value_count];
    MVG_RETURN_IF_ERROR(mvg_array_reserve(&f->users, total));
    f->users.count = total;
    if (f->fusion->value_count > 0)
      memcpy(f->producer, f->user_begin, f->fusion->value_count * sizeof *f->producer);
  }
  return NULL;
}

static mvg_status draft_node(fuser *f, uint32_t id) {
  const mvg_node *node = mvg_graph_get_node(f->graph, id);
  draft group = {.kind = MVG_GROUP_FUSED, .node = id};
  mvg_status status = NULL;
  if (node->kind >= MVG_KIND_KERNEL) {
    bool is_bound = node->kind == MVG_KIND_KERNEL && f->options->accepts_binding &&
                    f->options->accepts_binding(node);
    group.kind = node->kind == MVG_KIND_HOST ? MVG_GROUP_HOST
                 : is_bound                  ? MVG_GROUP_BOUND
                                             : MVG_GROUP_KERNEL;
    for (uint32_t i = 0; i < node->input_count && !status; ++i) {
      status = mvg_fuse_collect_input(f, &group, node->inputs[i]);
    }
    for (uint32_t i = 0; i < node->output_count && !status; ++i) {
      group.counts[i] = mvg_shape_get_size(&node->outputs[i].shape);
      status = mvg_array_push(&group.roots, ((draft_root){i, {id, i}, true}));
    }
    group.part_count = node->output_count;
    group.size += 50;
  } else {
    mvg_value root = {id, 0};
    group.part_count = 1;
    group.counts[0] = mvg_shape_get_size(&node->outputs[0].shape);
    status = mvg_fuse_collect_root(f, &group, 0, root);
    if (!status) status = mvg_array_push(&group.roots, ((draft_root){0, root, true}));
  }
  if (!status) status = mvg_array_push(&f->drafts, group);
  if (status) {
    mvg_array_deinit(&group.roots);
    mvg_array_deinit(&group.reads);
    return status;
  }
  for (uint32_t i = 0; i < group.roots.count; ++i) {
    f->producer[mvg_fusion_number(f->fusion, group.roots.items[i].value)] =
        (uint32_t)f->drafts.count - 1;
  }
  return NULL;
}

static mvg_status draft_groups(fuser *f) {
  if (f->fusion->value_count > 0)
    memset(f->producer, 0xFF, f->fusion->value_count * sizeof *f->producer);
  for (uint32_t id = 0; id < mvg_graph_get_node_count(f->graph); ++id) {
    const mvg_node *node = mvg_graph_get_node(f->graph, id);
    bool is_own = f->fusion->is_live[id] && node->kind > MVG_KIND_CONST &&
                  f->fusion->is_root[f->fusion->value_base[id]];
    if (is_own) MVG_RETURN_IF_ERROR(draft_node(f, id));
  }
  return NULL;
}

// A root that only its own part reads need not be stored.
static void drop_private_stores(fuser *f) {
  bool *is_read = f->is_target; // targets count as read from outside
  for (uint32_t g = 0; g < f->drafts.count; ++g) {
    draft *group = &f->drafts.items[g];
    for (uint32_t i = 0; i < group->reads.count && !group->is_gone; ++i) {
      is_read[mvg_fusion_number(f->fusion, group->reads.items[i].value)] = true;
    }
  }
  for (uint32_t g = 0; g < f->drafts.count; ++g) {
    draft *group = &f->drafts.items[g];
    bool is_own = group->kind == MVG_GROUP_FUSED || group->kind == MVG_GROUP_KERNEL;
    for (uint32_t i = 0; i < group->roots.count && is_own; ++i) {
      draft_root *root = &group->roots.items[i];
      root->is_stored = is_read[mvg_fusion_number(f->fusion, root->value)];
    }
  }
}

static mvg_status freeze_parts(mvg_fusion *fusion, const draft *from, mvg_group *to) {
  MVG_RETURN_IF_ERROR(
      mvg_arena_alloc(&fusion->arena, from->part_count, sizeof *to->parts, (void **)&to->parts));
  to->part_count = from->part_count;
  for (uint32_t p = 0; p < from->part_count; ++p) {
    mvg_part *part = &to->parts[p];
    part->count = from->counts[p];
    MVG_RETURN_IF_ERROR(mvg_arena_alloc(&fusion->arena, from->roots.count, sizeof *part->roots,
                                        (void **)&part->roots));
    for (uint32_t i = 0; i < from->roots.count; ++i) {
      const draft_root *root = &from->roots.items[i];
      if (root->part != p) continue;
      part->roots[part->root_count++] = (mvg_root){root->value, root->is_stored};
    }
  }
  return NULL;
}

static mvg_status freeze_group(mvg_fusion *fusion, const draft *from, mvg_group *to) {
  mvg_arena *arena = &fusion->arena;
  *to = (mvg_group){.kind = from->kind,
                    .node = from->node,
                    .key = UINT32_MAX,
                    .work = from->work,
                    .has_loop = from->has_loop};
  MVG_RETURN_IF_ERROR(freeze_parts(fusion, from, to));
  MVG_RETURN_IF_ERROR(
      mvg_arena_alloc(arena, from->roots.count, sizeof *to->writes, (void **)&to->writes));
  MVG_RETURN_IF_ERROR(
      mvg_arena_alloc(arena, from->reads.count, sizeof *to->reads, (void **)&to->reads));
  for (uint32_t i = 0; i < from->roots.count; ++i) {
    const draft_root *root = &from->roots.items[i];
    if (root->value.node < to->key) to->key = root->value.node;
    if (root->is_stored) to->writes[to->write_count++] = root->value;
  }
  for (uint32_t i = 0; i < from->reads.count; ++i) {
    const draft_read *read = &from->reads.items[i];
    to->reads[to->read_count++] = (mvg_read){read->value, read->part, read->is_pointwise};
  }
  return NULL;
}

static int compare_keys(const void *a, const void *b) {
  uint32_t left = ((const mvg_group *)a)->key, right = ((const mvg_group *)b)->key;
  return (left > right) - (left < right);
}

static mvg_status freeze(fuser *f) {
  mvg_fusion *fusion = f->fusion;
  MVG_RETURN_IF_ERROR(mvg_arena_alloc(&fusion->arena, f->drafts.count, sizeof *fusion->groups,
                                      (void **)&fusion->groups));
  for (uint32_t g = 0; g < f->drafts.count; ++g) {
    const draft *group = &f->drafts.items[g];
    if (group->is_gone) continue;
    MVG_RETURN_IF_ERROR(freeze_group(fusion, group, &fusion->groups[fusion->group_count]));
    if (fusion->groups[fusion->group_count].write_count > 0) ++fusion->group_count;
  }
  qsort(fusion->groups, fusion->group_count, sizeof *fusion->groups, compare_keys);
  return NULL;
}

static void deinit_fuser(fuser *f) {
  for (uint32_t g = 0; g < f->drafts.count; ++g) {
    mvg_array_deinit(&f->drafts.items[g].roots);
    mvg_array_deinit(&f->drafts.items[g].reads);
  }
  mvg_array_deinit(&f->drafts);
  mvg_array_deinit(&f->users);
  mvg_free(f->is_target);
  mvg_free(f->update_slot);
  mvg_free(f->user_begin);
  mvg_free(f->producer);
  mvg_free(f->stamp);
}

static mvg_status fuse(fuser *f) {
  MVG_RETURN_IF_ERROR(number_values(f));
  mark_live(f);
  MVG_RETURN_IF_ERROR(list_users(f));
  MVG_RETURN_IF_ERROR(mvg_fuse_mark_roots(f));
  MVG_RETURN_IF_ERROR(draft_groups(f));
  MVG_RETURN_IF_ERROR(mvg_fuse_merge(f));
  drop_private_stores(f);
  return freeze(f);
}

mvg_status mvg_fusion_create(const mvg_graph *graph, const mvg_caps *caps,
                             const mvg_fuse_options *options, mvg_fusion **out_fusion) {
  *out_fusion = NULL;
  mvg_fusion *fusion;
  MVG_RETURN_IF_ERROR(MVG_NEW(&fusion));
  fuser f = {.fusion = fusion, .caps = caps, .options = options};
  f.max_bindings = caps->max_bindings < 4 ? 4 : caps->max_bindings > 32 ? 32 : caps->max_bindings;
  f.max_tree_loads =
      f.max_bindings - 2 < MVG_MAX_TREE_LOADS ? f.max_bindings - 2 : MVG_MAX_TREE_LOADS;
  mvg_status status = mvg_lower(graph, options->accepts_binding, &fusion->graph);
  f.graph = fusion->graph;
  if (!status) status = fuse(&f);
  deinit_fuser(&f);
  if (status) {
    mvg_fusion_destroy(fusion);
    return mvg_status_annotate(status, "fusing graph '%s'", mvg_graph_get_name(graph));
  }
  *out_fusion = fusion;
  return NULL;
}

void mvg_fusion_destroy(mvg_fusion *fusion) {
  if (!fusion) return;
  mvg_graph_destroy(fusion->graph);
  mvg_arena_deinit(&fusion->arena);
  mvg_free(fusion);
}

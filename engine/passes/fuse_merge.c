// Merges groups into fewer dispatches: elementwise users into the kernel that feeds them, chains of
// equal size into one group, groups of equal size that share an input, and small independent groups
// side by side (batch kernels).
#include <stdlib.h>
#include <string.h>

#include "passes/fuse_internal.h"

#define BATCH_WORK 2e6 // operations beyond which a dispatch of its own costs nothing

static draft *get_producer(fuser *f, mvg_value value) {
  uint32_t g = f->producer[mvg_fusion_number(f->fusion, value)];
  return g == UINT32_MAX ? NULL : &f->drafts.items[g];
}

static uint32_t get_number(const fuser *f, const draft *group) {
  return (uint32_t)(group - f->drafts.items);
}

static bool reaches(fuser *f, draft *from, const draft *target) {
  if (from == target) return true;
  uint32_t *stamp = &f->stamp[get_number(f, from)];
  if (*stamp == f->stamp_now) return false;
  *stamp = f->stamp_now;
  for (uint32_t i = 0; i < from->reads.count; ++i) {
    draft *next = get_producer(f, from->reads.items[i].value);
    if (next && next != from && reaches(f, next, target)) return true;
  }
  return false;
}

// Does `user` depend on `source` through some third group?
static bool depends_around(fuser *f, draft *user, const draft *source) {
  ++f->stamp_now;
  for (uint32_t i = 0; i < user->reads.count; ++i) {
    draft *next = get_producer(f, user->reads.items[i].value);
    if (next && next != source && next != user && reaches(f, next, source)) return true;
  }
  return false;
}

static bool is_same_value(mvg_value a, mvg_value b) {
  return a.node == b.node && a.output == b.output;
}

static draft_read *find_read(draft *group, mvg_value value) {
  for (uint32_t i = 0; i < group->reads.count; ++i) {
    if (is_same_value(group->reads.items[i].value, value)) return &group->reads.items[i];
  }
  return NULL;
}

static bool has_root(const draft *group, mvg_value value) {
  for (uint32_t i = 0; i < group->roots.count; ++i) {
    if (is_same_value(group->roots.items[i].value, value)) return true;
  }
  return false;
}

static uint32_t count_bindings(const fuser *f, mvg_value value) {
  const mvg_type *type = mvg_graph_get_type(f->graph, value);
  uint64_t bytes = (uint64_t)mvg_shape_get_size(&type->shape) * mvg_dtype_get_size(type->dtype);
  return mvg_count_pieces(f->caps, bytes);
}

static bool fits(const fuser *f, draft *a, draft *b) {
  uint32_t bindings = 0;
  const draft *groups[2] = {a, b};
  for (int g = 0; g < 2; ++g) {
    for (uint32_t i = 0; i < groups[g]->roots.count; ++i) {
      bindings += count_bindings(f, groups[g]->roots.items[i].value);
    }
    for (uint32_t i = 0; i < groups[g]->reads.count; ++i) {
      mvg_value value = groups[g]->reads.items[i].value;
      bool is_counted = g == 1 && (find_read(a, value) || has_root(a, value));
      if (!is_counted) bindings += count_bindings(f, value);
    }
  }
  return bindings <= f->max_bindings && a->size + b->size <= MVG_MAX_GROUP_SIZE;
}

// Would joining make an update of `a` lose its place, because `b` reads the old state elsewhere
// than where it is written?
static bool spoils_update(const fuser *f, const draft *a, const draft *b, bool is_other_part) {
  for (uint32_t i = 0; i < a->roots.count; ++i) {
    uint32_t slot = f->update_slot[mvg_fusion_number(f->fusion, a->roots.items[i].value)];
    for (uint32_t k = 0; k < b->reads.count && slot != UINT32_MAX; ++k) {
      const draft_read *read = &b->reads.items[k];
      const mvg_node *node = mvg_graph_get_node(f->graph, read->value.node);
      bool reads_it = node->kind == MVG_KIND_STATE && node->leaf.slot == slot;
      if (reads_it && (is_other_part || !read->is_pointwise)) return true;
    }
  }
  return false;
}

static bool keeps_updates(const fuser *f, const draft *a, const draft *b, bool is_other_part) {
  return !spoils_update(f, a, b, is_other_part) && !spoils_update(f, b, a, is_other_part);
}

static int compare_roots(const void *a, const void *b) {
  const draft_root *left = a, *right = b;
  return (left->value.node > right->value.node) - (left->value.node < right->value.node);
}

// Moves everything of `from` into `into`, its parts numbered from `first_part`.
static mvg_status absorb(fuser *f, draft *into, draft *from, uint32_t first_part) {
  for (uint32_t i = 0; i < from->reads.count; ++i) {
    draft_read read = from->reads.items[i];
    if (read.part != MVG_MANY_PARTS) read.part += first_part;
    draft_read *known = find_read(into, read.value);
    if (!known) {
      MVG_RETURN_IF_ERROR(mvg_array_push(&into->reads, read));
    } else {
      known->is_pointwise = known->is_pointwise && read.is_pointwise;
      if (known->part != read.part) known->part = MVG_MANY_PARTS;
    }
  }
  for (uint32_t i = 0; i < from->roots.count; ++i) {
    draft_root root = from->roots.items[i];
    root.part += first_part;
    MVG_RETURN_IF_ERROR(mvg_array_push(&into->roots, root));
    f->producer[mvg_fusion_number(f->fusion, root.value)] = get_number(f, into);
  }
  qsort(into->roots.items, into->roots.count, sizeof *into->roots.items, compare_roots);
  uint32_t kept = 0;
  for (uint32_t i = 0; i < into->reads.count; ++i) {
    if (!has_root(into, into->reads.items[i].value))
      into->reads.items[kept++] = into->reads.items[i];
  }
  into->reads.count = kept;
  for (uint32_t p = 0; p < from->part_count; ++p)
    into->counts[first_part + p] = from->counts[p];
  if (first_part + from->part_count > into->part_count) {
    into->part_count = first_part + from->part_count;
  }
  into->size += from->size;
  into->work += from->work;
  into->has_loop = into->has_loop || from->has_loop;
  from->is_gone = true;
  mvg_array_deinit(&from->reads);
  mvg_array_deinit(&from->roots);
  return NULL;
}

// ---- epilogues ----

// Part of the kernel that computes `value`; MVG_MANY_PARTS when it is not the kernel's.
static uint32_t find_part(const draft *kernel, mvg_value value) {
  for (uint32_t i = 0; i < kernel->roots.count; ++i) {
    if (is_same_value(kernel->roots.items[i].value, value)) return kernel->roots.items[i].part;
  }
  return MVG_MANY_PARTS;
}

// May `reader` be computed where the kernel stores an output? Finds which.
static bool can_follow(fuser *f, draft *kernel, draft *reader, uint32_t *out_part) {
  bool is_simple = reader->kind == MVG_GROUP_FUSED && reader->roots.count == 1 && !reader->has_loop;
  if (!is_simple ||
      f->update_slot[mvg_fusion_number(f->fusion, reader->roots.items[0].value)] != UINT32_MAX) {
    return false;
  }
  *out_part = MVG_MANY_PARTS;
  for (uint32_t i = 0; i < reader->reads.count; ++i) {
    uint32_t part = find_part(kernel, reader->reads.items[i].value);
    if (part == MVG_MANY_PARTS) continue;
    bool is_other = *out_part != MVG_MANY_PARTS && *out_part != part;
    if (is_other || !reader->reads.items[i].is_pointwise) return false;
    *out_part = part;
  }
  bool is_reader = *out_part != MVG_MANY_PARTS && reader->counts[0] == kernel->counts[*out_part];
  return is_reader && fits(f, kernel, reader) && !depends_around(f, reader, kernel);
}

static mvg_status follow(fuser *f, draft *kernel, draft *reader, uint32_t part) {
  for (uint32_t i = 0; i < reader->reads.count; ++i) {
    draft_read read = reader->reads.items[i];
    if (has_root(kernel, read.value) || find_read(kernel, read.value)) continue;
    read.is_pointwise = false;
    MVG_RETURN_IF_ERROR(mvg_array_push(&kernel->reads, read));
  }
  mvg_value root = reader->roots.items[0].value;
  MVG_RETURN_IF_ERROR(mvg_array_push(&kernel->roots, ((draft_root){part, root, true})));
  f->producer[mvg_fusion_number(f->fusion, root)] = get_number(f, kernel);
  kernel->size += reader->size;
  reader->is_gone = true;
  return NULL;
}

static mvg_status attach_epilogues(fuser *f) {
  for (uint32_t g = 0; g < f->drafts.count; ++g) {
    draft *kernel = &f->drafts.items[g];
    if (kernel->kind != MVG_GROUP_KERNEL) continue;
    for (uint32_t r = g + 1; r < f->drafts.count;
         ++r) { // readers come later, each after what it reads
      draft *reader = &f->drafts.items[r];
      uint32_t part;
      if (reader->is_gone || !can_follow(f, kernel, reader, &part)) continue;
      MVG_RETURN_IF_ERROR(follow(f, kernel, reader, part));
    }
  }
  return NULL;
}

// ---- chains ----

static bool can_join_chain(fuser *f, draft *user, draft *source) {
  bool is_candidate = source && source != user && source->kind == MVG_GROUP_FUSED &&
                      source->counts[0] == user->counts[0];
  if (!is_candidate) return false;
  for (uint32_t i = 0; i < user->reads.count; ++i) {
    draft_read *read = &user->reads.items[i];
    if (get_producer(f, read->value) == source && !read->is_pointwise) return false;
  }
  return fits(f, source, user) && keeps_updates(f, source, user, false) &&
         !depends_around(f, user, source);
}

static mvg_status merge_chains(fuser *f) {
  for (uint32_t g = 0; g < f->drafts.count; ++g) {
    draft *user = &f->drafts.items[g];
    if (user->is_gone || user->kind != MVG_GROUP_FUSED) continue;
    for (uint32_t i = 0; i < user->reads.count; ++i) {
      draft *source = get_producer(f, user->reads.items[i].value);
      if (!can_join_chain(f, user, source)) continue;
      MVG_RETURN_IF_ERROR(absorb(f, user, source, 0));
      i = UINT32_MAX; // the reads changed: from the start
    }
  }
  return NULL;
}

// ---- neighbours: groups of one level do not depend on each other, whatever is merged ----

static uint32_t find_level(fuser *f, draft *group) {
  uint32_t *stamp = &f->stamp[get_number(f, group)];
  if (*stamp == f->stamp_now) return group->level;
  *stamp = f->stamp_now;
  group->level = 0;
  for (uint32_t i = 0; i < group->reads.count; ++i) {
    draft *source = get_producer(f, group->reads.items[i].value);
    if (!source || source == group) continue;
    uint32_t level = find_level(f, source) + 1;
    if (level > group->level) group->level = level;
  }
  return group->level;
}

// Small groups that nothing follows wait for the last level, where they meet (optimizer steps of
// small parameters).
static mvg_status find_levels(fuser *f) {
  uint32_t last = 0;
  bool *is_source;
  MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY(f->drafts.count, &is_source));
  ++f->stamp_now;
  for (uint32_t g = 0; g < f->drafts.count; ++g) {
    draft *group = &f->drafts.items[g];
    if (group->is_gone) continue;
    uint32_t level = find_level(f, group);
    if (level > last) last = level;
    for (uint32_t i = 0; i < group->reads.count; ++i) {
      draft *source = get_producer(f, group->reads.items[i].value);
      if (source) is_source[get_number(f, source)] = true;
    }
  }
  for (uint32_t g = 0; g < f->drafts.count; ++g) {
    draft *group = &f->drafts.items[g];
    bool can_wait = !group->is_gone && !is_source[g] && group->kind == MVG_GROUP_FUSED &&
                    group->work <= BATCH_WORK;
    if (can_wait) group->level = last;
  }
  mvg_free(is_source);
  return NULL;
}

static bool shares_read(draft *a, draft *b) {
  for (uint32_t i = 0; i < b->reads.count; ++i) {
    if (find_read(a, b->reads.items[i].value)) return true;
  }
  return false;
}

static bool can_share_part(const fuser *f, draft *a, draft *b) {
  return a->part_count == 1 && b->part_count == 1 && a->counts[0] == b->counts[0] &&
         a->counts[0] > 0 && shares_read(a, b) && fits(f, a, b) && keeps_updates(f, a, b, false);
}

static bool can_batch(const fuser *f, draft *a, draft *b) {
  return a->part_count + b->part_count <= MVG_MAX_PARTS && a->work <= BATCH_WORK &&
         b->work <= BATCH_WORK && a->counts[0] > 0 && b->counts[0] > 0 && fits(f, a, b) &&
         keeps_updates(f, a, b, true);
}

typedef struct {
  uint32_t level, group;
} place_in_levels;

static int compare_levels(const void *a, const void *b) {
  const place_in_levels *left = a, *right = b;
  if (left->level != right->level) return left->level < right->level ? -1 : 1;
  return (left->group > right->group) - (left->group < right->group);
}

static mvg_status merge_level(fuser *f, const place_in_levels *places, uint32_t count) {
  for (int as_parts = 0; as_parts < 2; ++as_parts) {
    for (uint32_t i = 0; i < count; ++i) {
      draft *a = &f->drafts.items[places[i].group];
      for (uint32_t j = i + 1; j < count && !a->is_gone; ++j) {
        draft *b = &f->drafts.items[places[j].group];
        if (b->is_gone || !(as_parts ? can_batch(f, a, b) : can_share_part(f, a, b))) continue;
        MVG_RETURN_IF_ERROR(absorb(f, a, b, as_parts ? a->part_count : 0));
      }
    }
  }
  return NULL;
}

static mvg_status merge_neighbours(fuser *f) {
  MVG_RETURN_IF_ERROR(find_levels(f));
  place_in_levels *places;
  MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY(f->drafts.count, &places));
  uint32_t count = 0;
  for (uint32_t g = 0; g < f->drafts.count; ++g) {
    const draft *group = &f->drafts.items[g];
    if (group->is_gone || group->kind != MVG_GROUP_FUSED) continue;
    places[count++] = (place_in_levels){group->level, g};
  }
  if (count) qsort(places, count, sizeof *places, compare_levels);
  mvg_status status = NULL;
  for (uint32_t begin = 0, end = 0; begin < count && !status; begin = end) {
    while (end < count && places[end].level == places[begin].level)
      ++end;
    status = merge_level(f, &places[begin], end - begin);
  }
  mvg_free(places);
  return status;
}

mvg_status mvg_fuse_merge(fuser *f) {
  MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY(f->drafts.count, &f->stamp));
  MVG_RETURN_IF_ERROR(attach_epilogues(f));
  MVG_RETURN_IF_ERROR(merge_chains(f));
  return merge_neighbours(f);
}

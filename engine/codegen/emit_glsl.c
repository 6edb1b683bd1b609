// Whole shaders of fused groups: head, one block a part, stores last so that a state may be updated
// in place.
#include "codegen/emit_glsl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "codegen/emitter.h"
#include "codegen/shader_text.h"
#include "codegen/template.h"

#define LOCAL_SIZE_MAP 256
#define LOCAL_SIZE_LOOP 64
#define LOCAL_SIZE_LOOP_CPU 8 // one vector: rows spread over the driver's threads

void mvg_shader_deinit(mvg_shader *shader) {
  mvg_free(shader->glsl);
  shader->glsl = NULL;
}

static uint32_t find_write(const mvg_group *group, mvg_value value) {
  uint32_t i = 0;
  while (group->writes[i].node != value.node || group->writes[i].output != value.output)
    ++i;
  return group->read_count + i;
}

static mvg_status print_part(mvg_emitter *e, const mvg_group *group, const mvg_part *part,
                             char **out_text) {
  MVG_RETURN_IF_ERROR(mvg_emitter_open(e, false));
  const mvg_index *element;
  MVG_RETURN_IF_ERROR(mvg_emitter_add_element(e, "v", part->count, &element));
  mvg_str stores = {0};
  mvg_status status = NULL;
  for (uint32_t i = 0; i < part->root_count && !status; ++i) {
    mvg_value value = part->roots[i].value;
    mvg_name name;
    status = mvg_emitter_print_root(e, value, element, &name);
    if (status || !part->roots[i].is_stored) continue;
    mvg_shader_print_store(&stores, e->graph, e->caps, value, find_write(group, value), false, "v",
                           name.text);
  }
  if (stores.text) mvg_str_append(&e->scope->text, stores.text);
  mvg_str_deinit_part(&stores, &e->scope->text);
  return mvg_status_join(status, mvg_emitter_close(e, out_text));
}

static mvg_status print_parts(const mvg_fusion *fusion, const mvg_group *group,
                              const mvg_caps *caps, mvg_str *body, bool *out_has_loop) {
  for (uint32_t p = 0; p < group->part_count; ++p) {
    mvg_emitter e = {.fusion = fusion,
                     .graph = fusion->graph,
                     .group = group,
                     .caps = caps,
                     .opaque_zero = caps->is_cpu ? " + zero_" : NULL};
    char *text = NULL;
    mvg_status status = print_part(&e, group, &group->parts[p], &text);
    status = mvg_status_join(status, mvg_index_pool_take_failure(&e.pool));
    *out_has_loop = *out_has_loop || e.has_loop;
    mvg_emitter_deinit(&e);
    if (!status && group->part_count == 1) {
      mvg_str_append(body, "uint e = flat_;\nif (e < push_.n[0]) {\nint v = int(e);\n");
    } else if (!status) {
      mvg_str_appendf(body, "e = flat_ - push_.n[%u];\nif (e < push_.n[%u]) {\nint v = int(e);\n",
                      2 * p, 2 * p + 1);
    }
    if (!status) mvg_str_append(body, text);
    mvg_str_append(body, "}\n");
    mvg_free(text);
    MVG_RETURN_IF_ERROR(status);
  }
  return NULL;
}

// Ranges of parts begin at whole workgroups, so that a workgroup runs one body.
static uint64_t lay_out_parts(const mvg_group *group, uint32_t local_size, mvg_shader *shader) {
  if (group->part_count == 1) {
    shader->push[shader->push_count++] = (uint32_t)group->parts[0].count;
    return (uint64_t)group->parts[0].count;
  }
  uint64_t total = 0;
  for (uint32_t p = 0; p < group->part_count; ++p) {
    shader->push[shader->push_count++] = (uint32_t)total;
    shader->push[shader->push_count++] = (uint32_t)group->parts[p].count;
    uint64_t groups = ((uint64_t)group->parts[p].count + local_size - 1) / local_size;
    total += groups * local_size;
  }
  return total;
}

// ---- four elements an invocation: buffers of llvmpipe cost by the access, not by the byte ----

#define MIN_VECTOR_COUNT 8192
#define MAX_VECTOR_WORK 200.0 // operations an element; the body is printed four times

static bool can_vectorise(const mvg_fusion *fusion, const mvg_group *group, const mvg_caps *caps) {
  if (!caps->is_cpu || group->part_count != 1) return false;
  int64_t count = group->parts[0].count;
  if (count % 4 != 0 || count < MIN_VECTOR_COUNT) return false;
  if (group->has_loop || group->work > MAX_VECTOR_WORK * (double)count) return false;
  for (uint32_t i = 0; i < group->read_count; ++i) {
    const mvg_type *type = mvg_graph_get_type(fusion->graph, group->reads[i].value);
    if (group->reads[i].is_pointwise && mvg_shape_get_size(&type->shape) != count) return false;
  }
  if (mvg_count_pieces(caps, (uint64_t)count * sizeof(float)) > 1) return false;
  return true;
}

static mvg_status print_lane(const mvg_fusion *fusion, const mvg_group *group, const mvg_caps *caps,
                             uint32_t lane, mvg_str *body) {
  const mvg_part *part = &group->parts[0];
  mvg_emitter e = {
      .fusion = fusion, .graph = fusion->graph, .group = group, .caps = caps, .lane = "xyzw"[lane]};
  const mvg_index *element;
  mvg_str stores = {0};
  char *text = NULL;
  mvg_status status = mvg_emitter_open(&e, false);
  if (!status) status = mvg_emitter_add_element(&e, "v", part->count, &element);
  for (uint32_t i = 0; i < part->root_count && !status; ++i) {
    mvg_name name;
    status = mvg_emitter_print_root(&e, part->roots[i].value, element, &name);
    if (status || !part->roots[i].is_stored) continue;
    uint32_t binding = find_write(group, part->roots[i].value);
    mvg_str_appendf(&stores, "w%u.%c = %s;\n", binding, e.lane, name.text);
  }
  status = mvg_status_join(status, mvg_index_pool_take_failure(&e.pool));
  if (!status) status = mvg_emitter_close(&e, &text);
  if (!status) {
    mvg_str_appendf(body, "{\nint v = int(e) * 4 + %u;\n", lane);
    mvg_str_append(body, text);
    mvg_str_append(body, stores.text ? stores.text : "");
    mvg_str_append(body, "}\n");
  }
  mvg_free(text);
  mvg_str_deinit_part(&stores, body);
  mvg_emitter_deinit(&e);
  return status;
}

static const char *get_vector_name(const mvg_fusion *fusion, mvg_value value) {
  return mvg_shader_get_type(mvg_graph_get_type(fusion->graph, value)->dtype, true);
}

static mvg_status print_vectors(const mvg_fusion *fusion, const mvg_group *group,
                                const mvg_caps *caps, mvg_str *body) {
  mvg_str_append(body, "uint e = flat_;\nif (e < push_.n[0]) {\n");
  for (uint32_t i = 0; i < group->read_count; ++i) {
    if (!group->reads[i].is_pointwise) continue;
    mvg_value value = group->reads[i].value;
    mvg_str_appendf(body, "%s q%u = ", get_vector_name(fusion, value), i);
    mvg_shader_print_load(body, fusion->graph, caps, value, i, true, "e");
    mvg_str_append(body, ";\n");
  }
  for (uint32_t i = 0; i < group->write_count; ++i) {
    mvg_str_appendf(body, "%s w%u;\n", get_vector_name(fusion, group->writes[i]),
                    group->read_count + i);
  }
  for (uint32_t lane = 0; lane < 4; ++lane)
    MVG_RETURN_IF_ERROR(print_lane(fusion, group, caps, lane, body));
  for (uint32_t i = 0; i < group->write_count; ++i) {
    uint32_t number = group->read_count + i;
    char vector[16];
    snprintf(vector, sizeof vector, "w%u", number);
    mvg_shader_print_store(body, fusion->graph, caps, group->writes[i], number, true, "e", vector);
  }
  mvg_str_append(body, "}\n");
  return NULL;
}

static void name_shader(const mvg_fusion *fusion, const mvg_group *group, mvg_shader *shader) {
  size_t length = 0, limit = sizeof shader->name;
  for (uint32_t i = 0; i < group->write_count && length + 2 < limit; ++i) {
    const char *op = mvg_graph_get_node(fusion->graph, group->writes[i].node)->op;
    int count = snprintf(shader->name + length, limit - length, i ? "+%s" : "%s", op);
    length += count > 0 ? (size_t)count : 0;
  }
}

static mvg_status create_fused(const mvg_fusion *fusion, const mvg_group *group,
                               const mvg_caps *caps, mvg_shader *shader) {
  bool has_loop = false, has_vectors = can_vectorise(fusion, group, caps);
  mvg_str body = {0}, text = {0};
  mvg_status status = has_vectors ? print_vectors(fusion, group, caps, &body)
                                  : print_parts(fusion, group, caps, &body, &has_loop);
  uint32_t local_size = !has_loop      ? LOCAL_SIZE_MAP
                        : caps->is_cpu ? LOCAL_SIZE_LOOP_CPU
                                       : LOCAL_SIZE_LOOP;
  if (local_size > caps->max_local_size && caps->max_local_size) local_size = caps->max_local_size;
  uint64_t total = lay_out_parts(group, local_size, shader);
  if (has_vectors) shader->push[0] = (uint32_t)(total /= 4);
  bool needs_zero = has_loop && caps->is_cpu;
  if (needs_zero) shader->push[shader->push_count++] = 0;
  if (!status) {
    status = mvg_shader_print_head(&text, fusion, group, caps, local_size, shader->push_count, 0,
                                   has_vectors);
  }
  if (!status) {
    status = mvg_shader_print_helpers(&text, body.text ? body.text : "");
  }
  if (!status) {
    mvg_shader_print_main(&text, local_size);
    if (needs_zero)
      mvg_str_appendf(&text, "int zero_ = int(push_.n[%u]);\n", shader->push_count - 1);
    mvg_str_append(&text, group->part_count == 1 ? "" : "uint e;\n");
    mvg_str_append(&text, body.text ? body.text : "");
    mvg_str_append(&text, "}\n");
    status = mvg_shader_choose_grid(caps, total, local_size, shader->groups);
  }
  mvg_str_deinit_part(&body, &text);
  if (!status) status = mvg_str_take(&text, &shader->glsl);
  mvg_str_deinit(&text);
  return status;
}

mvg_status mvg_shader_create(const mvg_fusion *fusion, const mvg_group *group, const mvg_caps *caps,
                             const mvg_matmul_tile *tile, mvg_shader *out_shader) {
  *out_shader = (mvg_shader){0};
  name_shader(fusion, group, out_shader);
  mvg_status status = group->kind == MVG_GROUP_KERNEL
                          ? mvg_template_fill(fusion, group, caps, tile, out_shader)
                          : create_fused(fusion, group, caps, out_shader);
  if (status) {
    char origin[MVG_ORIGIN_TEXT_SIZE];
    mvg_shader_deinit(out_shader);
    const mvg_node *node = mvg_graph_get_node(fusion->graph, group->writes[0].node);
    return mvg_status_annotate(status, "%s", mvg_node_format_origin(node, origin));
  }
  return NULL;
}

#include "codegen/template.h"

#include <inttypes.h>
#include <string.h>

#include "codegen/emitter.h"
#include "codegen/kernel_files.h"
#include "codegen/matmul_tile.h"
#include "codegen/shader_text.h"

#define LOCAL_SIZE 64

// A node's kernel as it will run.
typedef struct {
  mvg_kernel_body kernel;
  const mvg_matmul_tile *tile; // of products, else NULL
  uint32_t local_size;
  uint32_t lanes;     // of a row, in kernels by rows; else 0
  uint32_t folded[3]; // the grid that the kernel sees, where the device's is another; else 0
} kernel_launch;

// `float load_NAME(uint element)`: what computes `input` at `element`.
static mvg_status print_load_body(mvg_emitter *e, mvg_value input, mvg_name *out_name,
                                  char **out_text) {
  const mvg_shape *shape = &mvg_graph_get_type(e->graph, input)->shape;
  MVG_RETURN_IF_ERROR(mvg_emitter_open(e, false));
  const mvg_index *element;
  MVG_RETURN_IF_ERROR(mvg_emitter_add_element(e, "v", mvg_shape_get_size(shape), &element));
  MVG_RETURN_IF_ERROR(mvg_emitter_print(e, input, element, out_name));
  MVG_RETURN_IF_ERROR(mvg_index_pool_take_failure(&e->pool));
  return mvg_emitter_close(e, out_text);
}

static mvg_status print_load(const mvg_fusion *fusion, const mvg_group *group, const mvg_caps *caps,
                             const char *name, mvg_value input, mvg_str *out) {
  mvg_emitter e = {.fusion = fusion, .graph = fusion->graph, .group = group, .caps = caps};
  mvg_name result;
  char *body = NULL;
  mvg_status status = print_load_body(&e, input, &result, &body);
  if (!status) {
    mvg_str_appendf(out, "%s load_%s(uint element) {\nint v = int(element);\n",
                    mvg_shader_get_type(mvg_graph_get_type(fusion->graph, input)->dtype, false),
                    name);
    mvg_str_append(out, body);
    mvg_str_appendf(out, "return %s;\n}\n", result.text);
  }
  mvg_free(body);
  mvg_emitter_deinit(&e);
  return status;
}

static uint32_t find_binding(const mvg_group *group, mvg_value value) {
  uint32_t i = 0;
  while (group->writes[i].node != value.node || group->writes[i].output != value.output)
    ++i;
  return group->read_count + i;
}

// `void store_NAME(uint element, float x)`: the output itself and everything that follows from it
// alone.
static mvg_status print_store_body(mvg_emitter *e, const mvg_part *part, char **out_text) {
  MVG_RETURN_IF_ERROR(mvg_emitter_open(e, false));
  const mvg_index *element;
  MVG_RETURN_IF_ERROR(mvg_emitter_add_element(e, "v", part->count, &element));
  mvg_str stores = {0};
  mvg_status status = NULL;
  for (uint32_t i = 0; i < part->root_count && !status; ++i) {
    const mvg_root *root = &part->roots[i];
    mvg_name name = {"x"};
    status = i == 0 ? mvg_emitter_define(e, root->value, element, "x")
                    : mvg_emitter_print_root(e, root->value, element, &name);
    if (status || !root->is_stored) continue;
    mvg_shader_print_store(&stores, e->graph, e->caps, root->value,
                           find_binding(e->group, root->value), false, "v", name.text);
  }
  if (stores.text) mvg_str_append(&e->scope->text, stores.text);
  mvg_str_deinit_part(&stores, &e->scope->text);
  status = mvg_status_join(status, mvg_index_pool_take_failure(&e->pool));
  return status ? status : mvg_emitter_close(e, out_text);
}

static mvg_status print_store(const mvg_fusion *fusion, const mvg_group *group,
                              const mvg_caps *caps, const char *name, uint32_t output,
                              mvg_str *out) {
  mvg_emitter e = {.fusion = fusion, .graph = fusion->graph, .group = group, .caps = caps};
  mvg_dtype dtype = mvg_graph_get_type(fusion->graph, (mvg_value){group->node, output})->dtype;
  char *body = NULL;
  mvg_status status = print_store_body(&e, &group->parts[output], &body);
  if (!status) {
    mvg_str_appendf(out, "void store_%s(uint element, %s x) {\nint v = int(element);\n", name,
                    mvg_shader_get_type(dtype, false));
    mvg_str_append(out, body);
    mvg_str_append(out, "}\n");
  }
  mvg_free(body);
  mvg_emitter_deinit(&e);
  return status;
}

static void print_constants(const mvg_kernel_body *kernel, uint32_t local_size, bool is_cpu,
                            mvg_str *out) {
  mvg_str_appendf(out, "#define MVG_IS_CPU %d\n#define MVG_HAS_GROUPS %d\n", is_cpu,
                  kernel->invocations == 0);
  mvg_str_appendf(out, "const uint LOCAL_SIZE = %uu;\n", local_size);
  for (uint32_t i = 0; i < kernel->constant_count; ++i) {
    const mvg_constant *constant = &kernel->constants[i];
    if (constant->is_integer && constant->integer >= 0) {
      mvg_str_appendf(out, "const uint %s = %" PRId64 "u;\n", constant->name, constant->integer);
    } else if (constant->is_integer) {
      mvg_str_appendf(out, "const int %s = %" PRId64 ";\n", constant->name, constant->integer);
    } else {
      mvg_expr number = {.op = MVG_EXPR_CONST, .value = constant->number};
      mvg_str_appendf(out, "const float %s = ", constant->name);
      mvg_expr_print_glsl(out, &number, NULL, false);
      mvg_str_append(out, ";\n");
    }
  }
}

static uint32_t find_read(const mvg_group *group, mvg_value value) {
  uint32_t i = 0;
  while (i < group->read_count &&
         (group->reads[i].value.node != value.node || group->reads[i].value.output != value.output))
    ++i;
  return i;
}

static void print_load4(const mvg_fusion *fusion, const mvg_group *group, const mvg_caps *caps,
                        const char *name, mvg_value input, mvg_str *out) {
  uint32_t number = find_read(group, mvg_fusion_resolve(fusion, input));
  if (number < group->read_count && mvg_shader_has_vectors(fusion, group, caps, number)) {
    mvg_shader_print_vector_access(out, fusion, group, caps, number, name);
  } else {
    mvg_str_appendf(out,
                    "vec4 load4_%s(uint element) {\nreturn vec4(load_%s(element), load_%s(element "
                    "+ 1u), load_%s(element + 2u), load_%s(element + 3u));\n}\n",
                    name, name, name, name, name);
  }
}

static void print_store4(const mvg_fusion *fusion, const mvg_group *group, const mvg_caps *caps,
                         const char *name, const mvg_part *part, mvg_str *out) {
  bool is_plain = part->root_count == 1 && part->roots[0].is_stored;
  uint32_t number = is_plain ? find_binding(group, part->roots[0].value) : 0;
  if (is_plain && mvg_shader_has_vectors(fusion, group, caps, number)) {
    mvg_shader_print_vector_access(out, fusion, group, caps, number, name);
  } else {
    mvg_str_appendf(out,
                    "void store4_%s(uint element, vec4 x) {\n"
                    "for (uint j = 0u; j < 4u; ++j) store_%s(element + j, x[j]);\n}\n",
                    name, name);
  }
}

static mvg_status print_accessors(const mvg_fusion *fusion, const mvg_group *group,
                                  const mvg_caps *caps, const mvg_node *node, const char *source,
                                  mvg_str *out) {
  for (uint32_t i = 0; i < node->input_count; ++i) {
    const char *name = node->kernel.input_names[i];
    MVG_RETURN_IF_ERROR(print_load(fusion, group, caps, name, node->inputs[i], out));
    if (strstr(source, "load4_")) print_load4(fusion, group, caps, name, node->inputs[i], out);
  }
  for (uint32_t i = 0; i < node->output_count; ++i) {
    const char *name = node->kernel.output_names[i];
    MVG_RETURN_IF_ERROR(print_store(fusion, group, caps, name, i, out));
    if (strstr(source, "store4_")) print_store4(fusion, group, caps, name, &group->parts[i], out);
  }
  return NULL;
}

// Takes a workgroup's number in the device's grid apart; those beyond the last leave.
static void print_unfolding(const uint32_t grid[3], mvg_str *out) {
  mvg_str_appendf(out,
                  "if (group_ >= %uu) return;\n"
                  "folded_ = uvec3(group_ %% %uu, group_ / %uu %% %uu, group_ / %uu);\n",
                  grid[0] * grid[1] * grid[2], grid[0], grid[0], grid[1], grid[0] * grid[1]);
}

static void print_entry(const kernel_launch *launch, mvg_str *out) {
  if (launch->lanes > 1) {
    mvg_str_append(out, "void main() {\nuint row_ = (gl_WorkGroupID.x + gl_NumWorkGroups.x * "
                        "gl_WorkGroupID.y) * (LOCAL_SIZE / LANES) + gl_SubgroupID;\n"
                        "if (row_ < push_.n[0]) kernel_main(row_, gl_SubgroupInvocationID);\n}\n");
    return;
  }
  if (launch->kernel.invocations > 0) {
    mvg_shader_print_main(out, launch->local_size);
    mvg_str_appendf(out, "if (flat_ < push_.n[0]) kernel_main(flat_%s);\n}\n",
                    launch->lanes ? ", 0u" : "");
    return;
  }
  if (launch->folded[0]) mvg_str_append(out, "#undef gl_WorkGroupID\n");
  mvg_str_append(out, "void main() {\nuint group_ = gl_WorkGroupID.x + gl_NumWorkGroups.x * "
                      "(gl_WorkGroupID.y + gl_NumWorkGroups.y * gl_WorkGroupID.z);\n");
  if (launch->folded[0]) print_unfolding(launch->folded, out);
  mvg_str_append(out, "kernel_main(group_ * LOCAL_SIZE + gl_LocalInvocationIndex);\n}\n");
}

static mvg_status print_body(const mvg_fusion *fusion, const mvg_group *group, const mvg_node *node,
                             const kernel_launch *launch, const mvg_caps *caps, const char *source,
                             mvg_str *out) {
  print_constants(&launch->kernel, launch->local_size, caps->is_cpu, out);
  if (launch->tile) mvg_matmul_tile_print_constants(launch->tile, caps, &launch->kernel, out);
  MVG_RETURN_IF_ERROR(print_accessors(fusion, group, caps, node, source, out));
  if (launch->folded[0]) mvg_str_append(out, "uvec3 folded_;\n#define gl_WorkGroupID folded_\n");
  mvg_str_append(out, source);
  print_entry(launch, out);
  return NULL;
}

static mvg_status print_shader(const mvg_fusion *fusion, const mvg_group *group,
                               const mvg_node *node, const kernel_launch *launch,
                               const mvg_caps *caps, const char *source, mvg_str *out) {
  mvg_str body = {0};
  mvg_status status = print_body(fusion, group, node, launch, caps, source, &body);
  uint32_t push_count = launch->kernel.invocations > 0 ? 1 : 0;
  if (!status) {
    status = mvg_shader_print_head(out, fusion, group, caps, launch->local_size, push_count,
                                   launch->lanes, false);
  }
  if (!status) status = mvg_shader_print_helpers(out, body.text ? body.text : "");
  if (body.text) mvg_str_append(out, body.text);
  mvg_str_deinit_part(&body, out);
  return status;
}

static bool is_empty(const mvg_node *node) {
  for (uint32_t i = 0; i < node->output_count; ++i) {
    if (mvg_shape_get_size(&node->outputs[i].shape) > 0) return false;
  }
  return true;
}

static mvg_status choose_launch(const mvg_node *node, const mvg_matmul_tile *tile,
                                const mvg_caps *caps, kernel_launch *out) {
  *out = (kernel_launch){.kernel = node->kernel};
  if (mvg_matmul_is_product(node)) {
    out->tile = tile;
    if (!tile)
      MVG_RETURN_IF_ERROR(
          mvg_matmul_tile_choose(&node->kernel, caps, MVG_OPERANDS_F32, &out->tile));
    mvg_matmul_tile_apply(out->tile, caps, &out->kernel);
  }
  out->local_size = out->kernel.local_size ? out->kernel.local_size : LOCAL_SIZE;
  return NULL;
}

// A kernel by rows says so in its parameters: kernel_main(row, lane). A row is a subgroup's, or one
// invocation's where there are no subgroups.
static void choose_lanes(const char *source, const mvg_caps *caps, kernel_launch *launch) {
  if (!strstr(source, "void kernel_main(uint row, uint lane)")) return;
  launch->lanes = 1;
  if (caps->subgroup_size < 2 || launch->local_size % caps->subgroup_size != 0) return;
  if (launch->kernel.invocations <= UINT32_MAX / caps->subgroup_size)
    launch->lanes = caps->subgroup_size;
}

static mvg_status count_groups(const uint32_t groups[3], uint64_t *out_count) {
  *out_count = (uint64_t)groups[0] * groups[1];
  if (*out_count <= UINT32_MAX) *out_count *= groups[2];
  if (*out_count <= UINT32_MAX) return NULL;
  return MVG_ERROR(MVG_UNSUPPORTED,
                   "%u x %u x %u workgroups are more than can be numbered; use a smaller batch",
                   groups[0], groups[1], groups[2]);
}

// A grid with an axis too long for the device becomes one of as many workgroups or few more. What
// asks for the grid's extents has to have it as it is.
static mvg_status fold_grid(const char *source, const mvg_caps *caps, kernel_launch *launch) {
  uint32_t *groups = launch->kernel.groups;
  bool fits = true;
  for (int axis = 0; axis < 3; ++axis) {
    uint32_t limit = caps->max_group_count[axis] ? caps->max_group_count[axis] : 65535;
    fits = fits && groups[axis] <= limit;
  }
  if (fits || strstr(source, "gl_NumWorkGroups")) return NULL;
  uint64_t count;
  MVG_RETURN_IF_ERROR(count_groups(groups, &count));
  if (count == 0) return NULL;
  memcpy(launch->folded, groups, sizeof launch->folded);
  MVG_RETURN_IF_ERROR(mvg_shader_choose_grid(caps, count, 1, groups));
  groups[0] = (uint32_t)((count + groups[1] - 1) / groups[1]);
  return NULL;
}

mvg_status mvg_template_fill(const mvg_fusion *fusion, const mvg_group *group, const mvg_caps *caps,
                             const mvg_matmul_tile *tile, mvg_shader *shader) {
  const mvg_node *node = mvg_graph_get_node(fusion->graph, group->node);
  kernel_launch launch;
  MVG_RETURN_IF_ERROR(choose_launch(node, tile, caps, &launch));
  const mvg_kernel_body *kernel = &launch.kernel;
  mvg_str text = {0}, source = {0};
  mvg_status status = mvg_kernel_file_append(kernel->source, &source);
  const char *source_text = source.text ? source.text : "";
  choose_lanes(source_text, caps, &launch);
  if (!status) status = fold_grid(source_text, caps, &launch);
  if (!status) status = print_shader(fusion, group, node, &launch, caps, source_text, &text);
  mvg_str_deinit_part(&source, &text);
  bool has_matrices = launch.tile && mvg_matmul_tile_is_native(launch.tile, caps);
  if (launch.lanes > 1 || has_matrices) shader->subgroup_size = caps->subgroup_size;
  if (!status && kernel->invocations > 0) {
    uint64_t invocations = kernel->invocations * (launch.lanes ? launch.lanes : 1);
    shader->push[shader->push_count++] = (uint32_t)kernel->invocations;
    status = mvg_shader_choose_grid(caps, invocations, launch.local_size, shader->groups);
  } else {
    memcpy(shader->groups, kernel->groups, sizeof shader->groups);
    if (is_empty(node)) shader->groups[0] = 0; // nothing to write
    for (int i = 1; i < 3; ++i) {
      if (shader->groups[0] == 0) shader->groups[i] = 0;
      if (shader->groups[0] && shader->groups[i] == 0) shader->groups[i] = 1;
    }
  }
  if (!status) status = mvg_str_take(&text, &shader->glsl);
  mvg_str_deinit(&text);
  return status;
}

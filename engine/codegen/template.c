#include "codegen/template.h"

#include <inttypes.h>
#include <string.h>

#include "codegen/emitter.h"
#include "codegen/kernel_files.h"
#include "codegen/shader_text.h"

#define LOCAL_SIZE 64

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

static mvg_status print_accessors(const mvg_fusion *fusion, const mvg_group *group,
                                  const mvg_caps *caps, const mvg_node *node, mvg_str *out) {
  for (uint32_t i = 0; i < node->input_count; ++i) {
    MVG_RETURN_IF_ERROR(
        print_load(fusion, group, caps, node->kernel.input_names[i], node->inputs[i], out));
  }
  for (uint32_t i = 0; i < node->output_count; ++i) {
    MVG_RETURN_IF_ERROR(print_store(fusion, group, caps, node->kernel.output_names[i], i, out));
  }
  return NULL;
}

static mvg_status print_body(const mvg_fusion *fusion, const mvg_group *group, const mvg_node *node,
                             uint32_t local_size, const mvg_caps *caps, mvg_str *out) {
  print_constants(&node->kernel, local_size, caps->is_cpu, out);
  MVG_RETURN_IF_ERROR(print_accessors(fusion, group, caps, node, out));
  MVG_RETURN_IF_ERROR(mvg_kernel_file_append(node->kernel.source, out));
  if (node->kernel.invocations > 0) {
    mvg_shader_print_main(out, local_size);
    mvg_str_append(out, "if (flat_ < push_.n[0]) kernel_main(flat_);\n}\n");
  } else {
    mvg_str_append(out, "void main() {\nuint group_ = gl_WorkGroupID.x + gl_NumWorkGroups.x * "
                        "(gl_WorkGroupID.y + gl_NumWorkGroups.y * gl_WorkGroupID.z);\n"
                        "kernel_main(group_ * LOCAL_SIZE + gl_LocalInvocationIndex);\n}\n");
  }
  return NULL;
}

static mvg_status print_shader(const mvg_fusion *fusion, const mvg_group *group,
                               const mvg_node *node, uint32_t local_size, const mvg_caps *caps,
                               mvg_str *out) {
  mvg_str body = {0};
  mvg_status status = print_body(fusion, group, node, local_size, caps, &body);
  uint32_t push_count = node->kernel.invocations > 0 ? 1 : 0;
  if (!status) {
    status = mvg_shader_print_head(out, fusion, group, caps, local_size, push_count, false);
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

mvg_status mvg_template_fill(const mvg_fusion *fusion, const mvg_group *group, const mvg_caps *caps,
                             mvg_shader *shader) {
  const mvg_node *node = mvg_graph_get_node(fusion->graph, group->node);
  const mvg_kernel_body *kernel = &node->kernel;
  uint32_t local_size = kernel->local_size ? kernel->local_size : LOCAL_SIZE;
  mvg_str text = {0};
  mvg_status status = print_shader(fusion, group, node, local_size, caps, &text);
  if (!status && kernel->invocations > 0) {
    shader->push[shader->push_count++] = (uint32_t)kernel->invocations;
    status = mvg_shader_choose_grid(caps, kernel->invocations, local_size, shader->groups);
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

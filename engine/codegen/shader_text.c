#include "codegen/shader_text.h"

#include <inttypes.h>
#include <string.h>

#include "codegen/kernel_files.h"

static void print_buffer(mvg_str *out, const mvg_fusion *fusion, mvg_value value, uint32_t binding,
                         const char *access, bool is_vector) {
  bool is_integer = mvg_graph_get_type(fusion->graph, value)->dtype == MVG_DTYPE_I32;
  const char *type = is_vector ? (is_integer ? "ivec4" : "vec4") : is_integer ? "int" : "float";
  mvg_str_appendf(out, "layout(std430, set = 0, binding = %u) %s buffer B%u { %s b%u[]; };\n", binding,
                  access, binding, type, binding);
}

void mvg_shader_print_head(mvg_str *out, const mvg_fusion *fusion, const mvg_group *group,
                           uint32_t local_size, uint32_t push_count, bool has_vectors) {
  mvg_str_appendf(out, "#version 450\nlayout(local_size_x = %u) in;\n", local_size);
  for (uint32_t i = 0; i < group->read_count; ++i) {
    print_buffer(out, fusion, group->reads[i].value, i, "readonly",
                 has_vectors && group->reads[i].is_pointwise);
  }
  for (uint32_t i = 0; i < group->write_count; ++i) {
    print_buffer(out, fusion, group->writes[i], group->read_count + i, "writeonly", has_vectors);
  }
  if (push_count) mvg_str_appendf(out, "layout(push_constant) uniform Push { uint n[%u]; } push_;\n", push_count);
}

mvg_status mvg_shader_print_helpers(mvg_str *out, const char *body) {
  static const char constants[] = "include/constants.glsl";
  static const struct {
    const char *call, *file;
  } helpers[] = {{"INF_", constants},                 {"NAN_", constants},
                 {"_(", "include/math.glsl"},         {"floor_", "include/integer.glsl"},
                 {"erf_(", "include/erf.glsl"},       {"philox_uniform(", "include/random.glsl"}};
  const char *previous = NULL;
  for (size_t i = 0; i < sizeof helpers / sizeof helpers[0]; ++i) {
    if (!strstr(body, helpers[i].call) || helpers[i].file == previous) continue;
    MVG_RETURN_IF_ERROR(mvg_kernel_file_append(helpers[i].file, out));
    previous = helpers[i].file;
  }
  return NULL;
}

void mvg_shader_print_main(mvg_str *out, uint32_t local_size) {
  mvg_str_appendf(out,
                  "void main() {\nuint flat_ = gl_GlobalInvocationID.x + gl_GlobalInvocationID.y * "
                  "(gl_NumWorkGroups.x * %uu);\n",
                  local_size);
}

mvg_status mvg_shader_choose_grid(const mvg_caps *caps, uint64_t total, uint32_t local_size,
                                  uint32_t out_groups[3]) {
  uint64_t needed = (total + local_size - 1) / local_size;
  uint64_t limit = caps->max_group_count[0] ? caps->max_group_count[0] : 65535;
  uint64_t rows = (needed + limit - 1) / limit;
  uint64_t most = caps->max_group_count[1] ? caps->max_group_count[1] : 65535;
  if (rows > most) {
    return MVG_ERROR(MVG_UNSUPPORTED, "%" PRIu64 " workgroups are more than the device takes", needed);
  }
  out_groups[0] = (uint32_t)(rows > 1 ? limit : needed);
  out_groups[1] = needed ? (uint32_t)rows : 0;
  out_groups[2] = needed ? 1 : 0;
  return NULL;
}

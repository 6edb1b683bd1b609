#include "codegen/shader_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "codegen/kernel_files.h"

static uint32_t count_pieces(const mvg_graph *graph, const mvg_caps *caps, mvg_value value) {
  const mvg_type *type = mvg_graph_get_type(graph, value);
  uint64_t bytes = (uint64_t)mvg_shape_get_size(&type->shape) * mvg_dtype_get_size(type->dtype);
  return mvg_count_pieces(caps, bytes);
}

bool mvg_shader_has_pieces(const mvg_graph *graph, const mvg_caps *caps, mvg_value value) {
  return count_pieces(graph, caps, value) > 1;
}

// ---- elements as they lie in memory ----

static const char *get_stored_type(mvg_dtype dtype, bool is_vector) {
  if (mvg_dtype_is_half(dtype)) return is_vector ? "uvec2" : "uint16_t";
  if (dtype == MVG_DTYPE_I32) return is_vector ? "ivec4" : "int";
  return is_vector ? "vec4" : "float";
}

const char *mvg_shader_get_type(mvg_dtype dtype, bool is_vector) {
  return get_stored_type(mvg_dtype_is_half(dtype) ? MVG_DTYPE_F32 : dtype, is_vector);
}

static void print_widened(mvg_str *out, mvg_dtype dtype, bool is_vector, const char *stored) {
  if (mvg_dtype_is_half(dtype)) {
    mvg_str_appendf(out, is_vector ? "from_%sx4_(%s)" : "from_%s_(uint(%s))",
                    mvg_dtype_get_name(dtype), stored);
  } else {
    mvg_str_append(out, stored);
  }
}

static void print_narrowed(mvg_str *out, mvg_dtype dtype, bool is_vector, const char *value) {
  if (mvg_dtype_is_half(dtype)) {
    mvg_str_appendf(out, is_vector ? "to_%sx4_(%s)" : "uint16_t(to_%s_(%s))",
                    mvg_dtype_get_name(dtype), value);
  } else {
    mvg_str_append(out, value);
  }
}

static void print_access(mvg_str *out, mvg_dtype dtype, bool is_vector, const char *buffer,
                         const char *index) {
  char stored[160];
  snprintf(stored, sizeof stored, "%s[%s]", buffer, index);
  print_widened(out, dtype, is_vector, stored);
}

void mvg_shader_print_load(mvg_str *out, const mvg_graph *graph, const mvg_caps *caps,
                           mvg_value value, uint32_t number, bool is_vector, const char *index) {
  char buffer[24];
  snprintf(buffer, sizeof buffer, "b%u", number);
  if (mvg_shader_has_pieces(graph, caps, value)) {
    mvg_str_appendf(out, "get%u(%s)", number, index);
  } else {
    print_access(out, mvg_graph_get_type(graph, value)->dtype, is_vector, buffer, index);
  }
}

void mvg_shader_print_store(mvg_str *out, const mvg_graph *graph, const mvg_caps *caps,
                            mvg_value value, uint32_t number, bool is_vector, const char *index,
                            const char *text) {
  if (mvg_shader_has_pieces(graph, caps, value)) {
    mvg_str_appendf(out, "put%u(%s, %s);\n", number, index, text);
    return;
  }
  mvg_str_appendf(out, "b%u[%s] = ", number, index);
  print_narrowed(out, mvg_graph_get_type(graph, value)->dtype, is_vector, text);
  mvg_str_append(out, ";\n");
}

static void print_buffer(mvg_str *out, uint32_t binding, const char *access, const char *type,
                         const char *name) {
  mvg_str_appendf(out, "layout(std430, set = 0, binding = %u) %s buffer B%s { %s b%s[]; };\n",
                  binding, access, name, type, name);
}

// The pieces of one tensor, and get or put over all of them.
static void print_pieces(mvg_str *out, uint32_t binding, uint32_t pieces, uint64_t piece_elements,
                         uint32_t number, bool is_read, mvg_dtype dtype) {
  for (uint32_t i = 0; i < pieces; ++i) {
    char name[32];
    snprintf(name, sizeof name, "%u_%u", number, i);
    print_buffer(out, binding + i, is_read ? "readonly" : "writeonly",
                 get_stored_type(dtype, false), name);
  }
  const char *type = mvg_shader_get_type(dtype, false);
  if (is_read) {
    mvg_str_appendf(out, "%s get%u(int i) {\n", type, number);
  } else {
    mvg_str_appendf(out, "void put%u(int i, %s x) {\n", number, type);
  }
  for (uint32_t i = 0; i < pieces; ++i) {
    uint64_t first = i * piece_elements;
    char buffer[32], index[32];
    snprintf(buffer, sizeof buffer, "b%u_%u", number, i);
    snprintf(index, sizeof index, "i - %" PRIu64, first);
    if (i + 1 < pieces) mvg_str_appendf(out, "if (i < %" PRIu64 ") ", first + piece_elements);
    if (is_read) {
      mvg_str_append(out, "return ");
      print_access(out, dtype, false, buffer, index);
      mvg_str_append(out, ";\n");
    } else {
      mvg_str_appendf(out, "{ %s[%s] = ", buffer, index);
      print_narrowed(out, dtype, false, "x");
      mvg_str_append(out, "; return; }\n");
    }
  }
  mvg_str_append(out, "}\n");
}

// ---- head ----

typedef struct {
  mvg_str *out;
  const mvg_fusion *fusion;
  const mvg_caps *caps;
  uint32_t binding, number;
} head;

static void print_binding(head *h, mvg_value value, bool is_read, bool is_vector) {
  mvg_dtype dtype = mvg_graph_get_type(h->fusion->graph, value)->dtype;
  uint32_t pieces = count_pieces(h->fusion->graph, h->caps, value);
  if (pieces > 1) {
    uint64_t elements = mvg_get_piece_bytes(h->caps) / mvg_dtype_get_size(dtype);
    print_pieces(h->out, h->binding, pieces, elements, h->number, is_read, dtype);
  } else {
    char name[16];
    snprintf(name, sizeof name, "%u", h->number);
    print_buffer(h->out, h->binding, is_read ? "readonly" : "writeonly",
                 get_stored_type(dtype, is_vector), name);
  }
  h->binding += pieces;
  ++h->number;
}

static mvg_value get_bound(const mvg_group *group, uint32_t number) {
  return number < group->read_count ? group->reads[number].value
                                    : group->writes[number - group->read_count];
}

bool mvg_shader_has_vectors(const mvg_fusion *fusion, const mvg_group *group, const mvg_caps *caps,
                            uint32_t number) {
  mvg_value value = get_bound(group, number);
  return mvg_graph_get_type(fusion->graph, value)->dtype != MVG_DTYPE_I32 &&
         !mvg_shader_has_pieces(fusion->graph, caps, value);
}

void mvg_shader_print_vector_access(mvg_str *out, const mvg_fusion *fusion, const mvg_group *group,
                                    const mvg_caps *caps, uint32_t number, const char *name) {
  bool is_read = number < group->read_count;
  mvg_dtype dtype = mvg_graph_get_type(fusion->graph, get_bound(group, number))->dtype;
  uint32_t binding = 0;
  for (uint32_t i = 0; i < number; ++i)
    binding += count_pieces(fusion->graph, caps, get_bound(group, i));
  char alias[72], buffer[80]; // a tensor may be several operands
  snprintf(alias, sizeof alias, "4_%.60s", name);
  snprintf(buffer, sizeof buffer, "b%s", alias);
  print_buffer(out, binding, is_read ? "readonly" : "writeonly", get_stored_type(dtype, true),
               alias);
  if (is_read) {
    mvg_str_appendf(out, "vec4 load4_%s(uint element) {\nreturn ", name);
    print_access(out, dtype, true, buffer, "element / 4u");
  } else {
    mvg_str_appendf(out, "void store4_%s(uint element, vec4 x) {\n%s[element / 4u] = ", name,
                    buffer);
    print_narrowed(out, dtype, true, "x");
  }
  mvg_str_append(out, ";\n}\n");
}

static bool has_halves(const mvg_fusion *fusion, const mvg_group *group) {
  bool found = false;
  for (uint32_t i = 0; i < group->read_count; ++i) {
    mvg_dtype dtype = mvg_graph_get_type(fusion->graph, group->reads[i].value)->dtype;
    found = found || mvg_dtype_is_half(dtype);
  }
  for (uint32_t i = 0; i < group->write_count; ++i) {
    mvg_dtype dtype = mvg_graph_get_type(fusion->graph, group->writes[i])->dtype;
    found = found || mvg_dtype_is_half(dtype);
  }
  return found;
}

mvg_status mvg_shader_print_head(mvg_str *out, const mvg_fusion *fusion, const mvg_group *group,
                                 const mvg_caps *caps, uint32_t local_size, uint32_t push_count,
                                 uint32_t lanes, bool has_vectors) {
  mvg_str_append(out, "#version 450\n#extension GL_EXT_control_flow_attributes : enable\n");
  if (lanes > 1) mvg_str_append(out, "#extension GL_KHR_shader_subgroup_arithmetic : require\n");
  if (lanes > 0) mvg_str_appendf(out, "#define LANES %u\n", lanes);
  if (has_halves(fusion, group)) {
    if (!caps->has_half_storage) {
      return MVG_ERROR(MVG_UNSUPPORTED,
                       "device '%s' cannot write 16-bit elements (storageBuffer16BitAccess); "
                       "choose precision f32",
                       caps->name);
    }
    mvg_str_append(out, "#extension GL_EXT_shader_16bit_storage : require\n");
    MVG_RETURN_IF_ERROR(mvg_kernel_file_append("include/half.glsl", out));
  }
  mvg_str_appendf(out, "layout(local_size_x = %u) in;\n", local_size);
  head h = {out, fusion, caps, 0, 0};
  for (uint32_t i = 0; i < group->read_count; ++i) {
    print_binding(&h, group->reads[i].value, true, has_vectors && group->reads[i].is_pointwise);
  }
  for (uint32_t i = 0; i < group->write_count; ++i) {
    print_binding(&h, group->writes[i], false, has_vectors);
  }
  if (push_count)
    mvg_str_appendf(out, "layout(push_constant) uniform Push { uint n[%u]; } push_;\n", push_count);
  return NULL;
}

mvg_status mvg_shader_print_helpers(mvg_str *out, const char *body) {
  static const char constants[] = "include/constants.glsl";
  static const char trigonometry[] = "include/trigonometry.glsl";
  static const char lanes[] = "include/lanes.glsl";
  static const struct {
    const char *call, *file;
  } helpers[] = {{"INF_", constants},
                 {"NAN_", constants},
                 {"_(", "include/math.glsl"},
                 {"floor_", "include/integer.glsl"},
                 {"erf_(", "include/erf.glsl"},
                 {"philox_", "include/random.glsl"},
                 {"sin_(", trigonometry},
                 {"cos_(", trigonometry},
                 {"tan_(", trigonometry},
                 {"atan2_(", trigonometry},
                 {"lanes_", lanes}};
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
    return MVG_ERROR(MVG_UNSUPPORTED,
                     "%" PRIu64 " workgroups are more than the device takes; use a smaller batch",
                     needed);
  }
  out_groups[0] = (uint32_t)(rows > 1 ? limit : needed);
  out_groups[1] = needed ? (uint32_t)rows : 0;
  out_groups[2] = needed ? 1 : 0;
  return NULL;
}

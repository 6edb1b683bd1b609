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

void mvg_shader_print_load(mvg_str *out, const mvg_graph *graph, const mvg_caps *caps,
                           mvg_value value, uint32_t number, const char *index) {
  bool is_whole = !mvg_shader_has_pieces(graph, caps, value);
  mvg_str_appendf(out, is_whole ? "b%u[%s]" : "get%u(%s)", number, index);
}

void mvg_shader_print_store(mvg_str *out, const mvg_graph *graph, const mvg_caps *caps,
                            mvg_value value, uint32_t number, const char *text) {
  bool is_whole = !mvg_shader_has_pieces(graph, caps, value);
  mvg_str_appendf(out, is_whole ? "b%u[v] = %s;\n" : "put%u(v, %s);\n", number, text);
}

static void print_buffer(mvg_str *out, uint32_t binding, const char *access, const char *type,
                         const char *name) {
  mvg_str_appendf(out, "layout(std430, set = 0, binding = %u) %s buffer B%s { %s b%s[]; };\n",
                  binding, access, name, type, name);
}

// The pieces of one tensor, and get or put over all of them.
static void print_pieces(mvg_str *out, uint32_t binding, uint32_t pieces, uint64_t piece_elements,
                         uint32_t number, bool is_read, const char *type) {
  for (uint32_t i = 0; i < pieces; ++i) {
    char name[32];
    snprintf(name, sizeof name, "%u_%u", number, i);
    print_buffer(out, binding + i, is_read ? "readonly" : "writeonly", type, name);
  }
  if (is_read) {
    mvg_str_appendf(out, "%s get%u(int i) {\n", type, number);
  } else {
    mvg_str_appendf(out, "void put%u(int i, %s x) {\n", number, type);
  }
  for (uint32_t i = 0; i < pieces; ++i) {
    uint64_t first = i * piece_elements;
    if (i + 1 < pieces) mvg_str_appendf(out, "if (i < %" PRIu64 ") ", first + piece_elements);
    mvg_str_appendf(out,
                    is_read ? "return b%u_%u[i - %" PRIu64 "];\n"
                            : "{ b%u_%u[i - %" PRIu64 "] = x; return; }\n",
                    number, i, first);
  }
  mvg_str_append(out, "}\n");
}

typedef struct {
  mvg_str *out;
  const mvg_fusion *fusion;
  const mvg_caps *caps;
  uint32_t binding, number;
} head;

static void print_binding(head *h, mvg_value value, bool is_read, bool is_vector) {
  bool is_integer = mvg_graph_get_type(h->fusion->graph, value)->dtype == MVG_DTYPE_I32;
  const char *type = is_vector ? (is_integer ? "ivec4" : "vec4") : is_integer ? "int" : "float";
  uint32_t pieces = count_pieces(h->fusion->graph, h->caps, value);
  if (pieces > 1) {
    uint64_t elements = mvg_get_piece_bytes(h->caps) / sizeof(float);
    print_pieces(h->out, h->binding, pieces, elements, h->number, is_read, type);
  } else {
    char name[16];
    snprintf(name, sizeof name, "%u", h->number);
    print_buffer(h->out, h->binding, is_read ? "readonly" : "writeonly", type, name);
  }
  h->binding += pieces;
  ++h->number;
}

void mvg_shader_print_head(mvg_str *out, const mvg_fusion *fusion, const mvg_group *group,
                           const mvg_caps *caps, uint32_t local_size, uint32_t push_count,
                           bool has_vectors) {
  mvg_str_appendf(out, "#version 450\nlayout(local_size_x = %u) in;\n", local_size);
  head h = {out, fusion, caps, 0, 0};
  for (uint32_t i = 0; i < group->read_count; ++i) {
    print_binding(&h, group->reads[i].value, true, has_vectors && group->reads[i].is_pointwise);
  }
  for (uint32_t i = 0; i < group->write_count; ++i) {
    print_binding(&h, group->writes[i], false, has_vectors);
  }
  if (push_count)
    mvg_str_appendf(out, "layout(push_constant) uniform Push { uint n[%u]; } push_;\n", push_count);
}

mvg_status mvg_shader_print_helpers(mvg_str *out, const char *body) {
  static const char constants[] = "include/constants.glsl";
  static const char trigonometry[] = "include/trigonometry.glsl";
  static const struct {
    const char *call, *file;
  } helpers[] = {{"INF_", constants},           {"NAN_", constants},
                 {"_(", "include/math.glsl"},   {"floor_", "include/integer.glsl"},
                 {"erf_(", "include/erf.glsl"}, {"philox_uniform(", "include/random.glsl"},
                 {"sin_(", trigonometry},       {"cos_(", trigonometry},
                 {"tan_(", trigonometry},       {"atan2_(", trigonometry}};
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
    return MVG_ERROR(MVG_UNSUPPORTED, "%" PRIu64 " workgroups are more than the device takes",
                     needed);
  }
  out_groups[0] = (uint32_t)(rows > 1 ? limit : needed);
  out_groups[1] = needed ? (uint32_t)rows : 0;
  out_groups[2] = needed ? 1 : 0;
  return NULL;
}

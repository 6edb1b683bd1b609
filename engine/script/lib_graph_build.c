// The builders of a script's graph: one method a node kind. Failures carry the origin that the
// graph was given last.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script/lib.h"

// Operators live as long as any graph that uses them.
void mvg_lua_keep_operator(lua_State *L, int graph_index, int index) {
  lua_getiuservalue(L, graph_index, 1);
  lua_pushvalue(L, index);
  lua_pushboolean(L, true);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

// Raises a failure with the script line and module path, unless its message begins with them.
static void check_built(lua_State *L, const mvg_graph *graph, mvg_status status) {
  if (!status) return;
  const mvg_origin *origin = mvg_graph_get_origin(graph);
  char place[MVG_ORIGIN_TEXT_SIZE]; // Lua's own string could raise, and lose the status
  snprintf(place, sizeof place, "%s:%u", origin->file, origin->line);
  bool is_told = strncmp(mvg_status_get_message(status), place, strlen(place)) == 0;
  if (origin->file[0] && !is_told) {
    bool has_path = origin->module_path[0] != '\0';
    status = mvg_status_annotate(status, "%s%s%s%s", place, has_path ? " (" : "",
                                 origin->module_path, has_path ? ")" : "");
  }
  mvg_lua_check(L, status);
}

static int push_result(lua_State *L, const mvg_graph *graph, mvg_status status, mvg_value value) {
  check_built(L, graph, status);
  mvg_lua_push_value(L, value);
  return 1;
}

static void check_graph_dtype(lua_State *L, mvg_dtype dtype) {
  if (dtype != MVG_DTYPE_F32 && dtype != MVG_DTYPE_I32) {
    luaL_error(L, "graphs hold f32 and i32, not %s", mvg_dtype_get_name(dtype));
  }
}

// leaf(kind, name, slot, dtype, shape)
static int build_leaf(lua_State *L) {
  static const char *const kinds[] = {"input", "state", NULL};
  mvg_graph *graph = mvg_arg_graph(L, 1);
  mvg_kind kind = luaL_checkoption(L, 2, NULL, kinds) == 0 ? MVG_KIND_INPUT : MVG_KIND_STATE;
  const char *name = luaL_checkstring(L, 3);
  uint32_t slot = (uint32_t)mvg_arg_integer(L, 4, 0, 65535, "a slot");
  mvg_type type = {.dtype = mvg_arg_dtype(L, 5), .shape = mvg_arg_shape(L, 6)};
  check_graph_dtype(L, type.dtype);
  mvg_value value = MVG_NO_VALUE;
  mvg_status status = mvg_graph_leaf(graph, kind, name, slot, &type, &value);
  return push_result(L, graph, status, value);
}

static int build_const(lua_State *L) {
  mvg_graph *graph = mvg_arg_graph(L, 1);
  const mvg_ndarray *array = mvg_arg_array(L, 2);
  check_graph_dtype(L, array->dtype);
  mvg_type type = {.dtype = array->dtype, .shape = array->shape};
  mvg_value value = MVG_NO_VALUE;
  mvg_status status = mvg_graph_const(graph, &type, array->data, &value);
  return push_result(L, graph, status, value);
}

static int build_scalar(lua_State *L) {
  mvg_graph *graph = mvg_arg_graph(L, 1);
  double number = luaL_checknumber(L, 2);
  mvg_value value = MVG_NO_VALUE;
  mvg_status status = mvg_graph_scalar(graph, number, &value);
  return push_result(L, graph, status, value);
}

// The operator's expression with the attributes' numbers in place.
static mvg_status bind_attributes(mvg_graph *graph, const mvg_lua_opdef *op, const double *numbers,
                                  const mvg_expr **out) {
  mvg_arena *arena = mvg_graph_get_arena(graph);
  const mvg_expr *replacements[2 * MVG_MAX_OPERANDS + 1] = {0};
  uint32_t first = op->input_count + 1;
  for (uint32_t i = 0; i < op->attribute_count; ++i) {
    MVG_RETURN_IF_ERROR(mvg_expr_const(arena, numbers[i], &replacements[first + i]));
  }
  return mvg_expr_substitute(arena, op->expr, replacements, first + op->attribute_count, out);
}

// map(opdef, values, attributes or nil, dtype or nil); the element type is f32 unless given
static int build_map(lua_State *L) {
  mvg_graph *graph = mvg_arg_graph(L, 1);
  const mvg_lua_opdef *op = mvg_arg_opdef(L, 2, MVG_KIND_MAP);
  mvg_value inputs[MVG_MAX_OPERANDS], value = MVG_NO_VALUE;
  uint32_t count = mvg_arg_values(L, 3, graph, MVG_MAX_OPERANDS, inputs);
  double numbers[MVG_MAX_OPERANDS];
  uint32_t given =
      lua_isnoneornil(L, 4) ? 0 : (uint32_t)mvg_arg_list(L, 4, MVG_MAX_OPERANDS, "the attributes");
  if (count != op->input_count || given != op->attribute_count) {
    return luaL_error(L, "operator '%s' takes %d inputs and %d attributes, got %d and %d",
                      op->def.name, (int)op->input_count, (int)op->attribute_count, (int)count,
                      (int)given);
  }
  for (uint32_t i = 0; i < given; ++i) {
    lua_rawgeti(L, 4, (lua_Integer)i + 1);
    if (!lua_isnumber(L, -1)) {
      return luaL_error(L, "operator '%s': attribute %d must be a number, got %s", op->def.name,
                        (int)i + 1, luaL_typename(L, -1));
    }
    numbers[i] = lua_tonumber(L, -1);
    lua_pop(L, 1);
  }
  mvg_dtype dtype = mvg_arg_dtype(L, 5);
  mvg_lua_keep_operator(L, 1, 2);
  const mvg_expr *expr;
  mvg_status status = bind_attributes(graph, op, numbers, &expr);
  if (!status) {
    status = mvg_graph_map(graph, &op->def, op->def.name, dtype, expr, inputs, count, &value);
  }
  return push_result(L, graph, status, value);
}

static mvg_status parse_index(mvg_graph *graph, const char *const *texts, uint32_t count,
                              const char *valid_text, uint32_t rank, const mvg_expr **index,
                              const mvg_expr **out_valid) {
  static const char *const names[MVG_MAX_RANK] = {"o0", "o1", "o2", "o3", "o4", "o5", "o6", "o7"};
  mvg_arena *arena = mvg_graph_get_arena(graph);
  *out_valid = NULL;
  for (uint32_t i = 0; i < count; ++i) {
    MVG_RETURN_IF_ERROR(mvg_expr_parse(arena, texts[i], names, rank, &index[i]));
  }
  return valid_text ? mvg_expr_parse(arena, valid_text, names, rank, out_valid) : NULL;
}

// view(opdef, value, shape, index expressions, valid or nil)
static int build_view(lua_State *L) {
  mvg_graph *graph = mvg_arg_graph(L, 1);
  const mvg_lua_opdef *op = mvg_arg_opdef(L, 2, MVG_KIND_VIEW);
  mvg_value input = mvg_arg_value(L, 3, graph), value = MVG_NO_VALUE;
  mvg_shape shape = mvg_arg_shape(L, 4);
  const char *texts[MVG_MAX_RANK], *valid_text = luaL_optstring(L, 6, NULL);
  uint32_t count = (uint32_t)mvg_arg_strings(L, 5, MVG_MAX_RANK, "the index expressions", texts);
  uint32_t rank = mvg_graph_get_type(graph, input)->shape.rank;
  if (count != rank) {
    return luaL_error(L, "operator '%s' gives %d index expressions for an input of rank %d",
                      op->def.name, (int)count, (int)rank);
  }
  mvg_lua_keep_operator(L, 1, 2);
  const mvg_expr *index[MVG_MAX_RANK], *valid;
  mvg_status status = parse_index(graph, texts, count, valid_text, shape.rank, index, &valid);
  if (!status) {
    status = mvg_graph_view(graph, &op->def, op->def.name, input, &shape, index, valid, &value);
  }
  return push_result(L, graph, mvg_status_annotate(status, "operator '%s'", op->def.name), value);
}

// reshape(opdef or nil, value, shape)
static int build_reshape(lua_State *L) {
  mvg_graph *graph = mvg_arg_graph(L, 1);
  const mvg_lua_opdef *op = lua_toboolean(L, 2) ? mvg_arg_opdef(L, 2, MVG_KIND_VIEW) : NULL;
  mvg_value input = mvg_arg_value(L, 3, graph), value = MVG_NO_VALUE;
  mvg_shape shape = mvg_arg_shape(L, 4);
  if (op) mvg_lua_keep_operator(L, 1, 2);
  mvg_status status = mvg_graph_reshape(graph, op ? &op->def : NULL, op ? op->def.name : "reshape",
                                        input, &shape, &value);
  return push_result(L, graph, status, value);
}

static mvg_status copy_reduce(mvg_graph *graph, const mvg_reduce_body *source,
                              mvg_reduce_body *out) {
  mvg_arena *arena = mvg_graph_get_arena(graph);
  MVG_RETURN_IF_ERROR(mvg_expr_substitute(arena, source->init, NULL, 0, &out->init));
  MVG_RETURN_IF_ERROR(mvg_expr_substitute(arena, source->combine, NULL, 0, &out->combine));
  return mvg_expr_substitute(arena, source->finish, NULL, 0, &out->finish);
}

// reduce(opdef, value, axes)
static int build_reduce(lua_State *L) {
  mvg_graph *graph = mvg_arg_graph(L, 1);
  const mvg_lua_opdef *op = mvg_arg_opdef(L, 2, MVG_KIND_REDUCE);
  mvg_value input = mvg_arg_value(L, 3, graph), value = MVG_NO_VALUE;
  int64_t rank = mvg_graph_get_type(graph, input)->shape.rank;
  mvg_reduce_body body = {0};
  int count = mvg_arg_list(L, 4, MVG_MAX_RANK, "the axes");
  for (int i = 0; i < count; ++i) {
    lua_rawgeti(L, 4, i + 1);
    body.axes |= 1u << mvg_arg_integer(L, -1, 0, rank - 1, "an axis");
    lua_pop(L, 1);
  }
  mvg_lua_keep_operator(L, 1, 2);
  mvg_status status = copy_reduce(graph, &op->reduce, &body);
  if (!status) status = mvg_graph_reduce(graph, &op->def, op->def.name, input, &body, &value);
  return push_result(L, graph, status, value);
}

// ---- kernel and host operators ----

typedef struct {
  mvg_value inputs[MVG_MAX_OPERANDS];
  mvg_type outputs[MVG_MAX_OPERANDS];
  mvg_node node;
} call_args;

// Arguments 2..4: operator, values, list of {dtype=, shape=}.
static void read_call(lua_State *L, const mvg_graph *graph, mvg_kind kind, call_args *out) {
  const mvg_lua_opdef *op = mvg_arg_opdef(L, 2, kind);
  uint32_t input_count = mvg_arg_values(L, 3, graph, MVG_MAX_OPERANDS, out->inputs);
  uint32_t output_count = (uint32_t)mvg_arg_list(L, 4, MVG_MAX_OPERANDS, "the outputs");
  for (uint32_t i = 0; i < output_count; ++i) {
    if (lua_rawgeti(L, 4, (lua_Integer)i + 1) != LUA_TTABLE) {
      luaL_error(L, "operator '%s': output %d must be {dtype=, shape=}", op->def.name, (int)i + 1);
    }
    int entry = lua_gettop(L);
    lua_getfield(L, entry, "dtype");
    lua_getfield(L, entry, "shape");
    out->outputs[i] =
        (mvg_type){.dtype = mvg_arg_dtype(L, entry + 1), .shape = mvg_arg_shape(L, entry + 2)};
    lua_settop(L, entry - 1);
  }
  out->node = (mvg_node){.kind = kind,
                         .op = op->def.name,
                         .def = &op->def,
                         .inputs = out->inputs,
                         .input_count = input_count,
                         .outputs = out->outputs,
                         .output_count = output_count};
  mvg_lua_keep_operator(L, 1, 2);
}

static int push_outputs(lua_State *L, uint32_t id, uint32_t count) {
  luaL_checkstack(L, (int)count, "outputs");
  for (uint32_t i = 0; i < count; ++i)
    mvg_lua_push_value(L, (mvg_value){id, i});
  return (int)count;
}

#define MAX_CONSTANTS 64

typedef struct {
  const char *source, *binding;
  const char *input_names[MVG_MAX_OPERANDS], *output_names[MVG_MAX_OPERANDS];
  mvg_constant constants[MAX_CONSTANTS];
  mvg_kernel_body body;
} kernel_args;

static int compare_constants(const void *a, const void *b) {
  return strcmp(((const mvg_constant *)a)->name, ((const mvg_constant *)b)->name);
}

static uint32_t read_constants(lua_State *L, int index, mvg_constant out[MAX_CONSTANTS]) {
  uint32_t count = 0;
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    bool is_good = lua_type(L, -2) == LUA_TSTRING && lua_type(L, -1) == LUA_TNUMBER;
    if (!is_good) luaL_error(L, "an operator's constants are names with numbers");
    if (count == MAX_CONSTANTS) luaL_error(L, "a node has at most %d constants", MAX_CONSTANTS);
    out[count++] = (mvg_constant){.name = lua_tostring(L, -2),
                                  .is_integer = lua_isinteger(L, -1),
                                  .integer = lua_tointeger(L, -1),
                                  .number = lua_tonumber(L, -1)};
  }
  qsort(out, count, sizeof *out, compare_constants);
  return count;
}

static void read_names(lua_State *L, const char *field, uint32_t expected, const char **out) {
  lua_getfield(L, 6, field);
  uint32_t count = (uint32_t)mvg_arg_strings(L, lua_gettop(L), MVG_MAX_OPERANDS, field, out);
  if (count != expected) {
    luaL_error(L, "a kernel with %d %s names %d", (int)expected, field, (int)count);
  }
  lua_pop(L, 1);
}

static void read_grid(lua_State *L, mvg_kernel_body *body) {
  body->invocations = (uint64_t)mvg_arg_integer_field(L, 6, "invocations", 0);
  body->local_size = (uint32_t)mvg_arg_integer_field(L, 6, "local_size", 0);
  if (lua_getfield(L, 6, "groups") != LUA_TNIL) {
    int count = mvg_arg_list(L, lua_gettop(L), 3, "groups");
    for (int i = 0; i < 3; ++i) {
      lua_rawgeti(L, -1, i + 1);
      body->groups[i] =
          i < count ? (uint32_t)mvg_arg_integer(L, -1, 0, UINT32_MAX, "a group count") : 1;
      lua_pop(L, 1);
    }
  }
  lua_pop(L, 1);
}

static mvg_status add_kernel(mvg_graph *graph, call_args *call, kernel_args *args,
                             uint32_t *out_id) {
  mvg_arena *arena = mvg_graph_get_arena(graph);
  mvg_kernel_body *body = &args->body;
  MVG_RETURN_IF_ERROR(mvg_arena_string(arena, args->source, &body->source));
  if (args->binding) MVG_RETURN_IF_ERROR(mvg_arena_string(arena, args->binding, &body->binding));
  MVG_RETURN_IF_ERROR(
      mvg_arena_strings(arena, args->input_names, call->node.input_count, &body->input_names));
  MVG_RETURN_IF_ERROR(
      mvg_arena_strings(arena, args->output_names, call->node.output_count, &body->output_names));
  MVG_RETURN_IF_ERROR(
      mvg_constants_copy(arena, args->constants, body->constant_count, &body->constants));
  call->node.kernel = *body;
  return mvg_graph_add_node(graph, &call->node, out_id);
}

// kernel(opdef, values, outputs, constants, {source=, inputs=, outputs=, invocations= | groups=,
// local_size=, binding=, operations=})
static int build_kernel(lua_State *L) {
  mvg_graph *graph = mvg_arg_graph(L, 1);
  luaL_checktype(L, 5, LUA_TTABLE);
  luaL_checktype(L, 6, LUA_TTABLE);
  lua_settop(L, 6);
  call_args call;
  read_call(L, graph, MVG_KIND_KERNEL, &call);
  kernel_args args = {.source = mvg_arg_string_field(L, 6, "source"),
                      .binding = mvg_arg_string_field(L, 6, "binding")};
  if (!args.source) return luaL_error(L, "kernel '%s' needs a source", call.node.op);
  args.body.constant_count = read_constants(L, 5, args.constants);
  read_names(L, "inputs", call.node.input_count, args.input_names);
  read_names(L, "outputs", call.node.output_count, args.output_names);
  read_grid(L, &args.body);
  lua_getfield(L, 6, "operations");
  args.body.operations = rint(luaL_optnumber(L, -1, -1));
  lua_pop(L, 1);
  uint32_t id = 0;
  check_built(L, graph, add_kernel(graph, &call, &args, &id));
  return push_outputs(L, id, call.node.output_count);
}

// host(opdef, values, outputs, constants)
static int build_host(lua_State *L) {
  mvg_graph *graph = mvg_arg_graph(L, 1);
  luaL_checktype(L, 5, LUA_TTABLE);
  call_args call;
  mvg_constant constants[MAX_CONSTANTS];
  read_call(L, graph, MVG_KIND_HOST, &call);
  mvg_host_body *body = &call.node.host;
  body->constant_count = read_constants(L, 5, constants);
  uint32_t id = 0;
  mvg_status status = mvg_constants_copy(mvg_graph_get_arena(graph), constants,
                                         body->constant_count, &body->constants);
  if (!status) status = mvg_graph_add_node(graph, &call.node, &id);
  check_built(L, graph, status);
  return push_outputs(L, id, call.node.output_count);
}

const luaL_Reg mvg_lua_graph_builders[] = {
    {"leaf", build_leaf},     {"const", build_const},
    {"scalar", build_scalar}, {"map", build_map},
    {"view", build_view},     {"reshape", build_reshape},
    {"reduce", build_reduce}, {"kernel", build_kernel},
    {"host", build_host},     {NULL, NULL},
};

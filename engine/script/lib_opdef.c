// Declared operators: expressions parsed once, and the hooks that call back into Lua.
// Names in expressions: map: the inputs, `index` (row-major index of the output element), the
// attributes. reduce: combine sees `acc` and the input's own name (or `x`), finish sees `acc` and
// `count` (elements reduced).
#include <string.h>

#include "script/lib.h"
#include "script/vm.h"

#define OPDEF_CLASS "mvg.opdef"
enum { USER_VJP = 1, USER_RUN };

mvg_lua_opdef *mvg_arg_opdef(lua_State *L, int index, mvg_kind kind) {
  mvg_lua_opdef *op = luaL_testudata(L, index, OPDEF_CLASS);
  if (!op) luaL_error(L, "an operator is needed, got %s", mvg_arg_get_typename(L, index));
  if (op->def.kind != kind) {
    luaL_error(L, "operator '%s' is of kind %s, not %s", op->def.name,
               mvg_kind_get_name(op->def.kind), mvg_kind_get_name(kind));
  }
  return op;
}

// A finalizer may still meet it, be it through a graph: then it is no operator any more.
static int opdef_close(lua_State *L) {
  mvg_lua_opdef *op = lua_touserdata(L, 1);
  op->def.name = "(collected)";
  mvg_arena_deinit(&op->arena);
  lua_pushnil(L);
  lua_setmetatable(L, 1);
  return 0;
}

static int opdef_tostring(lua_State *L) {
  const mvg_lua_opdef *op = lua_touserdata(L, 1);
  lua_pushfstring(L, "op.%s \"%s\"", mvg_kind_get_name(op->def.kind), op->def.name);
  return 1;
}

// Pushes the function in a user value of the operator.
static void push_hook(lua_State *L, const mvg_lua_opdef *op, int which) {
  mvg_vm_recall(L, op);
  if (lua_isnil(L, -1)) luaL_error(L, "operator '%s' is gone", op->def.name);
  lua_getiuservalue(L, -1, which);
  lua_remove(L, -2);
}

// ---- vjp ----

typedef struct {
  const mvg_lua_opdef *op;
  mvg_graph *graph;
  uint32_t node;
  const mvg_value *dys;
  const bool *needed;
  mvg_value *out_dxs;
} vjp_call;

static int call_vjp(lua_State *L) {
  const vjp_call *call = lua_touserdata(L, 1);
  const mvg_node *node = mvg_graph_get_node(call->graph, call->node);
  push_hook(L, call->op, USER_VJP);
  mvg_lua_push_graph_of(L, call->graph);
  lua_pushinteger(L, call->node);
  lua_createtable(L, (int)node->output_count, 0);
  for (uint32_t i = 0; i < node->output_count; ++i) {
    mvg_lua_push_value(L, call->dys[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_createtable(L, (int)node->input_count, 0);
  for (uint32_t i = 0; i < node->input_count; ++i) {
    lua_pushboolean(L, call->needed[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_call(L, 4, 1);
  if (!lua_istable(L, -1)) return luaL_error(L, "a vjp returns a list of gradients, one an input");
  for (uint32_t i = 0; i < node->input_count; ++i) {
    lua_rawgeti(L, -1, (lua_Integer)i + 1);
    if (lua_toboolean(L, -1)) call->out_dxs[i] = mvg_arg_value(L, -1, call->graph);
    lua_pop(L, 1);
  }
  return 0;
}

static mvg_status run_vjp(void *context, mvg_graph *graph, uint32_t node, const mvg_value *dys,
                          const bool *needed, mvg_value *out_dxs) {
  mvg_lua_opdef *op = context;
  vjp_call call = {
      .op = op, .graph = graph, .node = node, .dys = dys, .needed = needed, .out_dxs = out_dxs};
  mvg_status status = mvg_vm_protected(op->vm, call_vjp, &call);
  if (!status) return NULL;
  char origin[MVG_ORIGIN_TEXT_SIZE];
  mvg_node_format_origin(mvg_graph_get_node(graph, node), origin);
  return mvg_status_annotate(status, "gradient of %s", origin);
}

// ---- host operators ----

typedef struct {
  const mvg_lua_opdef *op;
  const mvg_constant *constants;
  const mvg_ndarray *const *inputs;
  mvg_ndarray *const *outputs;
  uint32_t constant_count, input_count, output_count;
} host_call;

static void push_constants(lua_State *L, const mvg_constant *constants, uint32_t count) {
  lua_createtable(L, 0, (int)count);
  for (uint32_t i = 0; i < count; ++i) {
    if (constants[i].is_integer) {
      lua_pushinteger(L, constants[i].integer);
    } else {
      lua_pushnumber(L, constants[i].number);
    }
    lua_setfield(L, -2, constants[i].name);
  }
}

static void push_borrowed(lua_State *L, const mvg_ndarray *const *arrays, uint32_t count) {
  lua_createtable(L, (int)count, 0);
  for (uint32_t i = 0; i < count; ++i) {
    mvg_ndarray *copy = mvg_lua_new_array(L, arrays[i]->dtype, &arrays[i]->shape);
    memcpy(copy->data, arrays[i]->data, copy->size_bytes);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

// Scripts get copies: an array that a script keeps must not dangle when the engine reuses the
// memory.
static int call_host(lua_State *L) {
  const host_call *call = lua_touserdata(L, 1);
  push_hook(L, call->op, USER_RUN);
  push_constants(L, call->constants, call->constant_count);
  push_borrowed(L, call->inputs, call->input_count);
  push_borrowed(L, (const mvg_ndarray *const *)call->outputs, call->output_count);
  lua_pushvalue(L, -1);
  lua_insert(L, 2);
  lua_call(L, 3, 0);
  for (uint32_t i = 0; i < call->output_count; ++i) {
    lua_rawgeti(L, 2, (lua_Integer)i + 1);
    const mvg_ndarray *given = mvg_arg_array(L, -1), *wanted = call->outputs[i];
    if (given->dtype != wanted->dtype || given->size_bytes != wanted->size_bytes) {
      return luaL_error(L, "output %d was replaced by an array of another type or size",
                        (int)i + 1);
    }
    memcpy(wanted->data, given->data, wanted->size_bytes);
    lua_pop(L, 1);
  }
  return 0;
}

static mvg_status run_host(void *context, const mvg_constant *constants, uint32_t constant_count,
                           const mvg_ndarray *const *inputs, uint32_t input_count,
                           mvg_ndarray *const *outputs, uint32_t output_count) {
  mvg_lua_opdef *op = context;
  host_call call = {.op = op,
                    .constants = constants,
                    .constant_count = constant_count,
                    .inputs = inputs,
                    .outputs = outputs,
                    .input_count = input_count,
                    .output_count = output_count};
  return mvg_status_annotate(mvg_vm_protected(op->vm, call_host, &call), "host operator '%s'",
                             op->def.name);
}

// ---- declaration ----

static mvg_kind read_kind(lua_State *L) {
  const char *text = mvg_arg_string_field(L, 1, "kind");
  for (int kind = MVG_KIND_MAP; text && kind < MVG_KIND_COUNT; ++kind) {
    if (strcmp(text, mvg_kind_get_name((mvg_kind)kind)) == 0) return (mvg_kind)kind;
  }
  luaL_error(L, "an operator's kind is map, view, reduce, kernel or host, not '%s'",
             text ? text : "nil");
  return MVG_KIND_COUNT;
}

static mvg_status parse_map(mvg_lua_opdef *op, const char *text, const char *const *attributes) {
  if (!text) return MVG_ERROR(MVG_INVALID_ARGUMENT, "a map needs an expression: expr = \"...\"");
  const char *names[2 * MVG_MAX_OPERANDS + 1];
  uint32_t count = 0;
  for (uint32_t i = 0; i < op->input_count; ++i)
    names[count++] = op->input_names[i];
  names[count++] = "index";
  for (uint32_t i = 0; i < op->attribute_count; ++i)
    names[count++] = attributes[i];
  return mvg_expr_parse(&op->arena, text, names, count, &op->expr);
}

static mvg_status parse_reduce(mvg_lua_opdef *op, const char *init, const char *combine,
                               const char *finish) {
  if (!init || !combine) return MVG_ERROR(MVG_INVALID_ARGUMENT, "a reduce needs init and combine");
  const char *combine_names[] = {"acc", op->input_count ? op->input_names[0] : "x"};
  static const char *const finish_names[] = {"acc", "count"};
  mvg_reduce_body *body = &op->reduce;
  MVG_RETURN_IF_ERROR(mvg_expr_parse(&op->arena, init, NULL, 0, &body->init));
  MVG_RETURN_IF_ERROR(mvg_expr_parse(&op->arena, combine, combine_names, 2, &body->combine));
  return mvg_expr_parse(&op->arena, finish ? finish : "acc", finish_names, 2, &body->finish);
}

static uint32_t read_names(lua_State *L, const char *field, const char **out) {
  uint32_t count = 0;
  if (lua_getfield(L, 1, field) != LUA_TNIL) {
    count = (uint32_t)mvg_arg_strings(L, -1, MVG_MAX_OPERANDS, field, out);
  }
  lua_pop(L, 1);
  return count;
}

static bool read_function(lua_State *L, const char *field, int which) {
  int type = lua_getfield(L, 1, field);
  if (type != LUA_TNIL && type != LUA_TFUNCTION) {
    luaL_error(L, "field '%s' must be a function, got %s", field, lua_typename(L, type));
  }
  lua_setiuservalue(L, -2, which);
  return type == LUA_TFUNCTION;
}

static mvg_status copy_names(mvg_lua_opdef *op, const char *name, const char *const *inputs) {
  MVG_RETURN_IF_ERROR(mvg_arena_string(&op->arena, name, &op->def.name));
  for (uint32_t i = 0; i < op->input_count; ++i) {
    MVG_RETURN_IF_ERROR(mvg_arena_string(&op->arena, inputs[i], &op->input_names[i]));
  }
  return NULL;
}

static int opdef_new(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  const char *inputs[MVG_MAX_OPERANDS], *attributes[MVG_MAX_OPERANDS];
  const char *name = mvg_arg_string_field(L, 1, "name");
  if (!name || !name[0]) return luaL_error(L, "an operator needs a name");
  mvg_kind kind = read_kind(L);
  uint32_t input_count = read_names(L, "inputs", inputs);
  uint32_t attribute_count = read_names(L, "attributes", attributes);
  const char *expr = mvg_arg_string_field(L, 1, "expr");
  const char *init = mvg_arg_string_field(L, 1, "init");
  const char *combine = mvg_arg_string_field(L, 1, "combine");
  const char *finish = mvg_arg_string_field(L, 1, "finish");
  bool is_differentiable = mvg_arg_boolean_field(L, 1, "differentiable", true);
  mvg_lua_opdef *op = lua_newuserdatauv(L, sizeof *op, 2);
  *op = (mvg_lua_opdef){
      .vm = mvg_vm_get(L), .input_count = input_count, .attribute_count = attribute_count};
  luaL_setmetatable(L, OPDEF_CLASS);
  op->def = (mvg_opdef){.kind = kind, .is_differentiable = is_differentiable, .context = op};
  if (read_function(L, "vjp", USER_VJP)) op->def.vjp = run_vjp;
  if (read_function(L, "run", USER_RUN)) op->def.run = run_host;
  if (kind == MVG_KIND_HOST && !op->def.run) {
    return luaL_error(L, "host operator '%s' needs a function `run`", name);
  }
  mvg_status status = copy_names(op, name, inputs);
  if (!status && kind == MVG_KIND_MAP) status = parse_map(op, expr, attributes);
  if (!status && kind == MVG_KIND_REDUCE) status = parse_reduce(op, init, combine, finish);
  mvg_lua_check(L, mvg_status_annotate(status, "operator '%s'", name));
  mvg_vm_remember(L, op);
  return 1;
}

int mvg_lua_open_opdef(lua_State *L) {
  static const luaL_Reg methods[] = {{"__tostring", opdef_tostring}, {NULL, NULL}};
  mvg_lua_new_class(L, OPDEF_CLASS, methods, opdef_close);
  lua_pushcfunction(L, opdef_new);
  lua_setfield(L, -2, "opdef");
  return 0;
}

// Graphs for scripts: lifetime, questions, targets, gradients and evaluation. What builds nodes is
// in lib_graph_build.c, their text form in lib_graph_text.c.
#include <stdio.h>
#include <string.h>

#include "autodiff/backward.h"
#include "graph/host_eval.h"
#include "script/lib.h"
#include "script/vm.h"

#define GRAPH_CLASS "mvg.graph"
#define MAX_LIST 65536

mvg_graph *mvg_arg_graph(lua_State *L, int index) {
  mvg_lua_graph *handle = luaL_testudata(L, index, GRAPH_CLASS);
  if (!handle || !handle->graph)
    luaL_error(L, "a graph is needed, got %s", mvg_arg_get_typename(L, index));
  return handle->graph;
}

mvg_value mvg_arg_value(lua_State *L, int index, const mvg_graph *graph) {
  int is_integer;
  lua_Integer code = lua_tointegerx(L, index, &is_integer);
  if (!is_integer) {
    luaL_error(L, "a value of the graph is needed, got %s", luaL_typename(L, index));
  }
  mvg_value value = {(uint32_t)(code >> 8), (uint32_t)(code & 0xff)};
  bool exists = code >= 0 && code >> 8 < mvg_graph_get_node_count(graph) &&
                value.output < mvg_graph_get_node(graph, value.node)->output_count;
  if (!exists) {
    luaL_error(L, "%I is not a value of graph '%s'", (LUAI_UACINT)code, mvg_graph_get_name(graph));
  }
  return value;
}

uint32_t mvg_arg_values(lua_State *L, int index, const mvg_graph *graph, uint32_t max,
                        mvg_value *out) {
  uint32_t count = (uint32_t)mvg_arg_list(L, index, (int)max, "the list of values");
  for (uint32_t i = 0; i < count; ++i) {
    lua_rawgeti(L, index, (lua_Integer)i + 1);
    out[i] = mvg_arg_value(L, -1, graph);
    lua_pop(L, 1);
  }
  return count;
}

void mvg_lua_push_value(lua_State *L, mvg_value value) {
  if (value.node == UINT32_MAX) {
    lua_pushboolean(L, false);
  } else {
    lua_pushinteger(L, (lua_Integer)value.node << 8 | value.output);
  }
}

void mvg_lua_push_graph_of(lua_State *L, const mvg_graph *graph) {
  mvg_vm_recall(L, graph);
  if (lua_isnil(L, -1)) luaL_error(L, "a hook was called for a graph that scripts do not hold");
}

mvg_lua_graph *mvg_lua_push_graph_handle(lua_State *L) {
  mvg_lua_graph *handle = lua_newuserdatauv(L, sizeof *handle, 1);
  handle->graph = NULL;
  luaL_setmetatable(L, GRAPH_CLASS);
  lua_newtable(L);
  lua_setiuservalue(L, -2, 1);
  return handle;
}

static int graph_new(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  mvg_lua_graph *handle = mvg_lua_push_graph_handle(L);
  mvg_lua_check(L, mvg_graph_create(name, &handle->graph));
  mvg_vm_remember(L, handle->graph);
  return 1;
}

static int graph_close(lua_State *L) {
  mvg_lua_graph *handle = lua_touserdata(L, 1);
  mvg_graph_destroy(handle->graph);
  handle->graph = NULL;
  return 0;
}

// ---- questions ----

static int graph_name(lua_State *L) {
  lua_pushstring(L, mvg_graph_get_name(mvg_arg_graph(L, 1)));
  return 1;
}

static int graph_node_count(lua_State *L) {
  lua_pushinteger(L, mvg_graph_get_node_count(mvg_arg_graph(L, 1)));
  return 1;
}

static int graph_type(lua_State *L) {
  const mvg_graph *graph = mvg_arg_graph(L, 1);
  const mvg_type *type = mvg_graph_get_type(graph, mvg_arg_value(L, 2, graph));
  lua_pushstring(L, mvg_dtype_get_name(type->dtype));
  mvg_lua_push_shape(L, &type->shape);
  return 2;
}

static const mvg_node *get_node(lua_State *L, const mvg_graph *graph) {
  int64_t last = (int64_t)mvg_graph_get_node_count(graph) - 1;
  return mvg_graph_get_node(graph, (uint32_t)mvg_arg_integer(L, 2, 0, last, "a node"));
}

static int graph_inputs(lua_State *L) {
  const mvg_node *node = get_node(L, mvg_arg_graph(L, 1));
  lua_createtable(L, (int)node->input_count, 0);
  for (uint32_t i = 0; i < node->input_count; ++i) {
    mvg_lua_push_value(L, node->inputs[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

// List at the top of the stack: sets the entry of a slot, unless it has one.
static void add_state(lua_State *L, const char *name, uint32_t slot, const mvg_type *type) {
  if (lua_rawgeti(L, -1, (lua_Integer)slot + 1) == LUA_TNIL) {
    lua_createtable(L, 0, 3);
    lua_pushstring(L, name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, mvg_dtype_get_name(type->dtype));
    lua_setfield(L, -2, "dtype");
    mvg_lua_push_shape(L, &type->shape);
    lua_setfield(L, -2, "shape");
    lua_rawseti(L, -3, (lua_Integer)slot + 1);
  }
  lua_pop(L, 1);
}

// states() -> {name=, dtype=, shape=} by slot + 1, nil for slots that the graph does not touch
static int graph_states(lua_State *L) {
  const mvg_graph *graph = mvg_arg_graph(L, 1);
  lua_newtable(L);
  for (uint32_t id = 0; id < mvg_graph_get_node_count(graph); ++id) {
    const mvg_node *node = mvg_graph_get_node(graph, id);
    if (node->kind != MVG_KIND_STATE) continue;
    add_state(L, node->leaf.name, node->leaf.slot, &node->outputs[0]);
  }
  for (uint32_t i = 0; i < mvg_graph_get_target_count(graph); ++i) {
    const mvg_target *target = mvg_graph_get_target(graph, i);
    if (!target->is_update) continue;
    add_state(L, target->name, target->slot, mvg_graph_get_type(graph, target->value));
  }
  return 1;
}

static int graph_origin(lua_State *L) {
  const mvg_graph *graph = mvg_arg_graph(L, 1);
  mvg_value value = mvg_arg_value(L, 2, graph);
  char text[MVG_ORIGIN_TEXT_SIZE];
  lua_pushstring(L, mvg_node_format_origin(mvg_graph_get_node(graph, value.node), text));
  return 1;
}

static int graph_set_origin(lua_State *L) {
  mvg_graph *graph = mvg_arg_graph(L, 1);
  mvg_origin origin = {.file = luaL_checkstring(L, 2),
                       .line = (uint32_t)luaL_checkinteger(L, 3),
                       .module_path = luaL_optstring(L, 4, "")};
  mvg_graph_set_origin(graph, &origin);
  return 0;
}

// ---- targets and gradients ----

// target(name, value, is_update, slot)
static int graph_target(lua_State *L) {
  mvg_graph *graph = mvg_arg_graph(L, 1);
  mvg_target target = {.name = luaL_checkstring(L, 2), .value = mvg_arg_value(L, 3, graph)};
  target.is_update = lua_toboolean(L, 4);
  if (target.is_update)
    target.slot = (uint32_t)mvg_arg_integer(L, 5, 0, MAX_LIST, "a state's slot");
  mvg_lua_check(L, mvg_graph_add_target(graph, &target));
  return 0;
}

static void *new_scratch(lua_State *L, size_t count, size_t element_size) {
  size_t size_bytes = (count ? count : 1) * element_size;
  return memset(lua_newuserdatauv(L, size_bytes, 0), 0, size_bytes);
}

static int graph_backward(lua_State *L) {
  mvg_graph *graph = mvg_arg_graph(L, 1);
  mvg_value loss = mvg_arg_value(L, 2, graph);
  size_t count = (size_t)mvg_arg_list(L, 3, MAX_LIST, "the list of values");
  mvg_value *wrt = new_scratch(L, count, sizeof *wrt);
  mvg_value *gradients = new_scratch(L, count, sizeof *gradients);
  mvg_arg_values(L, 3, graph, MAX_LIST, wrt);
  mvg_vm_enter(L);
  mvg_lua_check(L, mvg_backward(graph, loss, wrt, count, gradients));
  lua_createtable(L, (int)count, 0);
  for (size_t i = 0; i < count; ++i) {
    mvg_lua_push_value(L, gradients[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

// ---- what a program asks of its passes ----

static void get_scope(lua_State *L, int index, const char *field, mvg_scope *out_scope) {
  *out_scope = (mvg_scope){0};
  if (lua_getfield(L, index, field) == LUA_TNIL) return;
  int list = lua_gettop(L), count = mvg_arg_list(L, list, MAX_LIST, field);
  const char **patterns = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *patterns, 0);
  mvg_arg_strings(L, list, count, field, patterns);
  *out_scope = (mvg_scope){patterns, (uint32_t)count};
}

void mvg_arg_pass_options(lua_State *L, int index, mvg_pass_options *out_options) {
  *out_options = (mvg_pass_options){.precision = MVG_DTYPE_F32};
  if (lua_isnoneornil(L, index)) return;
  luaL_checkstack(L, 5, NULL);
  get_scope(L, index, "recompute", &out_options->recompute);
  get_scope(L, index, "halves", &out_options->halves);
  const char *name = mvg_arg_string_field(L, index, "precision");
  bool is_known = !name || mvg_dtype_parse(name, &out_options->precision);
  if (!is_known || (name && out_options->precision != MVG_DTYPE_F32 &&
                    !mvg_dtype_is_half(out_options->precision))) {
    luaL_error(L, "precision '%s' is none of f32, f16, bf16", name);
  }
}

// ---- evaluation ----

// Pushes a list of its own, too: host operators may empty the one that was given.
static const mvg_ndarray **get_arrays(lua_State *L, int index, const char *what) {
  size_t count = (size_t)mvg_arg_list(L, index, MAX_LIST, what);
  const mvg_ndarray **arrays = new_scratch(L, count + 1, sizeof *arrays);
  lua_createtable(L, (int)count, 0);
  for (size_t i = 0; i < count; ++i) {
    lua_rawgeti(L, index, (lua_Integer)i + 1);
    arrays[i] = mvg_arg_array(L, -1);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return arrays;
}

// Every leaf of the graph must find an array of its size.
static void check_leaves(lua_State *L, const mvg_graph *graph, const mvg_ndarray **inputs,
                         const mvg_ndarray **states) {
  size_t input_count = lua_rawlen(L, 2), state_count = lua_rawlen(L, 3);
  for (uint32_t id = 0; id < mvg_graph_get_node_count(graph); ++id) {
    const mvg_node *node = mvg_graph_get_node(graph, id);
    if (node->kind != MVG_KIND_INPUT && node->kind != MVG_KIND_STATE) continue;
    bool is_input = node->kind == MVG_KIND_INPUT;
    size_t count = is_input ? input_count : state_count;
    if (node->leaf.slot >= count) {
      luaL_error(L, "no array was given for the %s '%s'", node->op, node->leaf.name);
    }
    const mvg_ndarray *given = (is_input ? inputs : states)[node->leaf.slot];
    if (mvg_shape_get_size(&given->shape) != mvg_shape_get_size(&node->outputs[0].shape)) {
      char expected[MVG_SHAPE_TEXT_SIZE], got[MVG_SHAPE_TEXT_SIZE];
      luaL_error(L, "the %s '%s' is %s, the array given for it %s", node->op, node->leaf.name,
                 mvg_shape_format(&node->outputs[0].shape, expected),
                 mvg_shape_format(&given->shape, got));
    }
  }
}

// Pushes a list of `count` empty handles; *out_handles is a block of their addresses.
static void push_handles(lua_State *L, size_t count, mvg_ndarray ****out_handles) {
  *out_handles = new_scratch(L, count, sizeof **out_handles);
  lua_createtable(L, (int)count, 0);
  for (size_t i = 0; i < count; ++i) {
    (*out_handles)[i] = mvg_lua_push_array_handle(L);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

// eval(inputs, states, values) -> list of f64 arrays
static int graph_eval(lua_State *L) {
  const mvg_graph *graph = mvg_arg_graph(L, 1);
  lua_settop(L, 4);
  const mvg_ndarray **inputs = get_arrays(L, 2, "the inputs");
  const mvg_ndarray **states = get_arrays(L, 3, "the states");
  check_leaves(L, graph, inputs, states);
  size_t count = (size_t)mvg_arg_list(L, 4, MAX_LIST, "the list of values");
  mvg_value *values = new_scratch(L, count, sizeof *values);
  mvg_arg_values(L, 4, graph, MAX_LIST, values);
  mvg_ndarray **results = new_scratch(L, count, sizeof *results), ***handles;
  push_handles(L, count, &handles);
  mvg_vm_enter(L);
  mvg_lua_check(L, mvg_host_eval(graph, inputs, states, values, count, results));
  for (size_t i = 0; i < count; ++i)
    *handles[i] = results[i];
  for (size_t i = 0; i < count; ++i)
    mvg_vm_note_memory(L, results[i]->size_bytes);
  return 1;
}

int mvg_lua_open_graph(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"name", graph_name},
      {"node_count", graph_node_count},
      {"type", graph_type},
      {"inputs", graph_inputs},
      {"origin", graph_origin},
      {"set_origin", graph_set_origin},
      {"target", graph_target},
      {"backward", graph_backward},
      {"states", graph_states},
      {"eval", graph_eval},
      {NULL, NULL},
  };
  mvg_lua_new_class(L, GRAPH_CLASS, methods, graph_close);
  luaL_getmetatable(L, GRAPH_CLASS);
  luaL_setfuncs(L, mvg_lua_graph_builders, 0);
  luaL_setfuncs(L, mvg_lua_graph_texts, 0);
  lua_pop(L, 1);
  lua_pushcfunction(L, graph_new);
  lua_setfield(L, -2, "graph");
  luaL_setfuncs(L, mvg_lua_graph_text_functions, 0);
  return 0;
}

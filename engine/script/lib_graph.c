// Graphs for scripts: lifetime, questions, targets, gradients, text and evaluation. What builds
// nodes is in lib_graph_build.c.
#include <stdio.h>
#include <string.h>

#include "autodiff/backward.h"
#include "graph/host_eval.h"
#include "graph/text.h"
#include "passes/pass.h"
#include "script/lib.h"
#include "script/vm.h"

#define GRAPH_CLASS "mvg.graph"
#define MAX_LIST 65536

mvg_graph *mvg_arg_graph(lua_State *L, int index) {
  mvg_lua_graph *handle = luaL_testudata(L, index, GRAPH_CLASS);
  if (!handle || !handle->graph)
    luaL_error(L, "a graph is needed, got %s", luaL_typename(L, index));
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

static int graph_new(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  mvg_lua_graph *handle = lua_newuserdatauv(L, sizeof *handle, 1);
  handle->graph = NULL;
  luaL_setmetatable(L, GRAPH_CLASS);
  lua_newtable(L);
  lua_setiuservalue(L, -2, 1);
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

// ---- text ----

static int push_text(lua_State *L, void **box, mvg_str *str) {
  mvg_lua_check(L, mvg_str_take(str, (char **)box));
  lua_pushstring(L, *box);
  return 1;
}

static int graph_text(lua_State *L) {
  const mvg_graph *graph = mvg_arg_graph(L, 1);
  void **box = mvg_lua_push_box(L);
  mvg_str str = {0};
  mvg_graph_print(graph, true, &str);
  return push_text(L, box, &str);
}

typedef struct {
  const char *wanted;
  mvg_str text;
} pass_capture;

static void capture_pass(void *context, const char *pass, const mvg_graph *graph) {
  pass_capture *capture = context;
  if (strcmp(pass, capture->wanted) != 0) return;
  mvg_str_deinit(&capture->text);
  mvg_graph_print(graph, true, &capture->text);
}

// text_after(pass): an unknown pass is an error that lists the passes.
static int graph_text_after(lua_State *L) {
  const mvg_graph *graph = mvg_arg_graph(L, 1);
  const char *wanted = luaL_checkstring(L, 2);
  size_t count;
  const mvg_pass *passes = mvg_pass_get_list(&count);
  bool is_known = false;
  lua_pushliteral(L, "");
  for (size_t i = 0; i < count; ++i) {
    is_known = is_known || strcmp(passes[i].name, wanted) == 0;
    lua_pushfstring(L, "%s%s%s", lua_tostring(L, -1), i ? ", " : "", passes[i].name);
    lua_remove(L, -2);
  }
  if (!is_known) {
    return luaL_error(L, "there is no pass '%s'; the passes are %s", wanted, lua_tostring(L, -1));
  }
  void **box = mvg_lua_push_box(L);
  pass_capture capture = {.wanted = wanted};
  mvg_graph *result = NULL;
  mvg_vm_enter(L);
  mvg_status status = mvg_pass_run_all(graph, capture_pass, &capture, &result);
  mvg_graph_destroy(result);
  if (status) mvg_str_deinit(&capture.text);
  mvg_lua_check(L, status);
  return push_text(L, box, &capture.text);
}

static int graph_passes(lua_State *L) {
  size_t count;
  const mvg_pass *passes = mvg_pass_get_list(&count);
  lua_createtable(L, (int)count, 0);
  for (size_t i = 0; i < count; ++i) {
    lua_pushstring(L, passes[i].name);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

// ---- evaluation ----

static const mvg_ndarray **get_arrays(lua_State *L, int index, const char *what) {
  size_t count = (size_t)mvg_arg_list(L, index, MAX_LIST, what);
  const mvg_ndarray **arrays = new_scratch(L, count + 1, sizeof *arrays);
  for (size_t i = 0; i < count; ++i) {
    lua_rawgeti(L, index, (lua_Integer)i + 1);
    arrays[i] = mvg_arg_array(L, -1);
    lua_pop(L, 1);
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
      {"node_count", graph_node_count},
      {"type", graph_type},
      {"inputs", graph_inputs},
      {"origin", graph_origin},
      {"set_origin", graph_set_origin},
      {"target", graph_target},
      {"backward", graph_backward},
      {"text", graph_text},
      {"text_after", graph_text_after},
      {"eval", graph_eval},
      {NULL, NULL},
  };
  mvg_lua_new_class(L, GRAPH_CLASS, methods, graph_close);
  luaL_getmetatable(L, GRAPH_CLASS);
  luaL_setfuncs(L, mvg_lua_graph_builders, 0);
  lua_pop(L, 1);
  lua_pushcfunction(L, graph_new);
  lua_setfield(L, -2, "graph");
  lua_pushcfunction(L, graph_passes);
  lua_setfield(L, -2, "passes");
  return 0;
}

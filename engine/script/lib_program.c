// States and programs for scripts: what crosses to the device goes through here.
#include <string.h>

#include "compile/compile.h"
#include "script/lib.h"
#include "script/vm.h"

#define STATE_CLASS "mvg.state"
#define PROGRAM_CLASS "mvg.program"
#define MAX_LIST 65536

// ---- states ----

static mvg_state *get_state(lua_State *L, int index) {
  mvg_state **handle = luaL_testudata(L, index, STATE_CLASS);
  if (!handle || !*handle)
    luaL_error(L, "a state is needed, got %s", mvg_arg_get_typename(L, index));
  return *handle;
}

// state(name, array or shape, is_guarded or nil): a tensor on the device with these values, or of
// zeros (f32), for which the host needs no array
static int state_new(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  const mvg_ndarray *array = lua_istable(L, 2) ? NULL : mvg_arg_array(L, 2);
  mvg_type type = {.dtype = array ? array->dtype : MVG_DTYPE_F32,
                   .shape = array ? array->shape : mvg_arg_shape(L, 2)};
  if (type.dtype != MVG_DTYPE_F32 && type.dtype != MVG_DTYPE_I32) {
    return luaL_error(L, "state '%s' must be f32 or i32, not %s", name,
                      mvg_dtype_get_name(type.dtype));
  }
  mvg_device *device = mvg_vm_get_device(L);
  mvg_state **handle = lua_newuserdatauv(L, sizeof *handle, 0);
  *handle = NULL;
  luaL_setmetatable(L, STATE_CLASS);
  mvg_lua_check(L, lua_toboolean(L, 3) ? mvg_state_create_guarded(device, name, &type, handle)
                                       : mvg_state_create(device, name, &type, handle));
  if (array) mvg_lua_check(L, mvg_state_write(*handle, array));
  return 1;
}

static int state_close(lua_State *L) {
  mvg_state **handle = lua_touserdata(L, 1);
  if (*handle) mvg_state_release(*handle);
  *handle = NULL;
  return 0;
}

static int state_read(lua_State *L) {
  mvg_state *state = get_state(L, 1);
  const mvg_type *type = mvg_state_get_type(state);
  mvg_lua_check(L, mvg_state_read(state, mvg_lua_new_array(L, type->dtype, &type->shape)));
  return 1;
}

static int state_write(lua_State *L) {
  mvg_state *state = get_state(L, 1);
  mvg_lua_check(L, mvg_state_write(state, mvg_arg_array(L, 2)));
  return 0;
}

static int state_name(lua_State *L) {
  lua_pushstring(L, mvg_state_get_name(get_state(L, 1)));
  return 1;
}

static int state_shape(lua_State *L) {
  mvg_lua_push_shape(L, &mvg_state_get_type(get_state(L, 1))->shape);
  return 1;
}

static int state_dtype(lua_State *L) {
  lua_pushstring(L, mvg_dtype_get_name(mvg_state_get_type(get_state(L, 1))->dtype));
  return 1;
}

// ---- programs ----

// User value 1 keeps the graph (its operators run in host nodes), user value 2 the states.
typedef struct {
  mvg_program *program;
  uint32_t output_count;
  mvg_type outputs[]; // in target order, without updates
} program_handle;

static program_handle *get_program(lua_State *L) {
  program_handle *handle = luaL_testudata(L, 1, PROGRAM_CLASS);
  if (!handle || !handle->program)
    luaL_error(L, "a program is needed, got %s", mvg_arg_get_typename(L, 1));
  return handle;
}

const mvg_program *mvg_arg_program(lua_State *L) {
  return get_program(L)->program;
}

static program_handle *push_program(lua_State *L, const mvg_graph *graph) {
  uint32_t count = mvg_graph_get_target_count(graph);
  program_handle *handle =
      lua_newuserdatauv(L, sizeof *handle + count * sizeof *handle->outputs, 2);
  *handle = (program_handle){0};
  luaL_setmetatable(L, PROGRAM_CLASS);
  for (uint32_t i = 0; i < count; ++i) {
    const mvg_target *target = mvg_graph_get_target(graph, i);
    if (target->is_update) continue;
    handle->outputs[handle->output_count++] = *mvg_graph_get_type(graph, target->value);
  }
  return handle;
}

static mvg_products get_products(lua_State *L, int index) {
  const char *name = mvg_arg_string_field(L, index, "products");
  if (!name || strcmp(name, "f32") == 0) return MVG_PRODUCTS_F32;
  if (strcmp(name, "half") == 0) return MVG_PRODUCTS_HALF;
  if (strcmp(name, "split") == 0) return MVG_PRODUCTS_SPLIT;
  luaL_error(L, "products '%s' is none of f32, half, split", name);
  return MVG_PRODUCTS_F32;
}

// compile(graph, states by slot + 1, {host_bindings, is_timed, is_checked, is_guarded = bool,
// products = "f32", "half" or "split", recompute, halves = patterns of module paths, precision =
// dtype} or nil)
static int program_compile(lua_State *L) {
  const mvg_graph *graph = mvg_arg_graph(L, 1);
  size_t count = (size_t)mvg_arg_list(L, 2, MAX_LIST, "the states");
  mvg_compile_options options = {0};
  if (lua_istable(L, 3)) {
    options.keep_host_bindings_off = !mvg_arg_boolean_field(L, 3, "host_bindings", true);
    options.program.is_timed = mvg_arg_boolean_field(L, 3, "is_timed", false);
    options.program.is_checked = mvg_arg_boolean_field(L, 3, "is_checked", false);
    options.program.is_guarded = mvg_arg_boolean_field(L, 3, "is_guarded", false);
    options.program.products = get_products(L, 3);
  }
  mvg_arg_pass_options(L, 3, &options.passes);
  mvg_device *device = mvg_vm_get_device(L);
  mvg_state **states = lua_newuserdatauv(L, (count + 1) * sizeof *states, 0);
  for (size_t i = 0; i < count; ++i) {
    lua_rawgeti(L, 2, (lua_Integer)i + 1);
    states[i] = get_state(L, -1);
    lua_pop(L, 1);
  }
  program_handle *handle = push_program(L, graph);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, -2, 2);
  mvg_vm_enter(L);
  mvg_lua_check(L, mvg_compile(graph, device, states, count, &options, &handle->program));
  return 1;
}

static int program_close(lua_State *L) {
  program_handle *handle = lua_touserdata(L, 1);
  mvg_program_destroy(handle->program);
  handle->program = NULL;
  return 0;
}

// start(input arrays by slot + 1)
static int program_start(lua_State *L) {
  program_handle *handle = get_program(L);
  size_t count = (size_t)mvg_arg_list(L, 2, MAX_LIST, "the inputs");
  const mvg_ndarray **inputs = lua_newuserdatauv(L, (count + 1) * sizeof *inputs, 0);
  for (size_t i = 0; i < count; ++i) {
    lua_rawgeti(L, 2, (lua_Integer)i + 1);
    inputs[i] = mvg_arg_array(L, -1);
    lua_pop(L, 1);
  }
  mvg_vm_enter(L);
  mvg_lua_check(L, mvg_program_start(handle->program, inputs, count));
  return 0;
}

// finish(wanted booleans by output or nil) -> list of arrays, false where not wanted
static int program_finish(lua_State *L) {
  program_handle *handle = get_program(L);
  lua_settop(L, 2);
  mvg_ndarray **outputs = lua_newuserdatauv(L, (handle->output_count + 1) * sizeof *outputs, 0);
  lua_createtable(L, (int)handle->output_count, 0);
  for (uint32_t i = 0; i < handle->output_count; ++i) {
    bool is_wanted = true;
    if (lua_istable(L, 2)) {
      lua_rawgeti(L, 2, (lua_Integer)i + 1);
      is_wanted = lua_toboolean(L, -1);
      lua_pop(L, 1);
    }
    outputs[i] = NULL;
    if (is_wanted) {
      outputs[i] = mvg_lua_new_array(L, handle->outputs[i].dtype, &handle->outputs[i].shape);
    } else {
      lua_pushboolean(L, false);
    }
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  mvg_vm_enter(L);
  mvg_lua_check(L, mvg_program_finish(handle->program, outputs, handle->output_count));
  return 1;
}

// run(inputs, wanted or nil): both
static int program_run(lua_State *L) {
  lua_settop(L, 3);
  lua_pushcfunction(L, program_start);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, 2);
  lua_call(L, 2, 0);
  lua_remove(L, 2);
  return program_finish(L);
}

int mvg_lua_open_program(lua_State *L) {
  static const luaL_Reg state_methods[] = {{"read", state_read},   {"write", state_write},
                                           {"name", state_name},   {"shape", state_shape},
                                           {"dtype", state_dtype}, {NULL, NULL}};
  static const luaL_Reg program_methods[] = {
      {"start", program_start}, {"finish", program_finish}, {"run", program_run}, {NULL, NULL}};
  mvg_lua_new_class(L, STATE_CLASS, state_methods, state_close);
  mvg_lua_new_class(L, PROGRAM_CLASS, program_methods, program_close);
  luaL_getmetatable(L, PROGRAM_CLASS);
  luaL_setfuncs(L, mvg_lua_program_reports, 0);
  lua_pop(L, 1);
  lua_pushcfunction(L, state_new);
  lua_setfield(L, -2, "state");
  lua_pushcfunction(L, program_compile);
  lua_setfield(L, -2, "compile");
  return 0;
}

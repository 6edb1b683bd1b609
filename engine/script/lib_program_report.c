// What programs tell about themselves: the plan as text and as numbers, who holds memory, where
// time goes.
#include "plan/plan.h"
#include "program/profile.h"
#include "program/program.h"
#include "script/lib.h"

#define MAX_HOLDERS 4096

static int program_plan_text(lua_State *L) {
  const mvg_program *program = mvg_arg_program(L);
  void **box = mvg_lua_push_box(L);
  mvg_str str = {0};
  mvg_plan_print(mvg_program_get_plan(program), &str);
  mvg_lua_check(L, mvg_str_take(&str, (char **)box));
  lua_pushstring(L, *box);
  return 1;
}

static void set_count(lua_State *L, const char *name, uint64_t count) {
  lua_pushinteger(L, (lua_Integer)count);
  lua_setfield(L, -2, name);
}

static void set_number(lua_State *L, const char *name, double number) {
  lua_pushnumber(L, number);
  lua_setfield(L, -2, name);
}

static void set_text(lua_State *L, const char *name, const char *text) {
  lua_pushstring(L, text);
  lua_setfield(L, -2, name);
}

// stats() -> counts of steps by kind and of barriers; bytes of the arena, with and without reuse,
// and of the rest
static int program_stats(lua_State *L) {
  const mvg_plan *plan = mvg_program_get_plan(mvg_arg_program(L));
  uint64_t kinds[MVG_STEP_COPY + 1] = {0}, barriers = 0;
  for (uint32_t i = 0; i < plan->step_count; ++i) {
    kinds[plan->steps[i].kind]++;
    barriers += plan->steps[i].barrier != MVG_HAZARD_NONE;
  }
  lua_newtable(L);
  set_count(L, "steps", plan->step_count);
  set_count(L, "dispatches", kinds[MVG_STEP_DISPATCH]);
  set_count(L, "host_steps", kinds[MVG_STEP_HOST]);
  set_count(L, "copies", kinds[MVG_STEP_COPY]);
  set_count(L, "barriers", barriers);
  set_count(L, "arena_bytes", plan->region_bytes[MVG_REGION_ARENA]);
  set_count(L, "arena_bytes_without_reuse", plan->total_bytes);
  set_count(L, "input_bytes", plan->region_bytes[MVG_REGION_INPUT]);
  set_count(L, "output_bytes", plan->region_bytes[MVG_REGION_OUTPUT]);
  set_count(L, "constant_bytes", plan->region_bytes[MVG_REGION_CONST]);
  set_count(L, "peak_step", plan->peak_step);
  set_count(L, "live_bytes", plan->live_bytes);
  return 1;
}

static void set_origin(lua_State *L, const mvg_node *node) {
  set_text(L, "op", node->op);
  set_text(L, "file", node->origin.file);
  set_count(L, "line", node->origin.line);
  set_text(L, "path", node->origin.module_path);
}

// holders() -> what the arena holds at its peak, the largest first: bytes, dtype, shape, op, file,
// line, path
static int program_holders(lua_State *L) {
  const mvg_plan *plan = mvg_program_get_plan(mvg_arg_program(L));
  mvg_holder *holders = lua_newuserdatauv(L, MAX_HOLDERS * sizeof *holders, 0);
  uint32_t count = mvg_plan_find_holders(plan, holders, MAX_HOLDERS);
  lua_createtable(L, (int)count, 0);
  for (uint32_t i = 0; i < count; ++i) {
    const mvg_type *type = mvg_graph_get_type(plan->fusion->graph, holders[i].value);
    lua_newtable(L);
    set_count(L, "bytes", holders[i].bytes);
    set_text(L, "dtype", mvg_dtype_get_name(type->dtype));
    mvg_lua_push_shape(L, &type->shape);
    lua_setfield(L, -2, "shape");
    set_origin(L, mvg_graph_get_node(plan->fusion->graph, holders[i].value.node));
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

// The nodes whose results a step writes, each with its bytes.
static void push_results(lua_State *L, const mvg_plan *plan, const mvg_step *step) {
  uint32_t count = step->group ? step->write_count : 0;
  lua_createtable(L, (int)count, 0);
  for (uint32_t i = 0; i < count; ++i) {
    lua_newtable(L);
    set_origin(L, mvg_graph_get_node(plan->fusion->graph, step->group->writes[i].node));
    set_count(L, "bytes", step->spans[step->read_count + i].size_bytes);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

static void push_step(lua_State *L, const mvg_program *program, uint32_t number) {
  const mvg_plan *plan = mvg_program_get_plan(program);
  const mvg_profile *profile = mvg_program_get_profile(program);
  mvg_cost cost = mvg_profile_get_cost(plan, number);
  lua_newtable(L);
  set_number(L, "ns", profile->step_ns[number]);
  set_number(L, "begin_ns", profile->last[number].begin_ns);
  set_number(L, "end_ns", profile->last[number].end_ns);
  set_count(L, "read_bytes", cost.read_bytes);
  set_count(L, "write_bytes", cost.write_bytes);
  set_count(L, "live_bytes", plan->step_live_bytes[number]);
  if (cost.operations >= 0) set_number(L, "operations", cost.operations);
  lua_pushboolean(L, mvg_program_is_on_host(program, number));
  lua_setfield(L, -2, "is_on_host");
  push_results(L, plan, &plan->steps[number]);
  lua_setfield(L, -2, "results");
  void **box = mvg_lua_push_box(L);
  mvg_str name = {0};
  mvg_plan_print_step_name(plan, number, &name);
  mvg_lua_check(L, mvg_str_take(&name, (char **)box));
  lua_pushstring(L, *box);
  lua_setfield(L, -3, "name");
  lua_pop(L, 1);
}

// profile() -> runs, nanoseconds of all runs and of the last; a table a step with its own. The
// first run, in which drivers compile, is left out. nil where nothing was timed.
static int program_profile(lua_State *L) {
  const mvg_program *program = mvg_arg_program(L);
  const mvg_profile *profile = mvg_program_get_profile(program);
  if (!profile->step_ns) return 0;
  uint32_t count = mvg_program_get_plan(program)->step_count;
  lua_newtable(L);
  set_count(L, "runs", profile->run_count);
  set_number(L, "wall_ns", profile->wall_ns);
  set_number(L, "last_wall_ns", profile->last_wall_ns);
  lua_createtable(L, (int)count, 0);
  for (uint32_t i = 0; i < count; ++i) {
    push_step(L, program, i);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_setfield(L, -2, "steps");
  return 1;
}

const luaL_Reg mvg_lua_program_reports[] = {{"plan_text", program_plan_text},
                                            {"stats", program_stats},
                                            {"holders", program_holders},
                                            {"profile", program_profile},
                                            {"tuner", mvg_lua_program_tuner},
                                            {NULL, NULL}};

// Tuning for scripts: the products of a program, measured one at a time.
#include "program/tune.h"
#include "script/lib.h"
#include "script/vm.h"

#define TUNER_CLASS "mvg.tuner"

// User value 1 keeps the program.
static mvg_tuner *get_tuner(lua_State *L) {
  mvg_tuner **handle = luaL_checkudata(L, 1, TUNER_CLASS);
  if (!*handle) luaL_error(L, "the tuner is closed");
  return *handle;
}

// program:tuner() -> a tuner of the products that its shaders compute
int mvg_lua_program_tuner(lua_State *L) {
  const mvg_program *program = mvg_arg_program(L);
  mvg_tuner **handle = lua_newuserdatauv(L, sizeof *handle, 1);
  *handle = NULL;
  luaL_setmetatable(L, TUNER_CLASS);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  mvg_lua_check(L, mvg_tuner_create(program, handle));
  return 1;
}

static int tuner_close(lua_State *L) {
  mvg_tuner **handle = lua_touserdata(L, 1);
  mvg_tuner_destroy(*handle);
  *handle = NULL;
  return 0;
}

static int tuner_count(lua_State *L) {
  lua_pushinteger(L, mvg_tuner_get_count(get_tuner(L)));
  return 1;
}

static void push_shape(lua_State *L, const mvg_tuning *tuning) {
  lua_createtable(L, 4, 0);
  for (int i = 0; i < 4; ++i) {
    lua_pushinteger(L, tuning->shape[i]);
    lua_rawseti(L, -2, i + 1);
  }
}

// measure(index from 1) -> { shape = { batch, m, n, k }, uses, normal, won = names of tiles,
// normal_ns, won_ns, refused }; the winner is kept
static int tuner_measure(lua_State *L) {
  mvg_tuner *tuner = get_tuner(L);
  int64_t index = mvg_arg_integer(L, 2, 1, mvg_tuner_get_count(tuner), "the product");
  mvg_tuning tuning;
  mvg_vm_enter(L);
  mvg_lua_check(L, mvg_tuner_measure(tuner, (uint32_t)index - 1, &tuning));
  lua_newtable(L);
  push_shape(L, &tuning);
  lua_setfield(L, -2, "shape");
  lua_pushinteger(L, tuning.uses);
  lua_setfield(L, -2, "uses");
  lua_pushstring(L, tuning.normal);
  lua_setfield(L, -2, "normal");
  lua_pushstring(L, tuning.won);
  lua_setfield(L, -2, "won");
  lua_pushnumber(L, tuning.normal_ns);
  lua_setfield(L, -2, "normal_ns");
  lua_pushnumber(L, tuning.won_ns);
  lua_setfield(L, -2, "won_ns");
  lua_pushinteger(L, tuning.refused);
  lua_setfield(L, -2, "refused");
  return 1;
}

int mvg_lua_open_tune(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"count", tuner_count}, {"measure", tuner_measure}, {NULL, NULL}};
  mvg_lua_new_class(L, TUNER_CLASS, methods, tuner_close);
  return 0;
}

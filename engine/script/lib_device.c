// Devices for scripts: what there is, which one to open, what it can do.
#include "device/device.h"
#include "script/lib.h"
#include "script/vm.h"

static void push_caps(lua_State *L, const mvg_caps *caps) {
  lua_newtable(L);
  lua_pushstring(L, caps->name);
  lua_setfield(L, -2, "name");
  lua_pushstring(L, caps->driver);
  lua_setfield(L, -2, "driver");
  lua_pushboolean(L, caps->is_cpu);
  lua_setfield(L, -2, "is_cpu");
  lua_pushboolean(L, caps->is_null);
  lua_setfield(L, -2, "is_null");
  lua_pushboolean(L, caps->is_rehearsal);
  lua_setfield(L, -2, "is_rehearsal");
  lua_pushboolean(L, caps->is_validated);
  lua_setfield(L, -2, "is_validated");
  lua_pushboolean(L, caps->has_timestamps);
  lua_setfield(L, -2, "has_timestamps");
  lua_pushinteger(L, (lua_Integer)caps->memory_bytes);
  lua_setfield(L, -2, "memory_bytes");
}

static int device_get(lua_State *L) {
  push_caps(L, mvg_device_get_caps(mvg_vm_get_device(L)));
  return 1;
}

// devices() -> list of infos, note or nil
static int device_list(lua_State *L) {
  void **box = mvg_lua_push_box(L);
  size_t count;
  const char *note;
  mvg_lua_check(L, mvg_device_list((mvg_device_info **)box, &count, &note));
  const mvg_device_info *infos = *box;
  lua_createtable(L, (int)count, 0);
  for (size_t i = 0; i < count; ++i) {
    push_caps(L, &infos[i].caps);
    lua_pushstring(L, infos[i].selector);
    lua_setfield(L, -2, "selector");
    lua_pushstring(L, infos[i].kind);
    lua_setfield(L, -2, "kind");
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_pushstring(L, note);
  return 2;
}

// device_memory() -> bytes held on the device, bytes held for transfers
static int device_memory(lua_State *L) {
  const mvg_device *device = mvg_vm_get_device(L);
  lua_pushinteger(L, (lua_Integer)mvg_device_get_held_bytes(device, MVG_MEMORY_DEVICE));
  lua_pushinteger(L, (lua_Integer)(mvg_device_get_held_bytes(device, MVG_MEMORY_UPLOAD) +
                                   mvg_device_get_held_bytes(device, MVG_MEMORY_DOWNLOAD)));
  return 2;
}

// validation_count() -> messages of the validation layers so far
static int device_validation_count(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)mvg_validation_get_count());
  return 1;
}

// Names the device that will be opened at first use.
static int device_select(lua_State *L) {
  const char *selector = luaL_checkstring(L, 1);
  if (!mvg_vm_select_device(L, selector)) {
    return luaL_error(L, "the device is already open; choose it before the first program");
  }
  return 0;
}

// Opens it now, so that a wrong name is told at once.
static int device_open(lua_State *L) {
  if (!lua_isnoneornil(L, 1)) device_select(L);
  return device_get(L);
}

// device_is_lost() -> whether the driver gave it up
static int device_is_lost(lua_State *L) {
  lua_pushboolean(L, mvg_vm_has_lost_device(L));
  return 1;
}

// renew_device(): the next use opens it anew; programs and states of the old one are of no use.
static int device_renew(lua_State *L) {
  lua_gc(L, LUA_GCCOLLECT);
  mvg_vm_drop_device(L);
  return 0;
}

int mvg_lua_open_device(lua_State *L) {
  static const luaL_Reg functions[] = {{"device", device_get},
                                       {"devices", device_list},
                                       {"select_device", device_select},
                                       {"open_device", device_open},
                                       {"device_is_lost", device_is_lost},
                                       {"renew_device", device_renew},
                                       {"device_memory", device_memory},
                                       {"validation_count", device_validation_count},
                                       {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
  return 0;
}

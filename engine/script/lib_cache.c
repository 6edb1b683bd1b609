// What scripts keep from one start to the next: a folder below the user's cache, and content keys
// for names in it.
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "io/cache_file.h"
#include "io/file.h"
#include "script/lib.h"
#include "script/sandbox.h"
#include "script/vm.h"

// folder(name): made if need be, open to the script; nil where there is no cache to write to.
static int cache_folder(lua_State *L) {
  luaL_checktype(L, 1, LUA_TSTRING);
  const char *name = luaL_checkstring(L, 1);
  luaL_argcheck(L, name[0] && !strpbrk(name, "./"), 1, "a plain folder name is needed");
  char path[PATH_MAX];
  if (!mvg_cache_file_get_path(name, path, sizeof path)) return 0;
  mvg_status status = mvg_file_make_directory(path);
  if (!status) status = mvg_sandbox_allow(mvg_vm_get_sandbox(mvg_vm_get(L)), path, true);
  if (status) {
    mvg_status_destroy(status);
    return 0;
  }
  lua_pushstring(L, path);
  return 1;
}

static mvg_status hash_file(const char *path, uint64_t *hash) {
  int descriptor;
  size_t size;
  MVG_RETURN_IF_ERROR(mvg_file_open(path, &descriptor, &size));
  char bytes[1 << 15];
  ssize_t got = 1;
  while (got > 0) {
    got = read(descriptor, bytes, sizeof bytes);
    if (got > 0) *hash = mvg_hash_bytes(*hash, bytes, (size_t)got);
  }
  close(descriptor);
  if (got < 0) return MVG_ERROR(MVG_IO, "%s: cannot be read", path);
  *hash = mvg_hash_u64(*hash, size);
  return NULL;
}

// key(text, {path, ...}): 16 hexadecimal digits of the text and of what the files hold.
static int cache_key(lua_State *L) {
  size_t size;
  const char *text = luaL_checklstring(L, 1, &size);
  uint64_t hash = mvg_hash_bytes(MVG_HASH_SEED, text, size);
  int count = mvg_arg_list(L, 2, INT_MAX, "files");
  for (int i = 1; i <= count; ++i) {
    lua_rawgeti(L, 2, i);
    mvg_lua_check(L, hash_file(mvg_arg_path(L, -1, false), &hash));
    lua_pop(L, 1);
  }
  char digits[17];
  snprintf(digits, sizeof digits, "%016" PRIx64, hash);
  lua_pushstring(L, digits);
  return 1;
}

int mvg_lua_open_cache(lua_State *L) {
  static const luaL_Reg functions[] = {{"folder", cache_folder}, {"key", cache_key}, {NULL, NULL}};
  luaL_newlib(L, functions);
  lua_setfield(L, -2, "cache");
  return 0;
}

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

static const char *check_folder_name(lua_State *L, int index) {
  luaL_checktype(L, index, LUA_TSTRING);
  const char *name = luaL_checkstring(L, index);
  luaL_argcheck(L, name[0] && !strpbrk(name, "./"), index, "a plain folder name is needed");
  return name;
}

// folder(name): made if need be, open to the script; nil where there is no cache to write to.
static int cache_folder(lua_State *L) {
  const char *name = check_folder_name(L, 1);
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

static uint64_t hash_array(uint64_t hash, const mvg_ndarray *array) {
  hash = mvg_hash_u64(mvg_hash_u64(hash, array->dtype), array->shape.rank);
  for (uint32_t axis = 0; axis < array->shape.rank; ++axis)
    hash = mvg_hash_u64(hash, (uint64_t)array->shape.dims[axis]);
  return mvg_hash_bulk(hash, array->data, array->size_bytes);
}

static uint64_t hash_value(lua_State *L, int index, uint64_t hash) {
  const mvg_ndarray *array = mvg_lua_test_array(L, index);
  if (array) return hash_array(hash, array);
  size_t size;
  const char *text = luaL_checklstring(L, index, &size);
  return mvg_hash_bytes(hash, text, size);
}

static int push_digits(lua_State *L, uint64_t hash) {
  char digits[17];
  snprintf(digits, sizeof digits, "%016" PRIx64, hash);
  lua_pushstring(L, digits);
  return 1;
}

// key({text or array, ...}, {path, ...} or nil): 16 hexadecimal digits of the texts, the arrays
// and what the files hold.
static int cache_key(lua_State *L) {
  uint64_t hash = MVG_HASH_SEED;
  int count = mvg_arg_list(L, 1, INT_MAX, "the values");
  for (int i = 1; i <= count; ++i) {
    lua_rawgeti(L, 1, i);
    hash = hash_value(L, -1, hash);
    lua_pop(L, 1);
  }
  count = lua_isnoneornil(L, 2) ? 0 : mvg_arg_list(L, 2, INT_MAX, "the files");
  for (int i = 1; i <= count; ++i) {
    lua_rawgeti(L, 2, i);
    mvg_lua_check(L, hash_file(mvg_arg_path(L, -1, false), &hash));
    lua_pop(L, 1);
  }
  return push_digits(L, hash);
}

// Host code and the C library choose their code by these, and round differently.
static uint64_t get_instruction_sets(void) {
#if defined(__x86_64__)
  return (__builtin_cpu_supports("fma") ? 1u : 0u) | (__builtin_cpu_supports("avx2") ? 2u : 0u) |
         (__builtin_cpu_supports("avx512f") ? 4u : 0u);
#else
  return 0;
#endif
}

// engine(): the digits of the running program on this processor, which tell apart what another
// build made; nil where it cannot be read.
static int cache_engine(lua_State *L) {
  uint64_t hash = mvg_hash_u64(MVG_HASH_SEED, get_instruction_sets());
  mvg_status status = hash_file("/proc/self/exe", &hash);
  if (!status) return push_digits(L, hash);
  mvg_status_destroy(status);
  return 0;
}

// trim(name, bytes): drops the oldest files of a cache folder until it holds no more than that.
static int cache_trim(lua_State *L) {
  const char *name = check_folder_name(L, 1);
  lua_Integer limit = luaL_checkinteger(L, 2);
  luaL_argcheck(L, limit >= 0, 2, "a number of bytes is needed");
  mvg_cache_file_trim(name, (size_t)limit);
  return 0;
}

int mvg_lua_open_cache(lua_State *L) {
  static const luaL_Reg functions[] = {{"folder", cache_folder},
                                       {"key", cache_key},
                                       {"engine", cache_engine},
                                       {"trim", cache_trim},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  lua_setfield(L, -2, "cache");
  return 0;
}

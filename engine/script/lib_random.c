// Random generators for scripts: a Philox stream named by (key, stream), with the position as its
// whole state.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/rng.h"
#include "script/lib.h"

#define GENERATOR_CLASS "mvg.generator"
#define TWO_PI 6.283185307179586

typedef struct {
  uint64_t key, stream;
  uint64_t position; // 64-bit draws so far
} generator;

static generator *get_generator(lua_State *L) {
  return luaL_checkudata(L, 1, GENERATOR_CLASS);
}

static uint64_t draw(generator *g) {
  uint64_t block = g->position / 2;
  const uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)g->stream,
                               (uint32_t)(g->stream >> 32)};
  const uint32_t key[2] = {(uint32_t)g->key, (uint32_t)(g->key >> 32)};
  uint32_t words[4];
  mvg_rng_philox(counter, key, words);
  const uint32_t *half = words + 2 * (g->position++ & 1);
  return half[0] | (uint64_t)half[1] << 32;
}

static double draw_uniform(generator *g) {
  return (double)(draw(g) >> 11) * 0x1p-53;
}

// Box and Muller; the second of the pair is the caller's to use.
static void draw_normal_pair(generator *g, double out[2]) {
  double radius = sqrt(-2 * log(1 - draw_uniform(g))), angle = TWO_PI * draw_uniform(g);
  out[0] = radius * cos(angle);
  out[1] = radius * sin(angle);
}

// Unbiased integer in [0, range); range 0 means 2^64.
static uint64_t draw_below(generator *g, uint64_t range) {
  if (range == 0) return draw(g);
  uint64_t limit = UINT64_MAX - (UINT64_MAX % range + 1) % range, value;
  do {
    value = draw(g);
  } while (value > limit);
  return value % range;
}

static generator *push_generator(lua_State *L, uint64_t key, uint64_t stream) {
  generator *g = lua_newuserdatauv(L, sizeof *g, 0);
  *g = (generator){.key = key, .stream = stream};
  luaL_setmetatable(L, GENERATOR_CLASS);
  return g;
}

static int random_generator(lua_State *L) {
  push_generator(L, (uint64_t)luaL_checkinteger(L, 1), 0);
  return 1;
}

// Depends on where this generator came from and on the tag, never on how much was drawn.
static int generator_fork(lua_State *L) {
  const generator *g = get_generator(L);
  uint64_t hash = mvg_hash_u64(mvg_hash_u64(MVG_HASH_SEED, g->key), g->stream);
  if (lua_isinteger(L, 2)) {
    hash = mvg_hash_u64(hash, (uint64_t)lua_tointeger(L, 2));
  } else {
    size_t size;
    const char *tag = luaL_checklstring(L, 2, &size);
    hash = mvg_hash_bytes(hash, tag, size);
  }
  push_generator(L, g->key, hash | 1); // stream 0 is the root's own
  return 1;
}

static int generator_uniform(lua_State *L) {
  generator *g = get_generator(L);
  double low = luaL_optnumber(L, 2, 0), high = luaL_optnumber(L, 3, 1);
  lua_pushnumber(L, low + (high - low) * draw_uniform(g));
  return 1;
}

static int generator_normal(lua_State *L) {
  generator *g = get_generator(L);
  double mean = luaL_optnumber(L, 2, 0), deviation = luaL_optnumber(L, 3, 1), pair[2];
  draw_normal_pair(g, pair);
  lua_pushnumber(L, mean + deviation * pair[0]);
  return 1;
}

static int generator_integer(lua_State *L) {
  generator *g = get_generator(L);
  lua_Integer low = luaL_checkinteger(L, 2), high = luaL_checkinteger(L, 3);
  if (low > high) return luaL_error(L, "integer(low, high) needs low <= high");
  uint64_t range = (uint64_t)high - (uint64_t)low + 1;
  lua_pushinteger(L, (lua_Integer)((uint64_t)low + draw_below(g, range)));
  return 1;
}

static int generator_shuffle(lua_State *L) {
  generator *g = get_generator(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  for (lua_Integer i = (lua_Integer)lua_rawlen(L, 2); i > 1; --i) {
    lua_Integer j = (lua_Integer)draw_below(g, (uint64_t)i) + 1;
    lua_rawgeti(L, 2, i);
    lua_rawgeti(L, 2, j);
    lua_rawseti(L, 2, i);
    lua_rawseti(L, 2, j);
  }
  lua_settop(L, 2);
  return 1;
}

static int generator_fill_uniform(lua_State *L) {
  generator *g = get_generator(L);
  mvg_ndarray *array = mvg_arg_array(L, 2);
  double low = luaL_optnumber(L, 3, 0), high = luaL_optnumber(L, 4, 1);
  int64_t count = mvg_shape_get_size(&array->shape);
  for (int64_t i = 0; i < count; ++i) {
    mvg_ndarray_set(array, i, low + (high - low) * draw_uniform(g));
  }
  lua_settop(L, 2);
  return 1;
}

static int generator_fill_normal(lua_State *L) {
  generator *g = get_generator(L);
  mvg_ndarray *array = mvg_arg_array(L, 2);
  double mean = luaL_optnumber(L, 3, 0), deviation = luaL_optnumber(L, 4, 1), pair[2];
  int64_t count = mvg_shape_get_size(&array->shape);
  for (int64_t i = 0; i < count; ++i) {
    if (i % 2 == 0) draw_normal_pair(g, pair);
    mvg_ndarray_set(array, i, mean + deviation * pair[i % 2]);
  }
  lua_settop(L, 2);
  return 1;
}

#define STATE_FORMAT "philox %016" PRIx64 " %016" PRIx64 " %016" PRIx64

static int generator_state(lua_State *L) {
  const generator *g = get_generator(L);
  char text[96];
  snprintf(text, sizeof text, STATE_FORMAT, g->key, g->stream, g->position);
  lua_pushstring(L, text);
  return 1;
}

static int generator_set_state(lua_State *L) {
  generator *g = get_generator(L), read;
  const char *text = luaL_checkstring(L, 2);
  int count = sscanf(text, "philox %" SCNx64 " %" SCNx64 " %" SCNx64, &read.key, &read.stream,
                     &read.position);
  if (count != 3) return luaL_error(L, "this text is not a generator's state: '%s'", text);
  *g = read;
  return 0;
}

int mvg_lua_open_random(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"fork", generator_fork},
      {"uniform", generator_uniform},
      {"normal", generator_normal},
      {"integer", generator_integer},
      {"shuffle", generator_shuffle},
      {"fill_uniform", generator_fill_uniform},
      {"fill_normal", generator_fill_normal},
      {"state", generator_state},
      {"set_state", generator_set_state},
      {NULL, NULL},
  };
  mvg_lua_new_class(L, GENERATOR_CLASS, methods, NULL);
  lua_pushcfunction(L, random_generator);
  lua_setfield(L, -2, "generator");
  return 0;
}

// The text form of graphs for scripts: printing, also after a pass, reading, and comparing.
#include "graph/text.h"

#include <string.h>

#include "graph/compare.h"
#include "passes/lower.h"
#include "passes/pass.h"
#include "script/lib.h"
#include "script/vm.h"

#define MAX_OPERATORS 65536
#define LOWERING "lower" // the rewrite between the passes and the plan

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

static int graph_passes(lua_State *L) {
  size_t count;
  const mvg_pass *passes = mvg_pass_get_list(&count);
  lua_createtable(L, (int)count + 1, 0);
  for (size_t i = 0; i <= count; ++i) {
    lua_pushstring(L, i < count ? passes[i].name : LOWERING);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

static void check_pass(lua_State *L, const char *wanted) {
  luaL_Buffer names;
  luaL_buffinit(L, &names);
  size_t count;
  const mvg_pass *passes = mvg_pass_get_list(&count);
  for (size_t i = 0; i <= count; ++i) {
    const char *name = i < count ? passes[i].name : LOWERING;
    if (strcmp(name, wanted) == 0) return;
    if (i) luaL_addstring(&names, ", ");
    luaL_addstring(&names, name);
  }
  luaL_pushresult(&names);
  luaL_error(L, "there is no pass '%s'; the passes are %s", wanted, lua_tostring(L, -1));
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

static mvg_status run_passes(const mvg_graph *graph, const mvg_pass_options *options,
                             pass_capture *capture) {
  mvg_graph *optimised, *lowered = NULL;
  MVG_RETURN_IF_ERROR(mvg_pass_run_all(graph, options, capture_pass, capture, &optimised));
  mvg_status status = NULL;
  if (strcmp(capture->wanted, LOWERING) == 0) {
    status = mvg_lower(optimised, NULL, &lowered);
    if (!status) capture_pass(capture, LOWERING, lowered);
  }
  mvg_graph_destroy(lowered);
  mvg_graph_destroy(optimised);
  return status;
}

// text_after(pass, {recompute, precision, halves} or nil): an unknown pass is an error that lists
// the passes.
static int graph_text_after(lua_State *L) {
  const mvg_graph *graph = mvg_arg_graph(L, 1);
  pass_capture capture = {.wanted = luaL_checkstring(L, 2)};
  mvg_pass_options options;
  lua_settop(L, 3);
  mvg_arg_pass_options(L, 3, &options);
  check_pass(L, capture.wanted);
  void **box = mvg_lua_push_box(L);
  mvg_vm_enter(L);
  mvg_status status = run_passes(graph, &options, &capture);
  if (status) mvg_str_deinit(&capture.text);
  mvg_lua_check(L, status);
  return push_text(L, box, &capture.text);
}

static int graph_is_equal(lua_State *L) {
  lua_pushboolean(L, mvg_graph_is_equal(mvg_arg_graph(L, 1), mvg_arg_graph(L, 2)));
  return 1;
}

// ---- reading ----

typedef struct {
  const mvg_opdef *const *operators;
  size_t count;
} operator_list;

static const mvg_opdef *find_operator(void *context, mvg_kind kind, const char *op) {
  const operator_list *list = context;
  for (size_t i = 0; i < list->count; ++i) {
    const mvg_opdef *def = list->operators[i];
    if (def->kind == kind && strcmp(def->name, op) == 0) return def;
  }
  return NULL;
}

// read_graph(text, file, first line or nil, host operators or nil) -> graph
static int graph_read(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length), *file = luaL_checkstring(L, 2);
  mvg_text_source source = {.file = file, .first_line = (uint32_t)luaL_optinteger(L, 3, 1)};
  if (strlen(text) != length) {
    mvg_lua_check(L,
                  MVG_ERROR(MVG_INVALID_ARGUMENT, "%s: this is no text: it has a zero byte", file));
  }
  lua_settop(L, 4);
  mvg_lua_graph *handle = mvg_lua_push_graph_handle(L);
  operator_list list = {0};
  if (!lua_isnil(L, 4)) list.count = (size_t)mvg_arg_list(L, 4, MAX_OPERATORS, "the operators");
  const mvg_opdef **operators = lua_newuserdatauv(L, (list.count + 1) * sizeof *operators, 0);
  for (size_t i = 0; i < list.count; ++i) {
    lua_rawgeti(L, 4, (lua_Integer)i + 1);
    operators[i] = &mvg_arg_opdef(L, -1, MVG_KIND_HOST)->def;
    mvg_lua_keep_operator(L, 5, lua_gettop(L));
    lua_pop(L, 1);
  }
  list.operators = operators;
  source.find = find_operator;
  source.context = &list;
  mvg_lua_check(L, mvg_graph_read(text, &source, &handle->graph));
  lua_settop(L, 5);
  mvg_vm_remember(L, handle->graph);
  return 1;
}

const luaL_Reg mvg_lua_graph_texts[] = {{"text", graph_text},
                                        {"text_after", graph_text_after},
                                        {"is_equal", graph_is_equal},
                                        {NULL, NULL}};
const luaL_Reg mvg_lua_graph_text_functions[] = {
    {"passes", graph_passes}, {"read_graph", graph_read}, {NULL, NULL}};

// The libraries behind the module `mvgraph.core`: each adds its functions to the table on top of
// the stack.
#ifndef MVGRAPH_SCRIPT_LIB_H_
#define MVGRAPH_SCRIPT_LIB_H_

#include "passes/pass.h"
#include "script/arg.h"

int mvg_lua_open_array(lua_State *L);
int mvg_lua_open_random(lua_State *L);
int mvg_lua_open_linalg(lua_State *L);
int mvg_lua_open_opdef(lua_State *L);
int mvg_lua_open_graph(lua_State *L);
int mvg_lua_open_device(lua_State *L);
int mvg_lua_open_program(lua_State *L);
int mvg_lua_open_tune(lua_State *L);
int mvg_lua_open_json(lua_State *L);
int mvg_lua_open_cache(lua_State *L);
int mvg_lua_open_file(lua_State *L);
int mvg_lua_open_archive(lua_State *L);
int mvg_lua_open_image(lua_State *L);
int mvg_lua_open_system(lua_State *L);

// An empty array handle, pushed before the array is made: nothing is owned when Lua runs out of
// memory.
mvg_ndarray **mvg_lua_push_array_handle(lua_State *L);
extern const luaL_Reg mvg_lua_array_bulk[];

// A declared operator with its expressions, parsed once; its hooks are user values of the userdata.
typedef struct {
  mvg_opdef def;
  struct mvg_vm *vm;
  mvg_arena arena;
  const char *input_names[MVG_MAX_OPERANDS];
  uint32_t input_count, attribute_count;
  const mvg_expr *expr; // map; variables: inputs, element index, attributes
  mvg_reduce_body reduce;
} mvg_lua_opdef;
mvg_lua_opdef *mvg_arg_opdef(lua_State *L, int index, mvg_kind kind);

// The program that is the first argument, and the methods that tell about it.
struct mvg_program;
const struct mvg_program *mvg_arg_program(lua_State *L);
extern const luaL_Reg mvg_lua_program_reports[];
int mvg_lua_program_tuner(lua_State *L);

// A graph under construction. User value 1 is a table that keeps its operators alive.
typedef struct {
  mvg_graph *graph;
} mvg_lua_graph;
mvg_graph *mvg_arg_graph(lua_State *L, int index);
mvg_value mvg_arg_value(lua_State *L, int index, const mvg_graph *graph);
// Values of a list into caller's storage; returns the count.
uint32_t mvg_arg_values(lua_State *L, int index, const mvg_graph *graph, uint32_t max,
                        mvg_value *out);
void mvg_lua_push_value(lua_State *L, mvg_value value);
// Pushes the userdata of a graph that hooks get as a pointer.
void mvg_lua_push_graph_of(lua_State *L, const mvg_graph *graph);
// {recompute = patterns, precision = dtype, halves = patterns}, all optional, or nil. What it
// borrows from the table is kept alive by what it pushes.
void mvg_arg_pass_options(lua_State *L, int index, mvg_pass_options *out_options);
// An empty handle, pushed before the graph is made: nothing is owned when Lua runs out of memory.
mvg_lua_graph *mvg_lua_push_graph_handle(lua_State *L);
// The graph at `graph_index` keeps the operator at `index` alive.
void mvg_lua_keep_operator(lua_State *L, int graph_index, int index);
// The methods that build nodes, those about text, and what makes graphs of text.
extern const luaL_Reg mvg_lua_graph_builders[];
extern const luaL_Reg mvg_lua_graph_texts[];
extern const luaL_Reg mvg_lua_graph_text_functions[];

#endif // MVGRAPH_SCRIPT_LIB_H_

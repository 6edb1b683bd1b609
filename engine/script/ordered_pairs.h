// An order for the keys of tables that is the same in every process.
#ifndef MVGRAPH_SCRIPT_ORDERED_PAIRS_H_
#define MVGRAPH_SCRIPT_ORDERED_PAIRS_H_

#include <lua.h>

// Replaces the global `pairs`, once the standard libraries are open.
void mvg_lua_order_pairs(lua_State *L);

#endif // MVGRAPH_SCRIPT_ORDERED_PAIRS_H_

// Symbolic index arithmetic of one kernel: interned integer expressions with ranges, simplified as
// they are built, so that equal indices are equal pointers. Knows shapes and views; nothing of
// text.
#ifndef MVGRAPH_PASSES_INDEX_H_
#define MVGRAPH_PASSES_INDEX_H_

#include "base/array.h"
#include "graph/graph.h"

typedef enum {
  MVG_INDEX_VAR,    // a loop variable or the invocation's element
  MVG_INDEX_SUM,    // constant + sum of coefficient * term; a constant has no terms
  MVG_INDEX_DIGIT,  // floor(base / divisor), then % modulus unless modulus is 0
  MVG_INDEX_ASSUME, // base, known to lie in [low, high] wherever it is used
  MVG_INDEX_OP,     // any other operation of index expressions
} mvg_index_kind;

typedef struct {
  int64_t coefficient;
  const struct mvg_index *index;
} mvg_index_term;

typedef struct mvg_index {
  mvg_index_kind kind;
  uint32_t id;       // order of creation
  uint32_t depth;    // deepest loop it depends on; 0 for the invocation's element
  int64_t low, high; // inclusive range
  int64_t constant, divisor, modulus;
  mvg_expr_op op;
  uint32_t term_count;
  mvg_index_term *terms;
  const struct mvg_index *args[3]; // base of a digit or assumption; operands of an op
} mvg_index;

typedef struct {
  mvg_arena arena;
  MVG_ARRAY(const mvg_index *) nodes;
  MVG_ARRAY(uint32_t) table; // open addressing over nodes, capacity a power of two
  mvg_index zero;            // stands in after a failure
  mvg_status failure;        // first failure; asked for once at the end
} mvg_index_pool;            // zeroed storage is valid

void mvg_index_pool_deinit(mvg_index_pool *pool);
mvg_status mvg_index_pool_take_failure(mvg_index_pool *pool) MVG_MUST_USE;

// A fresh variable in [0, size).
const mvg_index *mvg_index_make_var(mvg_index_pool *pool, int64_t size, uint32_t depth);
const mvg_index *mvg_index_make_const(mvg_index_pool *pool, int64_t value);
// a * a_factor + b * b_factor
const mvg_index *mvg_index_make_sum(mvg_index_pool *pool, const mvg_index *a, int64_t a_factor,
                                    const mvg_index *b, int64_t b_factor);
const mvg_index *mvg_index_make_digit(mvg_index_pool *pool, const mvg_index *base, int64_t divisor,
                                      int64_t modulus);
const mvg_index *mvg_index_make_assume(mvg_index_pool *pool, const mvg_index *base, int64_t low,
                                       int64_t high);
// An index expression with variable i replaced by vars[i].
const mvg_index *mvg_index_from_expr(mvg_index_pool *pool, const mvg_expr *expr,
                                     const mvg_index *const *vars);
bool mvg_index_is_const(const mvg_index *index, int64_t value);

// Where an element lies in a tensor: one index a dimension.
typedef struct {
  mvg_shape shape;
  const mvg_index *coords[MVG_MAX_RANK];
} mvg_place;

void mvg_place_from_linear(mvg_index_pool *pool, const mvg_shape *shape, const mvg_index *linear,
                           mvg_place *out);
const mvg_index *mvg_place_get_linear(mvg_index_pool *pool, const mvg_place *place);
// Element of an input of shape `shape` that a map reads for its element at `place`.
void mvg_place_broadcast(mvg_index_pool *pool, const mvg_place *place, const mvg_shape *shape,
                         mvg_place *out);
// Element that a view reads; *out_valid is NULL when always valid, constant 0 when never.
void mvg_place_through_view(mvg_index_pool *pool, const mvg_graph *graph, const mvg_node *node,
                            const mvg_place *place, mvg_place *out, const mvg_index **out_valid);
// Element of a reduction's input, given its output's place and one variable a reduced axis (in axis
// order).
void mvg_place_through_reduce(const mvg_graph *graph, const mvg_node *node, const mvg_place *place,
                              const mvg_index *const *vars, mvg_place *out);

#endif // MVGRAPH_PASSES_INDEX_H_

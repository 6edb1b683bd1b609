// Scalar expressions: parsed once from an operator's declaration; the same tree prints GLSL, runs
// on the host in double precision, and differentiates itself. Index arithmetic of views uses the
// same tree on integers.
//
// Grammar: C-like. Literals, names, + - * / % unary-, < <= > >= == !=, && || !, c ? a : b, and
// calls: min max abs floor ceil round sign exp log sqrt rsqrt pow sin cos tan asin acos atan atan2
// tanh expm1 log1p erf sigmoid isnan, random_uniform(seed, step, stream, index). Constants: pi,
// inf.
#ifndef MVGRAPH_GRAPH_EXPR_H_
#define MVGRAPH_GRAPH_EXPR_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

typedef enum {
  MVG_EXPR_CONST,
  MVG_EXPR_VAR,
  MVG_EXPR_NEG,
  MVG_EXPR_NOT,
  MVG_EXPR_ADD,
  MVG_EXPR_SUB,
  MVG_EXPR_MUL,
  MVG_EXPR_DIV,
  MVG_EXPR_MOD, // MOD: floored, sign of divisor
  MVG_EXPR_LT,
  MVG_EXPR_LE,
  MVG_EXPR_GT,
  MVG_EXPR_GE,
  MVG_EXPR_EQ,
  MVG_EXPR_NE, // 1 or 0
  MVG_EXPR_AND,
  MVG_EXPR_OR,
  MVG_EXPR_SELECT, // args: condition, then, else; only the chosen side is evaluated
  MVG_EXPR_MIN,
  MVG_EXPR_MAX,
  MVG_EXPR_ABS,
  MVG_EXPR_FLOOR,
  MVG_EXPR_CEIL,
  MVG_EXPR_ROUND,
  MVG_EXPR_SIGN,
  MVG_EXPR_EXP,
  MVG_EXPR_LOG,
  MVG_EXPR_SQRT,
  MVG_EXPR_RSQRT,
  MVG_EXPR_POW,
  MVG_EXPR_SIN,
  MVG_EXPR_COS,
  MVG_EXPR_TAN,
  MVG_EXPR_ASIN,
  MVG_EXPR_ACOS,
  MVG_EXPR_ATAN,
  MVG_EXPR_ATAN2,
  MVG_EXPR_TANH,
  MVG_EXPR_EXPM1, // exp(x) - 1 and log(1 + x), accurate near 0
  MVG_EXPR_LOG1P,
  MVG_EXPR_ERF,
  MVG_EXPR_SIGMOID,
  MVG_EXPR_ISNAN,
  MVG_EXPR_RANDOM, // args: seed, step, stream, index -> uniform in [0, 1) by Philox4x32-10
  MVG_EXPR_OP_COUNT,
} mvg_expr_op;

typedef struct mvg_expr {
  mvg_expr_op op;
  uint32_t var; // MVG_EXPR_VAR: which variable
  double value; // MVG_EXPR_CONST
  const struct mvg_expr *args[4];
} mvg_expr;

uint32_t mvg_expr_get_arity(mvg_expr_op op);

// Parses `text`; a name resolves to its position in `names`. Errors give the column and the nearest
// known name.
mvg_status mvg_expr_parse(mvg_arena *arena, const char *text, const char *const *names,
                          uint32_t name_count, const mvg_expr **out_expr) MVG_MUST_USE;

// Builders fold constants and drop neutral elements (x + 0, x * 1, x * 0, select on a constant,
// ...).
mvg_status mvg_expr_const(mvg_arena *arena, double value, const mvg_expr **out_expr) MVG_MUST_USE;
mvg_status mvg_expr_var(mvg_arena *arena, uint32_t var, const mvg_expr **out_expr) MVG_MUST_USE;
mvg_status mvg_expr_make(mvg_arena *arena, mvg_expr_op op, const mvg_expr *const *args,
                         const mvg_expr **out_expr) MVG_MUST_USE;

// Copies `expr` into `arena` with variable i replaced by replacements[i] (NULL entry: keep the
// variable).
mvg_status mvg_expr_substitute(mvg_arena *arena, const mvg_expr *expr,
                               const mvg_expr *const *replacements, uint32_t replacement_count,
                               const mvg_expr **out_expr) MVG_MUST_USE;

// d expr / d var. Comparisons, floor, sign and random have derivative 0; min, max, abs take
// PyTorch's choice at ties (max and min share the gradient equally, abs gives 0).
mvg_status mvg_expr_differentiate(mvg_arena *arena, const mvg_expr *expr, uint32_t var,
                                  const mvg_expr **out_expr) MVG_MUST_USE;

double mvg_expr_eval(const mvg_expr *expr, const double *vars);
int64_t mvg_expr_eval_int(const mvg_expr *expr, const int64_t *vars); // index arithmetic only

// A bound of what the expression can reach in whole numbers while its variables stay below `sizes`;
// infinity where a part of it may pass MVG_EXPR_LARGEST_INT or is no whole number.
#define MVG_EXPR_LARGEST_INT 0x1p53
double mvg_expr_bound_int(const mvg_expr *expr, const int64_t *sizes);

bool mvg_expr_is_equal(const mvg_expr *a, const mvg_expr *b);
bool mvg_expr_uses_var(const mvg_expr *expr, uint32_t var);
uint64_t mvg_expr_hash(uint64_t seed, const mvg_expr *expr);
uint32_t mvg_expr_get_cost(const mvg_expr *expr); // operations; transcendental functions count 8

// Prints with variable i as var_texts[i]. Float form calls erf_(), rsqrt -> inversesqrt,
// philox_uniform(); integer form (`is_integer`) prints int arithmetic with floored % written out
// for possibly negative operands.
void mvg_expr_print_glsl(mvg_str *out, const mvg_expr *expr, const char *const *var_texts,
                         bool is_integer);
// Re-parsable text with variables as names[i], or "v3" where names is NULL.
void mvg_expr_print_text(mvg_str *out, const mvg_expr *expr, const char *const *names);

#endif // MVGRAPH_GRAPH_EXPR_H_

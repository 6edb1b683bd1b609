// Building, evaluating and comparing expression trees. Parsing, printing and derivatives have their
// own files.
#include "graph/expr.h"

#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "base/rng.h"

uint32_t mvg_expr_get_arity(mvg_expr_op op) {
  switch (op) {
  case MVG_EXPR_CONST:
  case MVG_EXPR_VAR:
    return 0;
  case MVG_EXPR_ADD:
  case MVG_EXPR_SUB:
  case MVG_EXPR_MUL:
  case MVG_EXPR_DIV:
  case MVG_EXPR_MOD:
  case MVG_EXPR_LT:
  case MVG_EXPR_LE:
  case MVG_EXPR_GT:
  case MVG_EXPR_GE:
  case MVG_EXPR_EQ:
  case MVG_EXPR_NE:
  case MVG_EXPR_AND:
  case MVG_EXPR_OR:
  case MVG_EXPR_MIN:
  case MVG_EXPR_MAX:
  case MVG_EXPR_POW:
  case MVG_EXPR_ATAN2:
    return 2;
  case MVG_EXPR_SELECT:
    return 3;
  case MVG_EXPR_RANDOM:
    return 4;
  default:
    return 1;
  }
}

static double floored_mod(double a, double b) {
  return a - floor(a / b) * b;
}

static double apply(mvg_expr_op op, double a, double b, double c, double d) {
  switch (op) {
  case MVG_EXPR_NEG:
    return -a;
  case MVG_EXPR_NOT:
    return a == 0;
  case MVG_EXPR_ADD:
    return a + b;
  case MVG_EXPR_SUB:
    return a - b;
  case MVG_EXPR_MUL:
    return a * b;
  case MVG_EXPR_DIV:
    return a / b;
  case MVG_EXPR_MOD:
    return floored_mod(a, b);
  case MVG_EXPR_LT:
    return a < b;
  case MVG_EXPR_LE:
    return a <= b;
  case MVG_EXPR_GT:
    return a > b;
  case MVG_EXPR_GE:
    return a >= b;
  case MVG_EXPR_EQ:
    return a == b;
  case MVG_EXPR_NE:
    return a != b;
  case MVG_EXPR_AND:
    return a != 0 && b != 0;
  case MVG_EXPR_OR:
    return a != 0 || b != 0;
  case MVG_EXPR_SELECT:
    return a != 0 ? b : c;
  case MVG_EXPR_MIN:
    return isnan(a) || isnan(b) ? NAN : fmin(a, b);
  case MVG_EXPR_MAX:
    return isnan(a) || isnan(b) ? NAN : fmax(a, b);
  case MVG_EXPR_ABS:
    return fabs(a);
  case MVG_EXPR_FLOOR:
    return floor(a);
  case MVG_EXPR_CEIL:
    return ceil(a);
  case MVG_EXPR_ROUND:
    return nearbyint(a);
  case MVG_EXPR_SIGN:
    return (a > 0) - (a < 0);
  case MVG_EXPR_EXP:
    return exp(a);
  case MVG_EXPR_LOG:
    return log(a);
  case MVG_EXPR_SQRT:
    return sqrt(a);
  case MVG_EXPR_RSQRT:
    return 1 / sqrt(a);
  case MVG_EXPR_POW:
    return pow(a, b);
  case MVG_EXPR_SIN:
    return sin(a);
  case MVG_EXPR_COS:
    return cos(a);
  case MVG_EXPR_TAN:
    return tan(a);
  case MVG_EXPR_ASIN:
    return asin(a);
  case MVG_EXPR_ACOS:
    return acos(a);
  case MVG_EXPR_ATAN:
    return atan(a);
  case MVG_EXPR_ATAN2:
    return atan2(a, b);
  case MVG_EXPR_TANH:
    return tanh(a);
  case MVG_EXPR_EXPM1:
    return expm1(a);
  case MVG_EXPR_LOG1P:
    return log1p(a);
  case MVG_EXPR_ERF:
    return erf(a);
  case MVG_EXPR_SIGMOID:
    return 1 / (1 + exp(-a));
  case MVG_EXPR_ISNAN:
    return isnan(a);
  case MVG_EXPR_RANDOM:
    return mvg_rng_uniform((uint32_t)a, (uint32_t)b, (uint32_t)c, (uint32_t)d);
  case MVG_EXPR_CONST:
  case MVG_EXPR_VAR:
  case MVG_EXPR_OP_COUNT:
    break;
  }
  return NAN;
}

mvg_status mvg_expr_const(mvg_arena *arena, double value, const mvg_expr **out_expr) {
  mvg_expr *expr;
  MVG_RETURN_IF_ERROR(mvg_arena_alloc(arena, 1, sizeof *expr, (void **)&expr));
  *expr = (mvg_expr){.op = MVG_EXPR_CONST, .value = value};
  *out_expr = expr;
  return NULL;
}

mvg_status mvg_expr_var(mvg_arena *arena, uint32_t var, const mvg_expr **out_expr) {
  mvg_expr *expr;
  MVG_RETURN_IF_ERROR(mvg_arena_alloc(arena, 1, sizeof *expr, (void **)&expr));
  *expr = (mvg_expr){.op = MVG_EXPR_VAR, .var = var};
  *out_expr = expr;
  return NULL;
}

static bool is_value(const mvg_expr *expr, double value) {
  return expr->op == MVG_EXPR_CONST && expr->value == value;
}

// Rules that hold for every finite operand. x * 0 -> 0 drops a NaN or infinity of x on purpose: it
// only arises from derivatives of branches that do not depend on the variable.
static const mvg_expr *simplify(mvg_expr_op op, const mvg_expr *const *args) {
  const mvg_expr *a = args[0], *b = mvg_expr_get_arity(op) > 1 ? args[1] : NULL;
  switch (op) {
  case MVG_EXPR_ADD:
    return is_value(a, 0) ? b : is_value(b, 0) ? a : NULL;
  case MVG_EXPR_SUB:
    return is_value(b, 0) ? a : NULL;
  case MVG_EXPR_MUL:
    if (is_value(a, 0)) return a;
    if (is_value(b, 0)) return b;
    return is_value(a, 1) ? b : is_value(b, 1) ? a : NULL;
  case MVG_EXPR_DIV:
    return is_value(b, 1) || is_value(a, 0) ? a : NULL;
  case MVG_EXPR_SELECT:
    if (a->op == MVG_EXPR_CONST) return a->value != 0 ? b : args[2];
    return mvg_expr_is_equal(b, args[2]) ? b : NULL;
  case MVG_EXPR_NEG:
    return a->op == MVG_EXPR_NEG ? a->args[0] : NULL;
  default:
    return NULL;
  }
}

mvg_status mvg_expr_make(mvg_arena *arena, mvg_expr_op op, const mvg_expr *const *args,
                         const mvg_expr **out_expr) {
  uint32_t arity = mvg_expr_get_arity(op);
  bool is_constant = arity > 0;
  double values[4] = {0};
  for (uint32_t i = 0; i < arity; ++i) {
    is_constant = is_constant && args[i]->op == MVG_EXPR_CONST;
    values[i] = args[i]->value;
  }
  if (is_constant && op != MVG_EXPR_RANDOM) {
    double folded = apply(op, values[0], values[1], values[2], values[3]);
    return mvg_expr_const(arena, folded, out_expr);
  }
  const mvg_expr *simpler = simplify(op, args);
  if (simpler) {
    *out_expr = simpler;
    return NULL;
  }
  mvg_expr *expr; // `out_expr` may point into `args`, so it is written last
  MVG_RETURN_IF_ERROR(mvg_arena_alloc(arena, 1, sizeof *expr, (void **)&expr));
  expr->op = op;
  for (uint32_t i = 0; i < arity; ++i)
    expr->args[i] = args[i];
  *out_expr = expr;
  return NULL;
}

mvg_status mvg_expr_substitute(mvg_arena *arena, const mvg_expr *expr,
                               const mvg_expr *const *replacements, uint32_t replacement_count,
                               const mvg_expr **out_expr) {
  if (expr->op == MVG_EXPR_CONST) return mvg_expr_const(arena, expr->value, out_expr);
  if (expr->op == MVG_EXPR_VAR) {
    bool is_replaced = expr->var < replacement_count && replacements[expr->var];
    if (!is_replaced) return mvg_expr_var(arena, expr->var, out_expr);
    *out_expr = replacements[expr->var];
    return NULL;
  }
  const mvg_expr *args[4] = {0};
  for (uint32_t i = 0; i < mvg_expr_get_arity(expr->op); ++i) {
    MVG_RETURN_IF_ERROR(
        mvg_expr_substitute(arena, expr->args[i], replacements, replacement_count, &args[i]));
  }
  return mvg_expr_make(arena, expr->op, args, out_expr);
}

double mvg_expr_eval(const mvg_expr *expr, const double *vars) {
  if (expr->op == MVG_EXPR_CONST) return expr->value;
  if (expr->op == MVG_EXPR_VAR) return vars[expr->var];
  double a = mvg_expr_eval(expr->args[0], vars);
  if (expr->op == MVG_EXPR_SELECT) return mvg_expr_eval(expr->args[a != 0 ? 1 : 2], vars);
  double rest[3] = {0};
  for (uint32_t i = 1; i < mvg_expr_get_arity(expr->op); ++i) {
    rest[i - 1] = mvg_expr_eval(expr->args[i], vars);
  }
  return apply(expr->op, a, rest[0], rest[1], rest[2]);
}

static int64_t floor_divide(int64_t a, int64_t b) {
  if (b == 0) return 0;
  int64_t quotient = a / b;
  return quotient - ((a % b != 0) && ((a < 0) != (b < 0)));
}

int64_t mvg_expr_eval_int(const mvg_expr *expr, const int64_t *vars) {
  if (expr->op == MVG_EXPR_CONST) return (int64_t)expr->value;
  if (expr->op == MVG_EXPR_VAR) return vars[expr->var];
  int64_t a = mvg_expr_eval_int(expr->args[0], vars);
  if (expr->op == MVG_EXPR_SELECT) return mvg_expr_eval_int(expr->args[a ? 1 : 2], vars);
  int64_t b = mvg_expr_get_arity(expr->op) > 1 ? mvg_expr_eval_int(expr->args[1], vars) : 0;
  switch (expr->op) {
  case MVG_EXPR_NEG:
    return -a;
  case MVG_EXPR_NOT:
    return !a;
  case MVG_EXPR_ADD:
    return a + b;
  case MVG_EXPR_SUB:
    return a - b;
  case MVG_EXPR_MUL:
    return a * b;
  case MVG_EXPR_DIV:
    return floor_divide(a, b);
  case MVG_EXPR_MOD:
    return a - floor_divide(a, b) * b;
  case MVG_EXPR_LT:
    return a < b;
  case MVG_EXPR_LE:
    return a <= b;
  case MVG_EXPR_GT:
    return a > b;
  case MVG_EXPR_GE:
    return a >= b;
  case MVG_EXPR_EQ:
    return a == b;
  case MVG_EXPR_NE:
    return a != b;
  case MVG_EXPR_AND:
    return a && b;
  case MVG_EXPR_OR:
    return a || b;
  case MVG_EXPR_MIN:
    return a < b ? a : b;
  case MVG_EXPR_MAX:
    return a > b ? a : b;
  case MVG_EXPR_ABS:
    return a < 0 ? -a : a;
  case MVG_EXPR_FLOOR:
  case MVG_EXPR_CEIL:
  case MVG_EXPR_ROUND:
    return a;
  default:
    return 0;
  }
}

bool mvg_expr_is_equal(const mvg_expr *a, const mvg_expr *b) {
  if (a == b) return true;
  if (!a || !b || a->op != b->op) return false;
  if (a->op == MVG_EXPR_VAR) return a->var == b->var;
  if (a->op == MVG_EXPR_CONST) return memcmp(&a->value, &b->value, sizeof a->value) == 0;
  for (uint32_t i = 0; i < mvg_expr_get_arity(a->op); ++i) {
    if (!mvg_expr_is_equal(a->args[i], b->args[i])) return false;
  }
  return true;
}

bool mvg_expr_uses_var(const mvg_expr *expr, uint32_t var) {
  if (expr->op == MVG_EXPR_VAR) return expr->var == var;
  for (uint32_t i = 0; i < mvg_expr_get_arity(expr->op); ++i) {
    if (mvg_expr_uses_var(expr->args[i], var)) return true;
  }
  return false;
}

uint64_t mvg_expr_hash(uint64_t seed, const mvg_expr *expr) {
  uint64_t hash = mvg_hash_u64(seed, expr->op);
  if (expr->op == MVG_EXPR_VAR) return mvg_hash_u64(hash, expr->var);
  if (expr->op == MVG_EXPR_CONST) return mvg_hash_bytes(hash, &expr->value, sizeof expr->value);
  for (uint32_t i = 0; i < mvg_expr_get_arity(expr->op); ++i) {
    hash = mvg_expr_hash(hash, expr->args[i]);
  }
  return hash;
}

uint32_t mvg_expr_get_cost(const mvg_expr *expr) {
  uint32_t cost = expr->op == MVG_EXPR_CONST || expr->op == MVG_EXPR_VAR ? 0 : 1;
  if ((expr->op >= MVG_EXPR_EXP && expr->op <= MVG_EXPR_SIGMOID)) cost = 8;
  if (expr->op == MVG_EXPR_RANDOM) cost = 40;
  for (uint32_t i = 0; i < mvg_expr_get_arity(expr->op); ++i) {
    cost += mvg_expr_get_cost(expr->args[i]);
  }
  return cost;
}

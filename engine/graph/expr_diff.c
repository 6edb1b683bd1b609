// Symbolic derivatives of expressions, built with the folding builders so that dead terms vanish at
// once.
#include <math.h>

#include "graph/expr.h"

// A builder that remembers the first failure, so that rules below read as formulas.
typedef struct {
  mvg_arena *arena;
  mvg_status failure;
} builder;

typedef const mvg_expr *term;

static term make(builder *b, mvg_expr_op op, term x, term y, term z) {
  const mvg_expr *args[4] = {x, y, z, NULL};
  term out = x;
  if (!b->failure) b->failure = mvg_expr_make(b->arena, op, args, &out);
  return out;
}

static term number(builder *b, double value) {
  term out = NULL;
  if (!b->failure) b->failure = mvg_expr_const(b->arena, value, &out);
  return out;
}

static term add(builder *b, term x, term y) {
  return make(b, MVG_EXPR_ADD, x, y, NULL);
}
static term sub(builder *b, term x, term y) {
  return make(b, MVG_EXPR_SUB, x, y, NULL);
}
static term mul(builder *b, term x, term y) {
  return make(b, MVG_EXPR_MUL, x, y, NULL);
}
static term divide(builder *b, term x, term y) {
  return make(b, MVG_EXPR_DIV, x, y, NULL);
}
static term unary(builder *b, mvg_expr_op op, term x) {
  return make(b, op, x, NULL, NULL);
}

static bool is_zero(term x) {
  return x->op == MVG_EXPR_CONST && x->value == 0;
}

static term derive(builder *b, term e, uint32_t var);

// max(x, y): the whole gradient to the larger, half to each at ties (PyTorch's torch.maximum).
static term derive_extremum(builder *b, term e, uint32_t var) {
  term x = e->args[0], y = e->args[1];
  term dx = derive(b, x, var), dy = derive(b, y, var);
  if (b->failure) return e;
  term half = mul(b, number(b, 0.5), add(b, dx, dy));
  mvg_expr_op first = e->op == MVG_EXPR_MAX ? MVG_EXPR_GT : MVG_EXPR_LT;
  term tie = make(b, MVG_EXPR_SELECT, make(b, MVG_EXPR_EQ, x, y, NULL), half, dy);
  return make(b, MVG_EXPR_SELECT, make(b, first, x, y, NULL), dx, tie);
}

static term derive_power(builder *b, term e, uint32_t var) {
  term x = e->args[0], y = e->args[1];
  term dx = derive(b, x, var), dy = derive(b, y, var);
  if (b->failure) return e;
  term out = number(b, 0);
  if (!is_zero(dx)) {
    term lower = make(b, MVG_EXPR_POW, x, sub(b, y, number(b, 1)), NULL);
    out = mul(b, mul(b, y, lower), dx);
  }
  if (!b->failure && !is_zero(dy)) {
    out = add(b, out, mul(b, mul(b, e, unary(b, MVG_EXPR_LOG, x)), dy));
  }
  return out;
}

static term derive_atan2(builder *b, term e, uint32_t var) {
  term y = e->args[0], x = e->args[1];
  term dy = derive(b, y, var), dx = derive(b, x, var);
  term numerator = sub(b, mul(b, x, dy), mul(b, y, dx));
  return divide(b, numerator, add(b, mul(b, x, x), mul(b, y, y)));
}

// d f(x) / d x of the one-argument functions.
static term derive_outer(builder *b, term e) {
  term x = e->args[0];
  term one = number(b, 1);
  switch (e->op) {
  case MVG_EXPR_ABS:
    return unary(b, MVG_EXPR_SIGN, x);
  case MVG_EXPR_EXP:
    return e;
  case MVG_EXPR_LOG:
    return divide(b, one, x);
  case MVG_EXPR_SQRT:
    return divide(b, number(b, 0.5), e);
  case MVG_EXPR_RSQRT:
    return mul(b, number(b, -0.5), divide(b, e, x));
  case MVG_EXPR_SIN:
    return unary(b, MVG_EXPR_COS, x);
  case MVG_EXPR_COS:
    return unary(b, MVG_EXPR_NEG, unary(b, MVG_EXPR_SIN, x));
  case MVG_EXPR_TAN:
    return add(b, one, mul(b, e, e));
  case MVG_EXPR_ASIN:
    return unary(b, MVG_EXPR_RSQRT, sub(b, one, mul(b, x, x)));
  case MVG_EXPR_ACOS:
    return unary(b, MVG_EXPR_NEG, unary(b, MVG_EXPR_RSQRT, sub(b, one, mul(b, x, x))));
  case MVG_EXPR_ATAN:
    return divide(b, one, add(b, one, mul(b, x, x)));
  case MVG_EXPR_TANH:
    return sub(b, one, mul(b, e, e));
  case MVG_EXPR_EXPM1:
    return unary(b, MVG_EXPR_EXP, x);
  case MVG_EXPR_LOG1P:
    return divide(b, one, add(b, one, x));
  case MVG_EXPR_ERF:
    return mul(b, number(b, 2 / sqrt(M_PI)),
               unary(b, MVG_EXPR_EXP, unary(b, MVG_EXPR_NEG, mul(b, x, x))));
  case MVG_EXPR_SIGMOID:
    return mul(b, e, sub(b, one, e));
  default:
    return number(b, 0);
  }
}

static term derive(builder *b, term e, uint32_t var) {
  if (b->failure || !mvg_expr_uses_var(e, var)) return number(b, 0);
  switch (e->op) {
  case MVG_EXPR_VAR:
    return number(b, 1);
  case MVG_EXPR_NEG:
    return unary(b, MVG_EXPR_NEG, derive(b, e->args[0], var));
  case MVG_EXPR_ADD:
  case MVG_EXPR_SUB:
    return make(b, e->op, derive(b, e->args[0], var), derive(b, e->args[1], var), NULL);
  case MVG_EXPR_MUL:
    return add(b, mul(b, derive(b, e->args[0], var), e->args[1]),
               mul(b, e->args[0], derive(b, e->args[1], var)));
  case MVG_EXPR_DIV:
    return sub(b, divide(b, derive(b, e->args[0], var), e->args[1]),
               mul(b, divide(b, e, e->args[1]), derive(b, e->args[1], var)));
  case MVG_EXPR_MOD:
    return derive(b, e->args[0], var);
  case MVG_EXPR_SELECT:
    return make(b, MVG_EXPR_SELECT, e->args[0], derive(b, e->args[1], var),
                derive(b, e->args[2], var));
  case MVG_EXPR_MIN:
  case MVG_EXPR_MAX:
    return derive_extremum(b, e, var);
  case MVG_EXPR_POW:
    return derive_power(b, e, var);
  case MVG_EXPR_ATAN2:
    return derive_atan2(b, e, var);
  case MVG_EXPR_ABS:
  case MVG_EXPR_EXP:
  case MVG_EXPR_LOG:
  case MVG_EXPR_SQRT:
  case MVG_EXPR_RSQRT:
  case MVG_EXPR_SIN:
  case MVG_EXPR_COS:
  case MVG_EXPR_TAN:
  case MVG_EXPR_ASIN:
  case MVG_EXPR_ACOS:
  case MVG_EXPR_ATAN:
  case MVG_EXPR_TANH:
  case MVG_EXPR_EXPM1:
  case MVG_EXPR_LOG1P:
  case MVG_EXPR_ERF:
  case MVG_EXPR_SIGMOID:
    return mul(b, derive_outer(b, e), derive(b, e->args[0], var));
  default:
    return number(b, 0); // comparisons, rounding, sign, random: piecewise constant
  }
}

mvg_status mvg_expr_differentiate(mvg_arena *arena, const mvg_expr *expr, uint32_t var,
                                  const mvg_expr **out_expr) {
  builder b = {.arena = arena};
  *out_expr = derive(&b, expr, var);
  return b.failure;
}

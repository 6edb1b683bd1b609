#include "graph/expr_range.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#define LIMIT (INT64_C(1) << 53)

static int64_t min_of(int64_t a, int64_t b) {
  return a < b ? a : b;
}

static int64_t max_of(int64_t a, int64_t b) {
  return a > b ? a : b;
}

static int64_t floor_divide(int64_t a, int64_t b) { // b > 0
  return a / b - (a % b < 0);
}

static mvg_range multiply(mvg_range a, mvg_range b) {
  const int64_t factors[4][2] = {
      {a.low, b.low}, {a.low, b.high}, {a.high, b.low}, {a.high, b.high}};
  mvg_range product = {INT64_MAX, INT64_MIN};
  for (int i = 0; i < 4; ++i) {
    int64_t value;
    if (__builtin_mul_overflow(factors[i][0], factors[i][1], &value)) {
      value = (factors[i][0] < 0) == (factors[i][1] < 0) ? INT64_MAX : INT64_MIN;
    }
    product = (mvg_range){min_of(product.low, value), max_of(product.high, value)};
  }
  return product;
}

static mvg_range divide(mvg_range a, mvg_range b) {
  return (mvg_range){
      min_of(floor_divide(a.low, b.low), floor_divide(a.low, b.high)),
      max_of(floor_divide(a.high, b.low), floor_divide(a.high, b.high)),
  };
}

static mvg_range get_remainder(mvg_range a, mvg_range b) {
  int64_t quotient = floor_divide(a.low, b.low);
  bool is_one_period = b.low == b.high && quotient == floor_divide(a.high, b.low);
  if (!is_one_period) return (mvg_range){0, b.high - 1};
  return (mvg_range){a.low - quotient * b.low, a.high - quotient * b.low};
}

static mvg_range get_magnitude(mvg_range a) {
  bool has_zero = a.low <= 0 && a.high >= 0;
  return (mvg_range){has_zero ? 0 : min_of(llabs(a.low), llabs(a.high)),
                     max_of(llabs(a.low), llabs(a.high))};
}

static mvg_status get_const(double value, mvg_range *out) {
  if (!(fabs(value) <= (double)LIMIT) || value != floor(value)) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT, "%g is no index", value);
  }
  *out = (mvg_range){(int64_t)value, (int64_t)value};
  return NULL;
}

// args: ranges of the operands.
static mvg_status apply(mvg_expr_op op, const mvg_range *args, mvg_range *out) {
  mvg_range a = args[0], b = args[1], c = args[2];
  switch (op) {
  case MVG_EXPR_NEG:
    *out = (mvg_range){-a.high, -a.low};
    return NULL;
  case MVG_EXPR_ADD:
    *out = (mvg_range){a.low + b.low, a.high + b.high};
    return NULL;
  case MVG_EXPR_SUB:
    *out = (mvg_range){a.low - b.high, a.high - b.low};
    return NULL;
  case MVG_EXPR_MUL:
    *out = multiply(a, b);
    return NULL;
  case MVG_EXPR_DIV:
  case MVG_EXPR_MOD:
    if (b.low < 1) return MVG_ERROR(MVG_INVALID_ARGUMENT, "a divisor may be %" PRId64, b.low);
    *out = op == MVG_EXPR_DIV ? divide(a, b) : get_remainder(a, b);
    return NULL;
  case MVG_EXPR_MIN:
    *out = (mvg_range){min_of(a.low, b.low), min_of(a.high, b.high)};
    return NULL;
  case MVG_EXPR_MAX:
    *out = (mvg_range){max_of(a.low, b.low), max_of(a.high, b.high)};
    return NULL;
  case MVG_EXPR_ABS:
    *out = get_magnitude(a);
    return NULL;
  case MVG_EXPR_SELECT:
    *out = (mvg_range){min_of(b.low, c.low), max_of(b.high, c.high)};
    return NULL;
  case MVG_EXPR_NOT:
  case MVG_EXPR_LT:
  case MVG_EXPR_LE:
  case MVG_EXPR_GT:
  case MVG_EXPR_GE:
  case MVG_EXPR_EQ:
  case MVG_EXPR_NE:
  case MVG_EXPR_AND:
  case MVG_EXPR_OR:
    *out = (mvg_range){0, 1};
    return NULL;
  default:
    return MVG_ERROR(MVG_INVALID_ARGUMENT, "a function of real numbers stands in an index");
  }
}

mvg_status mvg_expr_get_range(const mvg_expr *expr, const mvg_range *vars, mvg_range *out) {
  if (expr->op == MVG_EXPR_CONST) return get_const(expr->value, out);
  if (expr->op == MVG_EXPR_VAR) {
    *out = vars[expr->var];
    return NULL;
  }
  mvg_range args[4] = {{0}};
  for (uint32_t i = 0; i < mvg_expr_get_arity(expr->op); ++i) {
    MVG_RETURN_IF_ERROR(mvg_expr_get_range(expr->args[i], vars, &args[i]));
  }
  MVG_RETURN_IF_ERROR(apply(expr->op, args, out));
  bool is_bounded = out->low >= -LIMIT && out->high <= LIMIT;
  return is_bounded ? NULL : MVG_ERROR(MVG_INVALID_ARGUMENT, "an index may leave +-2^53");
}

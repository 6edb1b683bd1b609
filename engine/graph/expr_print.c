// Expression tree -> GLSL and -> re-parsable text.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "graph/expr.h"

static const char *const operator_tokens[MVG_EXPR_OP_COUNT] = {
    [MVG_EXPR_ADD] = "+", [MVG_EXPR_SUB] = "-", [MVG_EXPR_MUL] = "*", [MVG_EXPR_DIV] = "/",
    [MVG_EXPR_MOD] = "%", [MVG_EXPR_LT] = "<",  [MVG_EXPR_LE] = "<=", [MVG_EXPR_GT] = ">",
    [MVG_EXPR_GE] = ">=", [MVG_EXPR_EQ] = "==", [MVG_EXPR_NE] = "!=", [MVG_EXPR_AND] = "&&",
    [MVG_EXPR_OR] = "||",
};

static const char *const function_names[MVG_EXPR_OP_COUNT] = {
    [MVG_EXPR_MIN] = "min",     [MVG_EXPR_MAX] = "max",
    [MVG_EXPR_ABS] = "abs",     [MVG_EXPR_FLOOR] = "floor",
    [MVG_EXPR_CEIL] = "ceil",   [MVG_EXPR_ROUND] = "round",
    [MVG_EXPR_SIGN] = "sign",   [MVG_EXPR_EXP] = "exp",
    [MVG_EXPR_LOG] = "log",     [MVG_EXPR_SQRT] = "sqrt",
    [MVG_EXPR_RSQRT] = "rsqrt", [MVG_EXPR_POW] = "pow",
    [MVG_EXPR_SIN] = "sin",     [MVG_EXPR_COS] = "cos",
    [MVG_EXPR_TAN] = "tan",     [MVG_EXPR_ASIN] = "asin",
    [MVG_EXPR_ACOS] = "acos",   [MVG_EXPR_ATAN] = "atan",
    [MVG_EXPR_ATAN2] = "atan2", [MVG_EXPR_TANH] = "tanh",
    [MVG_EXPR_ERF] = "erf",     [MVG_EXPR_SIGMOID] = "sigmoid",
    [MVG_EXPR_ISNAN] = "isnan", [MVG_EXPR_RANDOM] = "random_uniform",
    [MVG_EXPR_EXPM1] = "expm1", [MVG_EXPR_LOG1P] = "log1p",
};

// GLSL spellings that differ; helpers with a trailing underscore live in kernels/include/math.glsl,
// erf.glsl and trigonometry.glsl (Vulkan asks of a driver's own sin no more than 2^-11).
static const char *const glsl_names[MVG_EXPR_OP_COUNT] = {
    [MVG_EXPR_ROUND] = "roundEven",  [MVG_EXPR_RSQRT] = "inversesqrt",
    [MVG_EXPR_ATAN2] = "atan2_",     [MVG_EXPR_ERF] = "erf_",
    [MVG_EXPR_SIGMOID] = "sigmoid_", [MVG_EXPR_POW] = "pow_",
    [MVG_EXPR_MIN] = "min_",         [MVG_EXPR_MAX] = "max_",
    [MVG_EXPR_TANH] = "tanh_",       [MVG_EXPR_RANDOM] = "philox_uniform",
    [MVG_EXPR_EXPM1] = "expm1_",     [MVG_EXPR_LOG1P] = "log1p_",
    [MVG_EXPR_SIN] = "sin_",         [MVG_EXPR_COS] = "cos_",
    [MVG_EXPR_TAN] = "tan_",         [MVG_EXPR_ASIN] = "asin_",
    [MVG_EXPR_ACOS] = "acos_",       [MVG_EXPR_ATAN] = "atan_",
    [MVG_EXPR_EXP] = "exp_",         [MVG_EXPR_LOG] = "log_",
};

static bool is_comparison(mvg_expr_op op) {
  return op >= MVG_EXPR_LT && op <= MVG_EXPR_OR;
}

// Rounded to single precision first, where doubles may become infinite.
static void print_real(mvg_str *out, double value) {
  float rounded = (float)value;
  if (isnan(rounded)) {
    mvg_str_append(out, "NAN_");
  } else if (isinf(rounded)) {
    mvg_str_append(out, rounded < 0 ? "(-INF_)" : "INF_");
  } else {
    char text[40];
    snprintf(text, sizeof text, "%.9g", (double)rounded);
    bool is_bare = true;
    for (const char *c = text; *c; ++c)
      is_bare = is_bare && *c != '.' && *c != 'e';
    mvg_str_appendf(out, value < 0 ? "(%s%s)" : "%s%s", text, is_bare ? ".0" : "");
  }
}

static void print_number(mvg_str *out, double value, bool is_integer) {
  if (is_integer) {
    mvg_str_appendf(out, value < 0 ? "(%" PRId64 ")" : "%" PRId64, (int64_t)value);
  } else {
    print_real(out, value);
  }
}

static void print_condition(mvg_str *out, const mvg_expr *expr, const char *const *vars,
                            bool is_integer);

// The index of random numbers: an integer that is given as "float(v3)" stays whole beyond 2^24.
static void print_index(mvg_str *out, const mvg_expr *expr, const char *const *vars) {
  static const char conversion[] = "float(";
  const size_t skipped = sizeof conversion - 1;
  const char *text = expr->op == MVG_EXPR_VAR ? vars[expr->var] : "";
  if (strncmp(text, conversion, skipped) == 0) {
    mvg_str_appendf(out, "%.*s", (int)(strlen(text) - skipped - 1), text + skipped);
  } else {
    mvg_expr_print_glsl(out, expr, vars, false);
  }
}

static void print_call(mvg_str *out, const mvg_expr *expr, const char *const *vars,
                       bool is_integer) {
  const char *name =
      !is_integer && glsl_names[expr->op] ? glsl_names[expr->op] : function_names[expr->op];
  mvg_str_appendf(out, "%s(", name);
  for (uint32_t i = 0; i < mvg_expr_get_arity(expr->op); ++i) {
    if (i) mvg_str_append(out, ", ");
    if (expr->op == MVG_EXPR_RANDOM && i == 3) {
      print_index(out, expr->args[i], vars);
    } else {
      mvg_expr_print_glsl(out, expr->args[i], vars, is_integer);
    }
  }
  mvg_str_append(out, ")");
}

void mvg_expr_print_glsl(mvg_str *out, const mvg_expr *expr, const char *const *vars,
                         bool is_integer) {
  switch (expr->op) {
  case MVG_EXPR_CONST:
    print_number(out, expr->value, is_integer);
    return;
  case MVG_EXPR_VAR:
    mvg_str_append(out, vars[expr->var]);
    return;
  case MVG_EXPR_NEG:
    mvg_str_append(out, "(-");
    mvg_expr_print_glsl(out, expr->args[0], vars, is_integer);
    mvg_str_append(out, ")");
    return;
  case MVG_EXPR_ADD:
  case MVG_EXPR_SUB:
  case MVG_EXPR_MUL:
    mvg_str_append(out, "(");
    mvg_expr_print_glsl(out, expr->args[0], vars, is_integer);
    mvg_str_appendf(out, " %s ", operator_tokens[expr->op]);
    mvg_expr_print_glsl(out, expr->args[1], vars, is_integer);
    mvg_str_append(out, ")");
    return;
  case MVG_EXPR_DIV:
  case MVG_EXPR_MOD:
    // Floored like the host; a constant positive divisor and the usual non-negative operand need no
    // helper, but only the helper is right for negative ones, and drivers fold it where the sign is
    // known.
    if (expr->op == MVG_EXPR_DIV && !is_integer) {
      mvg_str_append(out, "(");
    } else {
      mvg_str_append(out, !is_integer                ? "mod("
                          : expr->op == MVG_EXPR_DIV ? "floor_div("
                                                     : "floor_mod(");
    }
    mvg_expr_print_glsl(out, expr->args[0], vars, is_integer);
    mvg_str_append(out, expr->op == MVG_EXPR_DIV && !is_integer ? " / " : ", ");
    mvg_expr_print_glsl(out, expr->args[1], vars, is_integer);
    mvg_str_append(out, ")");
    return;
  case MVG_EXPR_SELECT:
    mvg_str_append(out, "(");
    print_condition(out, expr->args[0], vars, is_integer);
    mvg_str_append(out, " ? ");
    mvg_expr_print_glsl(out, expr->args[1], vars, is_integer);
    mvg_str_append(out, " : ");
    mvg_expr_print_glsl(out, expr->args[2], vars, is_integer);
    mvg_str_append(out, ")");
    return;
  default:
    break;
  }
  if (is_comparison(expr->op) || expr->op == MVG_EXPR_NOT || expr->op == MVG_EXPR_ISNAN) {
    mvg_str_append(out, is_integer ? "int(" : "float(");
    print_condition(out, expr, vars, is_integer);
    mvg_str_append(out, ")");
    return;
  }
  print_call(out, expr, vars, is_integer);
}

// As a bool expression: comparisons directly, anything else compared with zero.
static void print_condition(mvg_str *out, const mvg_expr *expr, const char *const *vars,
                            bool is_integer) {
  if (expr->op == MVG_EXPR_ISNAN) {
    mvg_str_append(out, "isnan_(");
    mvg_expr_print_glsl(out, expr->args[0], vars, is_integer);
    mvg_str_append(out, ")");
  } else if (expr->op == MVG_EXPR_NOT) {
    mvg_str_append(out, "!");
    print_condition(out, expr->args[0], vars, is_integer);
  } else if (expr->op == MVG_EXPR_AND || expr->op == MVG_EXPR_OR) {
    mvg_str_append(out, "(");
    print_condition(out, expr->args[0], vars, is_integer);
    mvg_str_appendf(out, " %s ", operator_tokens[expr->op]);
    print_condition(out, expr->args[1], vars, is_integer);
    mvg_str_append(out, ")");
  } else if (is_comparison(expr->op)) {
    mvg_str_append(out, "(");
    mvg_expr_print_glsl(out, expr->args[0], vars, is_integer);
    mvg_str_appendf(out, " %s ", operator_tokens[expr->op]);
    mvg_expr_print_glsl(out, expr->args[1], vars, is_integer);
    mvg_str_append(out, ")");
  } else {
    mvg_str_append(out, "(");
    mvg_expr_print_glsl(out, expr, vars, is_integer);
    mvg_str_append(out, is_integer ? " != 0)" : " != 0.0)");
  }
}

void mvg_expr_print_text(mvg_str *out, const mvg_expr *expr, const char *const *names) {
  uint32_t arity = mvg_expr_get_arity(expr->op);
  if (expr->op == MVG_EXPR_CONST) {
    if (isinf(expr->value)) {
      mvg_str_append(out, expr->value < 0 ? "(-inf)" : "inf");
    } else if (isnan(expr->value)) {
      mvg_str_append(out, signbit(expr->value) ? "(-nan)" : "nan");
    } else {
      mvg_str_appendf(out, expr->value < 0 ? "(%.17g)" : "%.17g", expr->value);
    }
  } else if (expr->op == MVG_EXPR_VAR) {
    if (names) {
      mvg_str_append(out, names[expr->var]);
    } else {
      mvg_str_appendf(out, "v%u", expr->var);
    }
  } else if (expr->op == MVG_EXPR_SELECT) {
    mvg_str_append(out, "(");
    mvg_expr_print_text(out, expr->args[0], names);
    mvg_str_append(out, " ? ");
    mvg_expr_print_text(out, expr->args[1], names);
    mvg_str_append(out, " : ");
    mvg_expr_print_text(out, expr->args[2], names);
    mvg_str_append(out, ")");
  } else if (operator_tokens[expr->op]) {
    mvg_str_append(out, "(");
    mvg_expr_print_text(out, expr->args[0], names);
    mvg_str_appendf(out, " %s ", operator_tokens[expr->op]);
    mvg_expr_print_text(out, expr->args[1], names);
    mvg_str_append(out, ")");
  } else {
    const char *name = expr->op == MVG_EXPR_NEG   ? "-"
                       : expr->op == MVG_EXPR_NOT ? "!"
                                                  : function_names[expr->op];
    mvg_str_appendf(out, "%s(", name);
    for (uint32_t i = 0; i < arity; ++i) {
      if (i) mvg_str_append(out, ", ");
      mvg_expr_print_text(out, expr->args[i], names);
    }
    mvg_str_append(out, ")");
  }
}

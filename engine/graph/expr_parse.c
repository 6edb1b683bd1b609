// Expression text -> tree: a recursive-descent parser over the C-like grammar in expr.h.
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph/expr.h"

#define MAX_DEPTH 500

typedef struct {
  mvg_arena *arena;
  const char *text, *cursor;
  const char *const *names;
  uint32_t name_count;
  int depth;  // of calls
  int height; // of the tree that was parsed last
} parser;

static const struct {
  const char *name;
  mvg_expr_op op;
} functions[] = {
    {"min", MVG_EXPR_MIN},     {"max", MVG_EXPR_MAX},
    {"abs", MVG_EXPR_ABS},     {"floor", MVG_EXPR_FLOOR},
    {"ceil", MVG_EXPR_CEIL},   {"round", MVG_EXPR_ROUND},
    {"sign", MVG_EXPR_SIGN},   {"exp", MVG_EXPR_EXP},
    {"log", MVG_EXPR_LOG},     {"sqrt", MVG_EXPR_SQRT},
    {"rsqrt", MVG_EXPR_RSQRT}, {"pow", MVG_EXPR_POW},
    {"sin", MVG_EXPR_SIN},     {"cos", MVG_EXPR_COS},
    {"tan", MVG_EXPR_TAN},     {"asin", MVG_EXPR_ASIN},
    {"acos", MVG_EXPR_ACOS},   {"atan", MVG_EXPR_ATAN},
    {"atan2", MVG_EXPR_ATAN2}, {"tanh", MVG_EXPR_TANH},
    {"expm1", MVG_EXPR_EXPM1}, {"log1p", MVG_EXPR_LOG1P},
    {"erf", MVG_EXPR_ERF},     {"sigmoid", MVG_EXPR_SIGMOID},
    {"isnan", MVG_EXPR_ISNAN}, {"random_uniform", MVG_EXPR_RANDOM},
};
#define FUNCTION_COUNT (sizeof functions / sizeof functions[0])

static const struct {
  const char *name;
  double value;
} constants[] = {{"pi", M_PI}, {"inf", INFINITY}, {"nan", NAN}};

static mvg_status fail(const parser *p, const char *what) {
  return MVG_ERROR(MVG_INVALID_ARGUMENT, "expression \"%s\", column %d: %s", p->text,
                   (int)(p->cursor - p->text) + 1, what);
}

static void skip_space(parser *p) {
  while (isspace((unsigned char)*p->cursor))
    ++p->cursor;
}

static bool accept(parser *p, const char *token) {
  skip_space(p);
  size_t length = strlen(token);
  if (strncmp(p->cursor, token, length) != 0) return false;
  p->cursor += length;
  return true;
}

static mvg_status parse_ternary(parser *p, const mvg_expr **out);

// Puts an operation on top of trees that are `height` high.
static mvg_status make(parser *p, mvg_expr_op op, const mvg_expr *const *args, int height,
                       const mvg_expr **out) {
  p->height = height + 1;
  if (p->height > MAX_DEPTH) return fail(p, "nested too deeply");
  return mvg_expr_make(p->arena, op, args, out);
}

static int max_of(int a, int b) {
  return a > b ? a : b;
}

static mvg_status unknown_name(parser *p, const char *name) {
  const char *nearest = NULL;
  size_t best = 4;
  for (uint32_t i = 0; i < p->name_count + FUNCTION_COUNT; ++i) {
    const char *known = i < p->name_count ? p->names[i] : functions[i - p->name_count].name;
    size_t distance = mvg_str_distance(name, known);
    if (distance < best) {
      best = distance;
      nearest = known;
    }
  }
  char what[160];
  snprintf(what, sizeof what,
           nearest ? "unknown name '%s'; did you mean '%s'?" : "unknown name '%s'", name, nearest);
  return fail(p, what);
}

static mvg_status parse_call(parser *p, mvg_expr_op op, const mvg_expr **out) {
  const mvg_expr *args[4] = {0};
  uint32_t arity = mvg_expr_get_arity(op);
  int height = 0;
  for (uint32_t i = 0; i < arity; ++i) {
    MVG_RETURN_IF_ERROR(parse_ternary(p, &args[i]));
    height = max_of(height, p->height);
    bool is_last = i + 1 == arity;
    if (!accept(p, is_last ? ")" : ",")) {
      return fail(p, is_last ? "expected ')' after the last argument" : "too few arguments");
    }
  }
  return make(p, op, args, height, out);
}

static mvg_status parse_name(parser *p, const mvg_expr **out) {
  char name[64];
  size_t length = 0;
  while (isalnum((unsigned char)p->cursor[length]) || p->cursor[length] == '_')
    ++length;
  if (length >= sizeof name) return fail(p, "name too long");
  memcpy(name, p->cursor, length);
  name[length] = '\0';
  p->height = 1;
  for (uint32_t i = 0; i < p->name_count; ++i) {
    if (strcmp(name, p->names[i]) == 0) {
      p->cursor += length;
      return mvg_expr_var(p->arena, i, out);
    }
  }
  for (size_t i = 0; i < sizeof constants / sizeof constants[0]; ++i) {
    if (strcmp(name, constants[i].name) != 0) continue;
    p->cursor += length;
    return mvg_expr_const(p->arena, constants[i].value, out);
  }
  for (size_t i = 0; i < FUNCTION_COUNT; ++i) {
    if (strcmp(name, functions[i].name) != 0) continue;
    p->cursor += length;
    if (!accept(p, "(")) return fail(p, "expected '(' after a function name");
    return parse_call(p, functions[i].op, out);
  }
  return unknown_name(p, name);
}

static mvg_status parse_primary(parser *p, const mvg_expr **out) {
  skip_space(p);
  if (accept(p, "(")) {
    MVG_RETURN_IF_ERROR(parse_ternary(p, out));
    return accept(p, ")") ? NULL : fail(p, "expected ')'");
  }
  if (isdigit((unsigned char)*p->cursor) || *p->cursor == '.') {
    char *end;
    double value = strtod(p->cursor, &end);
    if (end == p->cursor) return fail(p, "malformed number");
    p->cursor = end;
    p->height = 1;
    return mvg_expr_const(p->arena, value, out);
  }
  if (isalpha((unsigned char)*p->cursor) || *p->cursor == '_') return parse_name(p, out);
  return fail(p, *p->cursor ? "unexpected character" : "unexpected end");
}

static mvg_status parse_unary(parser *p, const mvg_expr **out) {
  skip_space(p);
  mvg_expr_op op = *p->cursor == '-' ? MVG_EXPR_NEG : MVG_EXPR_NOT;
  if (*p->cursor == '-' || (*p->cursor == '!' && p->cursor[1] != '=')) {
    ++p->cursor;
    if (++p->depth > MAX_DEPTH) return fail(p, "nested too deeply");
    const mvg_expr *arg;
    MVG_RETURN_IF_ERROR(parse_unary(p, &arg));
    --p->depth;
    return make(p, op, &arg, p->height, out);
  }
  return parse_primary(p, out);
}

// Binary levels from loosest to tightest; longer tokens first within a level.
static const struct {
  const char *token;
  mvg_expr_op op;
  int level;
} binaries[] = {
    {"||", MVG_EXPR_OR, 0}, {"&&", MVG_EXPR_AND, 1}, {"==", MVG_EXPR_EQ, 2}, {"!=", MVG_EXPR_NE, 2},
    {"<=", MVG_EXPR_LE, 3}, {">=", MVG_EXPR_GE, 3},  {"<", MVG_EXPR_LT, 3},  {">", MVG_EXPR_GT, 3},
    {"+", MVG_EXPR_ADD, 4}, {"-", MVG_EXPR_SUB, 4},  {"*", MVG_EXPR_MUL, 5}, {"/", MVG_EXPR_DIV, 5},
    {"%", MVG_EXPR_MOD, 5},
};
#define TIGHTEST_LEVEL 5

static bool accept_binary(parser *p, int level, mvg_expr_op *out_op) {
  for (size_t i = 0; i < sizeof binaries / sizeof binaries[0]; ++i) {
    if (binaries[i].level == level && accept(p, binaries[i].token)) {
      *out_op = binaries[i].op;
      return true;
    }
  }
  return false;
}

static mvg_status parse_binary(parser *p, int level, const mvg_expr **out) {
  if (level > TIGHTEST_LEVEL) return parse_unary(p, out);
  MVG_RETURN_IF_ERROR(parse_binary(p, level + 1, out));
  mvg_expr_op op;
  while (accept_binary(p, level, &op)) {
    const mvg_expr *args[2] = {*out, NULL};
    int height = p->height;
    MVG_RETURN_IF_ERROR(parse_binary(p, level + 1, &args[1]));
    MVG_RETURN_IF_ERROR(make(p, op, args, max_of(height, p->height), out));
  }
  return NULL;
}

static mvg_status parse_ternary(parser *p, const mvg_expr **out) {
  if (++p->depth > MAX_DEPTH) return fail(p, "nested too deeply");
  MVG_RETURN_IF_ERROR(parse_binary(p, 0, out));
  if (accept(p, "?")) {
    const mvg_expr *args[3] = {*out, NULL, NULL};
    int height = p->height;
    MVG_RETURN_IF_ERROR(parse_ternary(p, &args[1]));
    height = max_of(height, p->height);
    if (!accept(p, ":")) return fail(p, "expected ':' of the conditional");
    MVG_RETURN_IF_ERROR(parse_ternary(p, &args[2]));
    MVG_RETURN_IF_ERROR(make(p, MVG_EXPR_SELECT, args, max_of(height, p->height), out));
  }
  --p->depth;
  return NULL;
}

mvg_status mvg_expr_parse(mvg_arena *arena, const char *text, const char *const *names,
                          uint32_t name_count, const mvg_expr **out_expr) {
  *out_expr = NULL;
  parser p = {
      .arena = arena, .text = text, .cursor = text, .names = names, .name_count = name_count};
  MVG_RETURN_IF_ERROR(parse_ternary(&p, out_expr));
  skip_space(&p);
  return *p.cursor ? fail(&p, "unexpected text after the expression") : NULL;
}

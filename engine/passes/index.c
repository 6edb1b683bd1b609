// Interning and simplification of index arithmetic. Places in tensors are in place.c.
#include "passes/index.h"

#include <string.h>

#include "base/hash.h"

#define MAX_TERMS 32
#define UNBOUNDED (INT64_C(1) << 40)

void mvg_index_pool_deinit(mvg_index_pool *pool) {
  mvg_arena_deinit(&pool->arena);
  mvg_array_deinit(&pool->nodes);
  mvg_array_deinit(&pool->table);
  mvg_status_destroy(pool->failure);
  pool->failure = NULL;
}

mvg_status mvg_index_pool_take_failure(mvg_index_pool *pool) {
  mvg_status failure = pool->failure;
  pool->failure = NULL;
  return failure;
}

static const mvg_index *give_up(mvg_index_pool *pool, mvg_status status) {
  pool->failure = mvg_status_join(pool->failure, status);
  pool->zero = (mvg_index){.kind = MVG_INDEX_SUM};
  return &pool->zero;
}

static uint64_t hash_index(const mvg_index *index) {
  uint64_t hash = mvg_hash_u64(MVG_HASH_SEED, index->kind);
  hash = mvg_hash_u64(hash, (uint64_t)index->constant);
  hash = mvg_hash_u64(hash, (uint64_t)index->divisor);
  hash = mvg_hash_u64(hash, (uint64_t)index->modulus);
  hash = mvg_hash_u64(hash, index->op);
  for (uint32_t i = 0; i < index->term_count; ++i) {
    hash = mvg_hash_u64(hash, (uint64_t)index->terms[i].coefficient);
    hash = mvg_hash_u64(hash, index->terms[i].index->id);
  }
  for (uint32_t i = 0; i < 3; ++i)
    hash = mvg_hash_u64(hash, index->args[i] ? index->args[i]->id : ~0u);
  return hash;
}

static bool is_same(const mvg_index *a, const mvg_index *b) {
  bool is_equal = a->kind == b->kind && a->constant == b->constant && a->divisor == b->divisor &&
                  a->modulus == b->modulus && a->op == b->op && a->term_count == b->term_count &&
                  memcmp(a->args, b->args, sizeof a->args) == 0;
  for (uint32_t i = 0; is_equal && i < a->term_count; ++i) {
    is_equal = a->terms[i].coefficient == b->terms[i].coefficient &&
               a->terms[i].index == b->terms[i].index;
  }
  return is_equal;
}

static mvg_status rehash(mvg_index_pool *pool, size_t capacity) {
  mvg_array_deinit(&pool->table);
  MVG_RETURN_IF_ERROR(mvg_array_reserve(&pool->table, capacity));
  pool->table.count = capacity;
  memset(pool->table.items, 0xFF, capacity * sizeof *pool->table.items);
  for (uint32_t i = 0; i < pool->nodes.count; ++i) {
    if (pool->nodes.items[i]->kind == MVG_INDEX_VAR) continue;
    size_t slot = hash_index(pool->nodes.items[i]) & (capacity - 1);
    while (pool->table.items[slot] != UINT32_MAX)
      slot = (slot + 1) & (capacity - 1);
    pool->table.items[slot] = i;
  }
  return NULL;
}

static mvg_status store(mvg_index_pool *pool, const mvg_index *draft, const mvg_index **out) {
  mvg_index *kept;
  MVG_RETURN_IF_ERROR(mvg_arena_copy(&pool->arena, draft, 1, sizeof *draft, (void **)&kept));
  MVG_RETURN_IF_ERROR(mvg_arena_copy(&pool->arena, draft->terms, draft->term_count,
                                     sizeof *draft->terms, (void **)&kept->terms));
  kept->id = (uint32_t)pool->nodes.count;
  MVG_RETURN_IF_ERROR(mvg_array_push(&pool->nodes, kept));
  *out = kept;
  return NULL;
}

static const mvg_index *intern(mvg_index_pool *pool, const mvg_index *draft) {
  if (pool->failure) return give_up(pool, NULL);
  mvg_status status = NULL;
  if ((pool->nodes.count + 1) * 2 > pool->table.count) {
    status = rehash(pool, pool->table.count ? pool->table.count * 2 : 256);
    if (status) return give_up(pool, status);
  }
  size_t mask = pool->table.count - 1, slot = hash_index(draft) & mask;
  while (pool->table.items[slot] != UINT32_MAX) {
    const mvg_index *known = pool->nodes.items[pool->table.items[slot]];
    if (is_same(known, draft)) return known;
    slot = (slot + 1) & mask;
  }
  const mvg_index *kept;
  status = store(pool, draft, &kept);
  if (status) return give_up(pool, status);
  pool->table.items[slot] = kept->id;
  return kept;
}

const mvg_index *mvg_index_make_var(mvg_index_pool *pool, int64_t size, uint32_t depth) {
  if (pool->failure) return give_up(pool, NULL);
  mvg_index draft = {.kind = MVG_INDEX_VAR, .depth = depth, .high = size > 0 ? size - 1 : 0};
  const mvg_index *kept;
  mvg_status status = store(pool, &draft, &kept);
  return status ? give_up(pool, status) : kept;
}

const mvg_index *mvg_index_make_const(mvg_index_pool *pool, int64_t value) {
  return intern(
      pool, &(mvg_index){.kind = MVG_INDEX_SUM, .constant = value, .low = value, .high = value});
}

bool mvg_index_is_const(const mvg_index *index, int64_t value) {
  return index->kind == MVG_INDEX_SUM && index->term_count == 0 && index->constant == value;
}

// ---- sums ----

typedef struct {
  int64_t constant;
  uint32_t count;
  mvg_index_term terms[MAX_TERMS];
} sum;

static bool add_term(sum *into, const mvg_index *index, int64_t factor) {
  for (uint32_t i = 0; i < into->count; ++i) {
    if (into->terms[i].index == index) {
      into->terms[i].coefficient += factor;
      return true;
    }
  }
  if (into->count == MAX_TERMS) return false;
  into->terms[into->count++] = (mvg_index_term){factor, index};
  return true;
}

static bool add_index(sum *into, const mvg_index *index, int64_t factor) {
  if (index->kind != MVG_INDEX_SUM) return add_term(into, index, factor);
  into->constant += index->constant * factor;
  for (uint32_t i = 0; i < index->term_count; ++i) {
    if (!add_term(into, index->terms[i].index, index->terms[i].coefficient * factor)) return false;
  }
  return true;
}

static void remove_zero_terms(sum *s) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < s->count; ++i) {
    if (s->terms[i].coefficient) s->terms[kept++] = s->terms[i];
  }
  s->count = kept;
}

typedef struct {
  const mvg_index *base;
  int64_t divisor, modulus;
} digit;

static digit as_digit(const mvg_index *index) {
  if (index->kind == MVG_INDEX_DIGIT) {
    return (digit){index->args[0], index->divisor, index->modulus};
  }
  return (digit){index, 1, 0};
}

// (x / (d m)) * c m + (x / d % m) * c is (x / d) * c: undoes the splitting of an index into
// coordinates.
static bool recombine_pair(mvg_index_pool *pool, sum *s) {
  for (uint32_t i = 0; i < s->count; ++i) {
    digit low = as_digit(s->terms[i].index);
    if (!low.modulus) continue;
    for (uint32_t j = 0; j < s->count; ++j) {
      digit high = as_digit(s->terms[j].index);
      int64_t c = s->terms[i].coefficient;
      bool fits = i != j && high.base == low.base && high.divisor == low.divisor * low.modulus &&
                  s->terms[j].coefficient == c * low.modulus;
      if (!fits) continue;
      int64_t modulus = high.modulus ? high.modulus * low.modulus : 0;
      s->terms[i].coefficient = s->terms[j].coefficient = 0;
      remove_zero_terms(s);
      return add_index(s, mvg_index_make_digit(pool, low.base, low.divisor, modulus), c);
    }
  }
  return false;
}

// a + b * c, or as near to it as a bound needs to be.
static int64_t add_product(int64_t a, int64_t b, int64_t c) {
  const int64_t limit = INT64_MAX / 2;
  int64_t product, total;
  if (__builtin_mul_overflow(b, c, &product)) product = (b < 0) == (c < 0) ? limit : -limit;
  if (__builtin_add_overflow(a, product, &total)) total = product < 0 ? -limit : limit;
  return total > limit ? limit : total < -limit ? -limit : total;
}

static const mvg_index *intern_sum(mvg_index_pool *pool, sum *s) {
  remove_zero_terms(s);
  while (s->count > 1 && recombine_pair(pool, s))
    remove_zero_terms(s);
  if (s->count == 1 && s->constant == 0 && s->terms[0].coefficient == 1) return s->terms[0].index;
  for (uint32_t i = 1; i < s->count; ++i) { // one order, whatever the way the sum was built
    mvg_index_term term = s->terms[i];
    uint32_t j = i;
    for (; j > 0 && s->terms[j - 1].index->id > term.index->id; --j)
      s->terms[j] = s->terms[j - 1];
    s->terms[j] = term;
  }
  mvg_index draft = {.kind = MVG_INDEX_SUM,
                     .constant = s->constant,
                     .low = s->constant,
                     .high = s->constant,
                     .term_count = s->count,
                     .terms = s->terms};
  for (uint32_t i = 0; i < s->count; ++i) {
    const mvg_index *index = s->terms[i].index;
    int64_t c = s->terms[i].coefficient;
    draft.low = add_product(draft.low, c, c > 0 ? index->low : index->high);
    draft.high = add_product(draft.high, c, c > 0 ? index->high : index->low);
    if (index->depth > draft.depth) draft.depth = index->depth;
  }
  return intern(pool, &draft);
}

static const mvg_index *make_op(mvg_index_pool *pool, mvg_expr_op op, const mvg_index *const *args);

const mvg_index *mvg_index_make_sum(mvg_index_pool *pool, const mvg_index *a, int64_t a_factor,
                                    const mvg_index *b, int64_t b_factor) {
  sum s = {0};
  if (add_index(&s, a, a_factor) && add_index(&s, b, b_factor)) return intern_sum(pool, &s);
  const mvg_index *scaled[2] = {a, b}; // too many terms: an opaque addition
  if (a_factor != 1) scaled[0] = mvg_index_make_sum(pool, a, a_factor, a, 0);
  if (b_factor != 1) scaled[1] = mvg_index_make_sum(pool, b, b_factor, b, 0);
  return make_op(pool, MVG_EXPR_ADD, scaled);
}

// ---- digits ----

static int64_t floor_div(int64_t a, int64_t b) {
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static int64_t floor_mod(int64_t a, int64_t b) {
  return a - floor_div(a, b) * b;
}

static int64_t gcd(int64_t a, int64_t b) {
  while (b) {
    int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a < 0 ? -a : a;
}

static bool lies_in(const mvg_index *index, int64_t low, int64_t high) {
  return index->low >= low && index->high <= high;
}

// floor((d Q + R) / d) = Q + floor(R / d); NULL when nothing can be drawn out.
static const mvg_index *simplify_sum_digit(mvg_index_pool *pool, const mvg_index *base, int64_t d,
                                           int64_t m) {
  sum quotient = {.constant = floor_div(base->constant, d)};
  sum rest = {.constant = floor_mod(base->constant, d)};
  int64_t common = d;
  for (uint32_t i = 0; i < base->term_count; ++i) {
    mvg_index_term term = base->terms[i];
    common = gcd(common, term.coefficient);
    if (term.coefficient % d == 0) {
      quotient.terms[quotient.count++] = (mvg_index_term){term.coefficient / d, term.index};
    } else {
      rest.terms[rest.count++] = term;
    }
  }
  if (quotient.count || quotient.constant) {
    const mvg_index *r = intern_sum(pool, &rest), *q = intern_sum(pool, &quotient);
    if (!lies_in(r, 0, d - 1)) {
      q = mvg_index_make_sum(pool, q, 1, mvg_index_make_digit(pool, r, d, 0), 1);
    }
    return mvg_index_make_digit(pool, q, 1, m);
  }
  if (common <= 1) return NULL;
  sum scaled = {.constant = floor_div(base->constant, common)};
  for (uint32_t i = 0; i < base->term_count; ++i) {
    mvg_index_term term = base->terms[i];
    scaled.terms[scaled.count++] = (mvg_index_term){term.coefficient / common, term.index};
  }
  return mvg_index_make_digit(pool, intern_sum(pool, &scaled), d / common, m);
}

// (m Q + R) % m = R % m
static const mvg_index *simplify_sum_modulus(mvg_index_pool *pool, const mvg_index *base,
                                             int64_t m) {
  sum rest = {.constant = floor_mod(base->constant, m)};
  for (uint32_t i = 0; i < base->term_count; ++i) {
    mvg_index_term term = base->terms[i];
    if (term.coefficient % m) rest.terms[rest.count++] = term;
  }
  if (rest.count == base->term_count && rest.constant == base->constant) return NULL;
  return mvg_index_make_digit(pool, intern_sum(pool, &rest), 1, m);
}

// A digit of a digit is a digit when the periods nest.
static const mvg_index *simplify_nested_digit(mvg_index_pool *pool, const mvg_index *inner,
                                              int64_t d, int64_t m) {
  int64_t period = inner->modulus;
  if (period == 0) return mvg_index_make_digit(pool, inner->args[0], inner->divisor * d, m);
  if (period % d) return NULL;
  period /= d;
  if (m == 0) return mvg_index_make_digit(pool, inner->args[0], inner->divisor * d, period);
  if (period % m) return NULL;
  return mvg_index_make_digit(pool, inner->args[0], inner->divisor * d, m);
}

const mvg_index *mvg_index_make_digit(mvg_index_pool *pool, const mvg_index *base, int64_t divisor,
                                      int64_t modulus) {
  int64_t d = divisor, m = modulus;
  if (d <= 0 || m < 0) {
    return give_up(pool, MVG_ERROR(MVG_INVALID_ARGUMENT, "an index is divided by zero or less"));
  }
  int64_t low = floor_div(base->low, d), high = floor_div(base->high, d);
  if (m == 1 || (low == high && (m == 0 || base->low == base->high || low >= 0))) {
    return mvg_index_make_const(pool, m == 1 ? 0 : m ? floor_mod(low, m) : low);
  }
  if (m && low >= 0 && high < m) m = 0;
  if (d == 1 && m == 0) return base;
  const mvg_index *simpler = NULL;
  if (base->kind == MVG_INDEX_SUM) {
    simpler = d > 1 ? simplify_sum_digit(pool, base, d, m) : simplify_sum_modulus(pool, base, m);
  } else if (base->kind == MVG_INDEX_DIGIT) {
    simpler = simplify_nested_digit(pool, base, d, m);
  }
  if (simpler) return simpler;
  mvg_index draft = {.kind = MVG_INDEX_DIGIT,
                     .divisor = d,
                     .modulus = m,
                     .args = {base},
                     .depth = base->depth,
                     .low = m ? 0 : low,
                     .high = m ? m - 1 : high};
  return intern(pool, &draft);
}

const mvg_index *mvg_index_make_assume(mvg_index_pool *pool, const mvg_index *base, int64_t low,
                                       int64_t high) {
  if (lies_in(base, low, high)) return base;
  return intern(pool, &(mvg_index){.kind = MVG_INDEX_ASSUME,
                                   .args = {base},
                                   .depth = base->depth,
                                   .low = low,
                                   .high = high});
}

// ---- expressions ----

static bool is_truth(mvg_expr_op op) {
  return (op >= MVG_EXPR_LT && op <= MVG_EXPR_OR) || op == MVG_EXPR_NOT;
}

static void bound_op(mvg_index *draft) {
  const mvg_index *a = draft->args[0], *b = draft->args[1], *c = draft->args[2];
  draft->low = -UNBOUNDED;
  draft->high = UNBOUNDED;
  if (is_truth(draft->op)) {
    draft->low = 0;
    draft->high = 1;
  } else if (draft->op == MVG_EXPR_MIN) {
    draft->low = a->low < b->low ? a->low : b->low;
    draft->high = a->high < b->high ? a->high : b->high;
  } else if (draft->op == MVG_EXPR_MAX) {
    draft->low = a->low > b->low ? a->low : b->low;
    draft->high = a->high > b->high ? a->high : b->high;
  } else if (draft->op == MVG_EXPR_SELECT) {
    draft->low = b->low < c->low ? b->low : c->low;
    draft->high = b->high > c->high ? b->high : c->high;
  }
}

// -1: the ranges do not decide it.
static int decide(mvg_expr_op op, const mvg_index *a, const mvg_index *b) {
  switch (op) {
  case MVG_EXPR_LT:
    return a->high < b->low ? 1 : a->low >= b->high ? 0 : -1;
  case MVG_EXPR_LE:
    return a->high <= b->low ? 1 : a->low > b->high ? 0 : -1;
  case MVG_EXPR_GT:
    return decide(MVG_EXPR_LT, b, a);
  case MVG_EXPR_GE:
    return decide(MVG_EXPR_LE, b, a);
  case MVG_EXPR_EQ:
    return a == b ? 1 : a->high < b->low || b->high < a->low ? 0 : -1;
  case MVG_EXPR_NE:
    return a == b ? 0 : a->high < b->low || b->high < a->low ? 1 : -1;
  case MVG_EXPR_AND:
    if (mvg_index_is_const(a, 0) || mvg_index_is_const(b, 0)) return 0;
    return mvg_index_is_const(a, 1) && mvg_index_is_const(b, 1) ? 1 : -1;
  case MVG_EXPR_OR:
    if (mvg_index_is_const(a, 1) || mvg_index_is_const(b, 1)) return 1;
    return mvg_index_is_const(a, 0) && mvg_index_is_const(b, 0) ? 0 : -1;
  case MVG_EXPR_NOT:
    return mvg_index_is_const(a, 0) ? 1 : a->low > 0 ? 0 : -1;
  default:
    return -1;
  }
}

static const mvg_index *make_op(mvg_index_pool *pool, mvg_expr_op op,
                                const mvg_index *const *args) {
  mvg_index draft = {.kind = MVG_INDEX_OP, .op = op};
  uint32_t arity = mvg_expr_get_arity(op);
  bool is_constant = true;
  for (uint32_t i = 0; i < arity; ++i) {
    draft.args[i] = args[i];
    if (args[i]->depth > draft.depth) draft.depth = args[i]->depth;
    is_constant = is_constant && args[i]->kind == MVG_INDEX_SUM && args[i]->term_count == 0;
  }
  if (is_truth(op)) {
    int truth = decide(op, args[0], arity > 1 ? args[1] : NULL);
    if (truth >= 0) return mvg_index_make_const(pool, truth);
    if (op == MVG_EXPR_AND && mvg_index_is_const(args[0], 1)) return args[1];
    if (op == MVG_EXPR_AND && mvg_index_is_const(args[1], 1)) return args[0];
    if (op == MVG_EXPR_OR && mvg_index_is_const(args[0], 0)) return args[1];
    if (op == MVG_EXPR_OR && mvg_index_is_const(args[1], 0)) return args[0];
  }
  if (op == MVG_EXPR_SELECT) {
    if (args[0]->low > 0 || args[0]->high < 0) return args[1];
    if (mvg_index_is_const(args[0], 0)) return args[2];
    if (args[1] == args[2]) return args[1];
  }
  if (op == MVG_EXPR_MIN && args[0]->high <= args[1]->low) return args[0];
  if (op == MVG_EXPR_MIN && args[1]->high <= args[0]->low) return args[1];
  if (op == MVG_EXPR_MAX && args[0]->low >= args[1]->high) return args[0];
  if (op == MVG_EXPR_MAX && args[1]->low >= args[0]->high) return args[1];
  bound_op(&draft);
  return intern(pool, &draft);
}

const mvg_index *mvg_index_from_expr(mvg_index_pool *pool, const mvg_expr *expr,
                                     const mvg_index *const *vars) {
  if (expr->op == MVG_EXPR_CONST) return mvg_index_make_const(pool, (int64_t)expr->value);
  if (expr->op == MVG_EXPR_VAR) return vars[expr->var];
  const mvg_index *args[4] = {0};
  for (uint32_t i = 0; i < mvg_expr_get_arity(expr->op); ++i) {
    args[i] = mvg_index_from_expr(pool, expr->args[i], vars);
  }
  bool has_constant = args[1] && args[1]->kind == MVG_INDEX_SUM && args[1]->term_count == 0;
  switch (expr->op) {
  case MVG_EXPR_ADD:
    return mvg_index_make_sum(pool, args[0], 1, args[1], 1);
  case MVG_EXPR_SUB:
    return mvg_index_make_sum(pool, args[0], 1, args[1], -1);
  case MVG_EXPR_NEG:
    return mvg_index_make_sum(pool, args[0], -1, args[0], 0);
  case MVG_EXPR_FLOOR:
  case MVG_EXPR_CEIL:
  case MVG_EXPR_ROUND:
    return args[0];
  case MVG_EXPR_MUL:
    if (has_constant) return mvg_index_make_sum(pool, args[0], args[1]->constant, args[0], 0);
    if (args[0]->kind == MVG_INDEX_SUM && args[0]->term_count == 0) {
      return mvg_index_make_sum(pool, args[1], args[0]->constant, args[1], 0);
    }
    break;
  case MVG_EXPR_DIV:
    if (has_constant) return mvg_index_make_digit(pool, args[0], args[1]->constant, 0);
    break;
  case MVG_EXPR_MOD:
    if (has_constant && args[1]->constant > 0) {
      return mvg_index_make_digit(pool, args[0], 1, args[1]->constant);
    }
    break;
  case MVG_EXPR_RANDOM:
    return give_up(pool, MVG_ERROR(MVG_INVALID_ARGUMENT, "an index cannot be random"));
  default:
    break;
  }
  return make_op(pool, expr->op, args);
}

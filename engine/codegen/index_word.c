#include "codegen/index_word.h"

#include <inttypes.h>

static bool has_known_bounds(const mvg_index *index);

static bool has_bounded_operands(const mvg_index *index) {
  for (uint32_t i = 0; i < mvg_expr_get_arity(index->op); ++i) {
    if (!has_known_bounds(index->args[i])) return false;
  }
  return true;
}

static bool has_bounded_terms(const mvg_index *index) {
  for (uint32_t i = 0; i < index->term_count; ++i) {
    if (!has_known_bounds(index->terms[i].index)) return false;
  }
  return true;
}

// passes/index.c bounds choices by their operands, and of other operations knows truths only.
static bool has_known_bounds(const mvg_index *index) {
  switch (index->kind) {
  case MVG_INDEX_SUM:
    return has_bounded_terms(index);
  case MVG_INDEX_DIGIT:
    return index->modulus > 0 || has_known_bounds(index->args[0]);
  case MVG_INDEX_OP:
    if (index->low >= 0 && index->high <= 1) return true;
    if (index->op == MVG_EXPR_SELECT)
      return has_known_bounds(index->args[1]) && has_known_bounds(index->args[2]);
    return (index->op == MVG_EXPR_MIN || index->op == MVG_EXPR_MAX) && has_bounded_operands(index);
  default:
    return true;
  }
}

static mvg_status check_range(const mvg_index *index, int64_t most) {
  bool is_low = index->low < INT32_MIN;
  if ((!is_low && index->high <= most) || !has_known_bounds(index)) return NULL;
  return MVG_ERROR(MVG_UNSUPPORTED,
                   "an index is divided or compared where it reaches %" PRId64
                   ", and is computed in 32 bits; use smaller axes",
                   is_low ? index->low : index->high);
}

static bool looks_at_operand(mvg_expr_op op, uint32_t i) {
  switch (op) {
  case MVG_EXPR_ADD:
  case MVG_EXPR_SUB:
  case MVG_EXPR_MUL:
  case MVG_EXPR_NEG:
    return false;
  case MVG_EXPR_SELECT:
    return i == 0;
  default:
    return true;
  }
}

mvg_status mvg_index_check_operands(const mvg_index *index, int64_t most) {
  if (index->kind == MVG_INDEX_DIGIT)
    return check_range(index->args[0], index->args[0]->low < 0 ? INT32_MAX : most);
  if (index->kind != MVG_INDEX_OP) return NULL;
  for (uint32_t i = 0; i < mvg_expr_get_arity(index->op); ++i) {
    if (!looks_at_operand(index->op, i)) continue;
    MVG_RETURN_IF_ERROR(check_range(index->args[i], INT32_MAX));
  }
  return NULL;
}

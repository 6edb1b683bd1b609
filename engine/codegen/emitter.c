// Scopes and statements. Every value and index is printed at the shallowest scope where its
// variables exist, which hoists invariants out of loops; values (not indices) never leave the guard
// that makes their loads legal.
#include "codegen/emitter.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "codegen/index_word.h"
#include "codegen/shader_text.h"

#define MAX_UNROLLED 4

static mvg_name make_name(mvg_emitter *e, const char *prefix) {
  mvg_name name;
  snprintf(name.text, sizeof name.text, "%s%u", prefix, e->next_name++);
  return name;
}

// ---- scopes ----

mvg_status mvg_emitter_open(mvg_emitter *e, bool is_guard) {
  mvg_scope *scope;
  MVG_RETURN_IF_ERROR(MVG_NEW(&scope));
  scope->parent = e->scope;
  scope->depth = e->scope ? e->scope->depth + 1 : 0;
  scope->guard_depth = is_guard ? scope->depth : e->scope ? e->scope->guard_depth : 0;
  scope->next_open = e->open_scopes;
  e->open_scopes = scope;
  e->scope = scope;
  return NULL;
}

static void destroy_scope(mvg_scope *scope) {
  mvg_str_deinit(&scope->text);
  mvg_array_deinit(&scope->values);
  mvg_array_deinit(&scope->indices);
  mvg_free(scope);
}

mvg_status mvg_emitter_close(mvg_emitter *e, char **out_text) {
  mvg_scope *scope = e->scope;
  e->scope = scope->parent;
  mvg_scope **link = &e->open_scopes;
  while (*link != scope)
    link = &(*link)->next_open;
  *link = scope->next_open;
  mvg_str_append(&scope->text, "");
  mvg_status status = mvg_str_take(&scope->text, out_text);
  destroy_scope(scope);
  return status;
}

void mvg_emitter_deinit(mvg_emitter *e) {
  while (e->open_scopes) {
    mvg_scope *next = e->open_scopes->next_open;
    destroy_scope(e->open_scopes);
    e->open_scopes = next;
  }
  mvg_array_deinit(&e->views);
  mvg_index_pool_deinit(&e->pool);
}

static mvg_scope *get_scope_at(mvg_emitter *e, uint32_t depth) {
  mvg_scope *scope = e->scope;
  while (scope->depth > depth)
    scope = scope->parent;
  return scope;
}

mvg_status mvg_emitter_add_element(mvg_emitter *e, const char *text, int64_t count,
                                   const mvg_index **out_element) {
  bool is_single = count <= 1;
  *out_element = is_single ? mvg_index_make_const(&e->pool, 0)
                           : mvg_index_make_var(&e->pool, count, e->scope->depth);
  if (is_single) return NULL;
  mvg_known_index known = {.index = *out_element};
  snprintf(known.name.text, sizeof known.name.text, "%s", text);
  return mvg_array_push(&e->scope->indices, known);
}

mvg_status mvg_emitter_define(mvg_emitter *e, mvg_value value, const mvg_index *linear,
                              const char *text) {
  mvg_known_value known = {.value = mvg_fusion_number(e->fusion, value), .linear = linear};
  snprintf(known.name.text, sizeof known.name.text, "%s", text);
  return mvg_array_push(&e->scope->values, known);
}

// ---- indices ----

static bool find_index(const mvg_scope *scope, const mvg_index *index, mvg_name *out) {
  for (; scope; scope = scope->parent) {
    for (size_t i = scope->indices.count; i-- > 0;) {
      if (scope->indices.items[i].index != index) continue;
      *out = scope->indices.items[i].name;
      return true;
    }
  }
  return false;
}

static mvg_status print_sum(mvg_emitter *e, const mvg_index *index, mvg_str *text) {
  bool is_first = true;
  for (uint32_t i = 0; i < index->term_count; ++i) {
    mvg_name term;
    MVG_RETURN_IF_ERROR(mvg_emitter_print_index(e, index->terms[i].index, &term));
    int64_t c = index->terms[i].coefficient;
    if (!is_first || c < 0) mvg_str_append(text, c < 0 ? (is_first ? "-" : " - ") : " + ");
    int64_t size = c < 0 ? -c : c;
    mvg_str_append(text, term.text);
    if (size != 1) mvg_str_appendf(text, " * %" PRId64, size);
    is_first = false;
  }
  if (index->constant > 0) mvg_str_appendf(text, " + %" PRId64, index->constant);
  if (index->constant < 0) mvg_str_appendf(text, " - %" PRId64, -index->constant);
  return NULL;
}

static mvg_status print_digit(mvg_emitter *e, const mvg_index *index, mvg_str *text) {
  mvg_name base;
  const mvg_index *inner = index->args[0];
  MVG_RETURN_IF_ERROR(mvg_emitter_print_index(e, inner, &base));
  if (inner->low >= 0) {
    mvg_str_appendf(text, "int(uint(%s)", base.text);
    if (index->divisor > 1) mvg_str_appendf(text, " / %" PRId64 "u", index->divisor);
    if (index->modulus > 0) mvg_str_appendf(text, " %% %" PRId64 "u", index->modulus);
    mvg_str_append(text, ")");
  } else if (index->modulus == 0) {
    mvg_str_appendf(text, "floor_div(%s, %" PRId64 ")", base.text, index->divisor);
  } else if (index->divisor == 1) {
    mvg_str_appendf(text, "floor_mod(%s, %" PRId64 ")", base.text, index->modulus);
  } else {
    mvg_str_appendf(text, "floor_mod(floor_div(%s, %" PRId64 "), %" PRId64 ")", base.text,
                    index->divisor, index->modulus);
  }
  return NULL;
}

static mvg_status print_op(mvg_emitter *e, const mvg_index *index, mvg_str *text) {
  mvg_expr vars[3] = {0};
  mvg_expr op = {.op = index->op};
  mvg_name names[3];
  const char *texts[3] = {0};
  for (uint32_t i = 0; i < mvg_expr_get_arity(index->op); ++i) {
    MVG_RETURN_IF_ERROR(mvg_emitter_print_index(e, index->args[i], &names[i]));
    texts[i] = names[i].text;
    vars[i] = (mvg_expr){.op = MVG_EXPR_VAR, .var = i};
    op.args[i] = &vars[i];
  }
  mvg_expr_print_glsl(text, &op, texts, true);
  return NULL;
}

// Names the view that made the operands.
static mvg_status check_operands(const mvg_emitter *e, const mvg_index *index) {
  mvg_status status = mvg_index_check_operands(index, UINT32_MAX);
  if (!status) return NULL;
  const mvg_node *node = NULL;
  for (size_t i = 0; i < e->views.count; ++i) {
    for (uint32_t k = 0; k < 3 && index->args[k]; ++k) {
      if (e->views.items[i].first_index <= index->args[k]->id) node = e->views.items[i].node;
    }
  }
  char origin[MVG_ORIGIN_TEXT_SIZE];
  return node ? mvg_status_annotate(status, "%s", mvg_node_format_origin(node, origin)) : status;
}

mvg_status mvg_emitter_print_index(mvg_emitter *e, const mvg_index *index, mvg_name *out) {
  if (index->kind == MVG_INDEX_ASSUME) return mvg_emitter_print_index(e, index->args[0], out);
  if (index->kind == MVG_INDEX_SUM && index->term_count == 0) {
    snprintf(out->text, sizeof out->text, index->constant < 0 ? "(%" PRId64 ")" : "%" PRId64,
             index->constant);
    return NULL;
  }
  if (find_index(e->scope, index, out)) return NULL;
  mvg_scope *here = e->scope;
  e->scope = get_scope_at(e, index->depth);
  mvg_str text = {0};
  mvg_status status = NULL;
  if (index->kind == MVG_INDEX_SUM) status = print_sum(e, index, &text);
  if (index->kind == MVG_INDEX_DIGIT) status = print_digit(e, index, &text);
  if (index->kind == MVG_INDEX_OP) status = print_op(e, index, &text);
  status = mvg_status_join(status, check_operands(e, index));
  if (index->kind == MVG_INDEX_VAR)
    status = MVG_ERROR(MVG_INTERNAL, "an index variable has no name");
  *out = make_name(e, "i");
  mvg_str_appendf(&e->scope->text, "int %s = %s;\n", out->text, text.text ? text.text : "0");
  mvg_str_deinit_part(&text, &e->scope->text);
  status =
      mvg_status_join(status, mvg_array_push(&e->scope->indices, ((mvg_known_index){index, *out})));
  e->scope = here;
  return status;
}

// ---- values ----

static bool find_value(const mvg_scope *scope, uint32_t value, const mvg_index *linear,
                       mvg_name *out) {
  for (; scope; scope = scope->parent) {
    for (size_t i = scope->values.count; i-- > 0;) {
      const mvg_known_value *known = &scope->values.items[i];
      if (known->value != value || known->linear != linear) continue;
      *out = known->name;
      return true;
    }
  }
  return false;
}

static mvg_status print_at(mvg_emitter *e, mvg_value value, const mvg_place *place, bool is_root,
                           mvg_name *out);

static mvg_status print_literal(const mvg_node *node, mvg_name *out) {
  if (node->outputs[0].dtype == MVG_DTYPE_I32) {
    snprintf(out->text, sizeof out->text, "(%d)", *(const int32_t *)node->constant.data);
    return NULL;
  }
  mvg_expr literal = {.op = MVG_EXPR_CONST, .value = *(const float *)node->constant.data};
  mvg_str text = {0};
  mvg_expr_print_glsl(&text, &literal, NULL, false);
  char *number;
  MVG_RETURN_IF_ERROR(mvg_str_take(&text, &number));
  snprintf(out->text, sizeof out->text, "%s", number);
  mvg_free(number);
  return NULL;
}

static mvg_status print_load(mvg_emitter *e, mvg_value value, const mvg_index *linear,
                             mvg_name *out) {
  uint32_t binding = 0;
  const mvg_group *group = e->group;
  for (; binding < group->read_count; ++binding) {
    mvg_value read = group->reads[binding].value;
    if (read.node == value.node && read.output == value.output) break;
  }
  if (binding == group->read_count) {
    return MVG_ERROR(MVG_INTERNAL, "a kernel reads a value that it does not bind");
  }
  const char *type = mvg_shader_get_type(mvg_graph_get_type(e->graph, value)->dtype, false);
  if (e->lane && group->reads[binding].is_pointwise) {
    mvg_str_appendf(&e->scope->text, "%s %s = q%u.%c;\n", type, out->text, binding, e->lane);
    return NULL;
  }
  mvg_name index;
  MVG_RETURN_IF_ERROR(mvg_emitter_print_index(e, linear, &index));
  mvg_str_appendf(&e->scope->text, "%s %s = ", type, out->text);
  mvg_shader_print_load(&e->scope->text, e->graph, e->caps, value, binding, false, index.text);
  mvg_str_append(&e->scope->text, ";\n");
  return NULL;
}

static mvg_status print_map(mvg_emitter *e, const mvg_node *node, const mvg_place *place,
                            mvg_name *out) {
  char texts[MVG_MAX_OPERANDS + 1][56];
  const char *pointers[MVG_MAX_OPERANDS + 1];
  const mvg_expr *expr = node->map.expr;
  for (uint32_t i = 0; i <= node->input_count; ++i) {
    pointers[i] = texts[i];
    texts[i][0] = 0;
    if (!mvg_expr_uses_var(expr, i)) continue;
    mvg_name name;
    bool is_integer = true;
    if (i == node->input_count) {
      const mvg_index *linear = mvg_place_get_linear(&e->pool, place);
      MVG_RETURN_IF_ERROR(mvg_emitter_print_index(e, linear, &name));
    } else {
      const mvg_type *type = mvg_graph_get_type(e->graph, node->inputs[i]);
      mvg_place inner;
      mvg_place_broadcast(&e->pool, place, &type->shape, &inner);
      MVG_RETURN_IF_ERROR(print_at(e, node->inputs[i], &inner, false, &name));
      is_integer = type->dtype == MVG_DTYPE_I32;
    }
    snprintf(texts[i], sizeof texts[i], is_integer ? "float(%s)" : "%s", name.text);
  }
  mvg_str text = {0};
  mvg_expr_print_glsl(&text, expr, pointers, false);
  bool is_integer = node->outputs[0].dtype == MVG_DTYPE_I32;
  bool is_copy = expr->op == MVG_EXPR_VAR && expr->var < node->input_count && is_integer &&
                 mvg_graph_get_type(e->graph, node->inputs[expr->var])->dtype == MVG_DTYPE_I32;
  if (is_copy) { // integers beyond 2^24 stay whole
    mvg_str_appendf(&e->scope->text, "int %s = int(%.*s);\n", out->text,
                    (int)strlen(texts[expr->var]) - 7, texts[expr->var] + 6);
  } else {
    mvg_str_appendf(&e->scope->text, is_integer ? "int %s = int(%s);\n" : "float %s = %s;\n",
                    out->text, text.text ? text.text : "0.0");
  }
  mvg_str_deinit_part(&text, &e->scope->text);
  return NULL;
}

static mvg_status print_view(mvg_emitter *e, const mvg_node *node, const mvg_place *place,
                             mvg_name *out) {
  const char *type = mvg_shader_get_type(node->outputs[0].dtype, false);
  const char *zero = node->outputs[0].dtype == MVG_DTYPE_I32 ? "0" : "0.0";
  mvg_place inner;
  const mvg_index *valid;
  mvg_visited_view visited = {node, (uint32_t)e->pool.nodes.count};
  MVG_RETURN_IF_ERROR(mvg_array_push(&e->views, visited));
  mvg_place_through_view(&e->pool, e->graph, node, place, &inner, &valid);
  if (!valid) return print_at(e, node->inputs[0], &inner, false, out);
  if (mvg_index_is_const(valid, 0)) {
    snprintf(out->text, sizeof out->text, "%s", zero);
    return NULL;
  }
  mvg_name condition, value;
  MVG_RETURN_IF_ERROR(mvg_emitter_print_index(e, valid, &condition));
  MVG_RETURN_IF_ERROR(mvg_emitter_open(e, true));
  char *body = NULL;
  mvg_status status = print_at(e, node->inputs[0], &inner, false, &value);
  status = mvg_status_join(status, mvg_emitter_close(e, &body));
  if (!status) {
    mvg_str_appendf(&e->scope->text, "%s %s = %s;\nif (%s != 0) {\n", type, out->text, zero,
                    condition.text);
    mvg_str_append(&e->scope->text, body);
    mvg_str_appendf(&e->scope->text, "%s = %s;\n}\n", out->text, value.text);
  }
  mvg_free(body);
  return status;
}

static void print_expr(mvg_str *text, const mvg_expr *expr, const char *first, const char *second) {
  const char *texts[2] = {first, second};
  mvg_expr_print_glsl(text, expr, texts, false);
}

typedef struct {
  const mvg_index *vars[MVG_MAX_RANK];
  mvg_name names[MVG_MAX_RANK];
  int64_t sizes[MVG_MAX_RANK];
  uint32_t count;
} loops;

static mvg_status open_loops(mvg_emitter *e, const mvg_node *node, loops *nest) {
  const mvg_shape *shape = &mvg_graph_get_type(e->graph, node->inputs[0])->shape;
  for (uint32_t i = 0; i < shape->rank; ++i) {
    if (!(node->reduce.axes >> i & 1)) continue;
    uint32_t k = nest->count++;
    nest->sizes[k] = shape->dims[i];
    MVG_RETURN_IF_ERROR(mvg_emitter_open(e, shape->dims[i] == 0));
    if (shape->dims[i] == 1) {
      nest->vars[k] = mvg_index_make_const(&e->pool, 0);
      continue;
    }
    nest->names[k] = make_name(e, "r");
    nest->vars[k] = mvg_index_make_var(&e->pool, shape->dims[i], e->scope->depth);
    MVG_RETURN_IF_ERROR(
        mvg_array_push(&e->scope->indices, ((mvg_known_index){nest->vars[k], nest->names[k]})));
  }
  return NULL;
}

static mvg_status close_loops(mvg_emitter *e, const loops *nest) {
  for (uint32_t k = nest->count; k-- > 0;) {
    char *body;
    MVG_RETURN_IF_ERROR(mvg_emitter_close(e, &body));
    if (nest->sizes[k] == 1) {
      mvg_str_appendf(&e->scope->text, "{\n%s}\n", body);
    } else {
      const char *name = nest->names[k].text;
      bool is_opaque = e->opaque_zero && nest->sizes[k] > MAX_UNROLLED;
      mvg_str_appendf(&e->scope->text, "for (int %s = 0; %s < %" PRId64 "%s; ++%s) {\n", name, name,
                      nest->sizes[k], is_opaque ? e->opaque_zero : "", name);
      mvg_str_append(&e->scope->text, body);
      mvg_str_append(&e->scope->text, "}\n");
    }
    mvg_free(body);
  }
  return NULL;
}

static mvg_status print_reduce(mvg_emitter *e, const mvg_node *node, const mvg_place *place,
                               mvg_name *out) {
  mvg_scope *outside = e->scope;
  const mvg_reduce_body *reduce = &node->reduce;
  mvg_name accumulator = make_name(e, "a"), element;
  mvg_str init = {0}, combine = {0}, finish = {0};
  print_expr(&init, reduce->init, "", "");
  loops nest = {0};
  mvg_status status = open_loops(e, node, &nest);
  mvg_place inner;
  mvg_place_through_reduce(e->graph, node, place, nest.vars, &inner);
  if (!status) status = print_at(e, node->inputs[0], &inner, false, &element);
  double count = 1;
  for (uint32_t k = 0; k < nest.count; ++k)
    count *= (double)nest.sizes[k];
  if (!status) {
    char text[56];
    bool is_integer = mvg_graph_get_type(e->graph, node->inputs[0])->dtype == MVG_DTYPE_I32;
    snprintf(text, sizeof text, is_integer ? "float(%s)" : "%s", element.text);
    print_expr(&combine, reduce->combine, accumulator.text, text);
    mvg_str_appendf(&e->scope->text, "%s = %s;\n", accumulator.text, combine.text);
    mvg_str_appendf(&outside->text, "float %s = %s;\n", accumulator.text, init.text);
    status = close_loops(e, &nest);
    char number[32];
    snprintf(number, sizeof number, "%.9g%s", count, count < 1e8 ? ".0" : "");
    print_expr(&finish, reduce->finish, accumulator.text, number);
    bool is_output_integer = node->outputs[0].dtype == MVG_DTYPE_I32;
    mvg_str_appendf(&e->scope->text, is_output_integer ? "int %s = int(%s);\n" : "float %s = %s;\n",
                    out->text, finish.text);
  }
  e->has_loop = true;
  mvg_str_deinit_part(&init, &outside->text);
  mvg_str_deinit_part(&combine, &outside->text);
  mvg_str_deinit_part(&finish, &outside->text);
  return status;
}

static mvg_status print_at(mvg_emitter *e, mvg_value value, const mvg_place *place, bool is_root,
                           mvg_name *out) {
  const mvg_node *node = mvg_graph_get_node(e->graph, value.node);
  bool is_loaded = mvg_fusion_is_loaded(e->fusion, value) && !is_root;
  if (node->kind == MVG_KIND_CONST && !is_loaded) {
    return print_literal(node, out);
  }
  const mvg_index *linear = mvg_place_get_linear(&e->pool, place);
  uint32_t number = mvg_fusion_number(e->fusion, value);
  if (find_value(e->scope, number, linear, out)) return NULL;
  mvg_scope *here = e->scope;
  uint32_t depth = linear->depth > here->guard_depth ? linear->depth : here->guard_depth;
  e->scope = get_scope_at(e, depth);
  mvg_status status = NULL;
  *out = make_name(e, "t");
  if (is_loaded) {
    status = print_load(e, value, linear, out);
  } else if (node->kind == MVG_KIND_MAP) {
    status = print_map(e, node, place, out);
  } else if (node->kind == MVG_KIND_VIEW) {
    status = print_view(e, node, place, out);
  } else if (node->kind == MVG_KIND_REDUCE) {
    status = print_reduce(e, node, place, out);
  } else {
    status = MVG_ERROR(MVG_INTERNAL, "%s cannot be printed inside a kernel", node->op);
  }
  mvg_known_value known = {.value = number, .linear = linear, .name = *out};
  if (!status) status = mvg_array_push(&e->scope->values, known);
  e->scope = here;
  return status;
}

static mvg_status print_linear(mvg_emitter *e, mvg_value value, const mvg_index *linear,
                               bool is_root, mvg_name *out) {
  mvg_place place;
  mvg_place_from_linear(&e->pool, &mvg_graph_get_type(e->graph, value)->shape, linear, &place);
  return print_at(e, value, &place, is_root, out);
}

mvg_status mvg_emitter_print(mvg_emitter *e, mvg_value value, const mvg_index *linear,
                             mvg_name *out_name) {
  return print_linear(e, value, linear, false, out_name);
}

mvg_status mvg_emitter_print_root(mvg_emitter *e, mvg_value value, const mvg_index *linear,
                                  mvg_name *out_name) {
  return print_linear(e, value, linear, true, out_name);
}

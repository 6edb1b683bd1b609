// Every rule of the verifier, broken once: by the text of a graph, and by hand what text cannot
// say.
#include "tests/support/test_support.h"

#include "graph/compare.h"
#include "graph/expr_range.h"
#include "graph/text.h"
#include "graph/verify.h"

static mvg_status read_graph(const char *text, mvg_graph **out) {
  return mvg_graph_read(text, &(mvg_text_source){.file = "test.txt"}, out);
}

#define LEAVES                                                                                     \
  "graph \"test\"\n"                                                                               \
  "  %0 = input input() f32[2, 3] \"x\" slot 0\n"                                                  \
  "  %1 = state state() f32[3] \"s\" slot 0\n"

#define KERNEL_TYPES "  %2 = kernel k(%0, %1) f32[2]"
#define KERNEL KERNEL_TYPES " { k.comp a, b -> c; "

static const struct {
  const char *text, *message;
} broken[] = {
    {LEAVES "  %2 = map add(%0, %1) f32[3, 2] { (v0 + v1) }", "must be the broadcast of its"},
    {LEAVES "  %2 = map add(%0, %1) u8[2, 3] { (v0 + v1) }",
     "graphs hold f32, i32, f16 and bf16 only"},
    {LEAVES "  %2 = map add(%0, %1) f32[2, 3], f32[2] { v0 }", "only kernel and host operators"},
    {LEAVES "  %2 = view v(%1) i32[3] { o0 }", "a view keeps the element type"},
    {LEAVES "  %2 = view v(%1) f32[4] { o0 }", "element [3] reads index 3 of axis 0, which has 3"},
    {LEAVES "  %2 = view v(%1) f32[4] { (o0 - 1) where (o0 >= 0) }", "element [0] reads index -1"},
    {LEAVES "  %2 = view v(%0) f32[3, 2] { o0, o1 }", "element [2, 0] reads index 2 of axis 0"},
    {LEAVES "  %2 = view v(%1) f32[3] { (o0 * 0.5) }", "its index: 0.5 is no index"},
    {LEAVES "  %2 = view v(%1) f32[3] { (o0 * 1e300) }", "its index: 1e+300 is no index"},
    {LEAVES "  %2 = view v(%1) f32[3] { sqrt(o0) }", "a function of real numbers"},
    {LEAVES "  %2 = view v(%1) f32[3] { (o0 / o0) }", "a divisor may be 0"},
    {LEAVES "  %2 = view v(%1) f32[3] { (o0 % (-2)) }", "a divisor may be -2"},
    {LEAVES "  %2 = view v(%1) f32[3] { ((o0 * 9e15) * o0) }", "may leave +-2^53"},
    {LEAVES "  %2 = view v(%1) f32[3] { o0 where exp(o0) }", "its condition: a function of real"},
    {LEAVES "  %2 = reduce r(%0) f32[2] over 0 { 0; (acc + x); acc }", "drops exactly its reduced"},
    {LEAVES "  %2 = reduce r(%0) i32[2] over 1 { 0; (acc + x); acc }", "keeps the element type"},
    {LEAVES "  %2 = reduce r(%0) f32[2, 3] over 5 { 0; acc; acc }",
     "a reduced axis does not exist"},
    {LEAVES KERNEL "with K=1 K=2; groups 1 1 1 }", "each given once; 'K' is not"},
    {LEAVES KERNEL "with K=1 B=2; groups 1 1 1 }", "sorted by name, each given once; 'B'"},
    {LEAVES "  %2 = host h(%0) f32[2] { b=1 a=2 }", "sorted by name, each given once; 'a'"},
    {LEAVES KERNEL "with \"K 2\"=1; groups 1 1 1 }", "constant 0 needs a name of letters"},
    {LEAVES KERNEL "local 64 }", "a kernel needs a grid"},
    {LEAVES KERNEL "groups 2 0 1 }", "a kernel needs a grid"},
    {LEAVES KERNEL "groups 1 1 1; invocations 4 }", "invocations or groups, not both"},
    {LEAVES KERNEL "invocations 4294967296 }", "at most 4294967295 invocations, not 4294967296"},
    {LEAVES "  %2 = host h(%0) bf16[2]", "leaves and host operators hold f32 and i32 only"},
    {LEAVES KERNEL_TYPES " { k.comp a, a -> c; invocations 2 }", "two operands are 'a'"},
    {LEAVES KERNEL_TYPES " { k.comp a, 2b -> c; invocations 2 }", "operand 1 of a kernel needs"},
    {LEAVES KERNEL_TYPES " { k.comp a, b -> \"c d\"; invocations 2 }", "operand 0 of a kernel"},
    {LEAVES KERNEL_TYPES " { \"\" a, b -> c; invocations 2 }", "a kernel without a source"},
    {LEAVES "  %2 = state state() i32[3] \"s\" slot 0", "two leaves of slot 0 have different"},
    {LEAVES "  output \"y\" %0\n  output \"y\" %1", "two outputs are named 'y'"},
    {LEAVES "  update \"s\" %1 slot 0\n  update \"s\" %1 slot 0", "'s' is updated twice"},
    {LEAVES "  update \"s\" %0 slot 0", "'s' is f32 [3], its next value f32 [2, 3]"},
};

static void test_each_broken_rule_is_told(void **state) {
  (void)state;
  mvg_graph *graph;
  assert_ok(read_graph(LEAVES "  update \"t\" %0 slot 1\n  update \"s\" %1 slot 0\n", &graph));
  mvg_graph_destroy(graph);
  for (size_t i = 0; i < sizeof broken / sizeof broken[0]; ++i) {
    assert_fails(read_graph(broken[i].text, &graph), MVG_INVALID_ARGUMENT, broken[i].message);
    assert_null(graph);
  }
}

// A graph whose nodes may be spoilt: an input, a state, and one node of another kind.
static mvg_node *open_node(const char *line, mvg_graph **out) {
  char text[512];
  strcpy(text, LEAVES);
  strcat(text, line);
  assert_ok(read_graph(text, out));
  return (mvg_node *)mvg_graph_get_node(*out, 2);
}

static void expect_broken(mvg_graph *graph, const char *message) {
  assert_fails(mvg_verify_graph(graph), MVG_INVALID_ARGUMENT, message);
  mvg_graph_destroy(graph);
}

#define MAP "  %2 = map add(%0, %1) f32[2, 3] { (v0 + v1) }\n"
#define VIEW "  %2 = view v(%0) f32[3, 2] { o1, o0 }\n"
#define REDUCE "  %2 = reduce r(%0) f32[2] over 1 { 0; (acc + x); acc }\n"

static void test_operands_are_values_made_before(void **state) {
  (void)state;
  mvg_graph *graph;
  mvg_node *node = open_node(MAP, &graph);
  ((mvg_value *)node->inputs)[1].node = 2;
  expect_broken(graph, "an operand does not precede its user");
  node = open_node(MAP, &graph);
  ((mvg_value *)node->inputs)[1].output = 1;
  expect_broken(graph, "an operand is no output of its node");
  node = open_node(MAP, &graph);
  node->input_count = MVG_MAX_OPERANDS + 1;
  assert_fails(mvg_verify_node(graph, node), MVG_INVALID_ARGUMENT, "too many operands");
  node->input_count = 2;
  node->output_count = 0;
  expect_broken(graph, "a node has at least one output");
}

static void test_bodies_are_whole(void **state) {
  (void)state;
  mvg_graph *graph;
  open_node(MAP, &graph)->map.expr = NULL;
  expect_broken(graph, "a map without an expression");
  open_node(VIEW, &graph)->view.index = (const mvg_expr *const[]){NULL, NULL};
  expect_broken(graph, "a view needs an index for every input axis");
  open_node(VIEW, &graph)->input_count = 2;
  expect_broken(graph, "a view has one input");
  open_node(REDUCE, &graph)->reduce.init = NULL;
  expect_broken(graph, "a reduction needs init, combine and finish");
  open_node(REDUCE, &graph)->input_count = 0;
  expect_broken(graph, "a reduction has one input");
  open_node("  %2 = const const() f32[1] { 1 }", &graph)->constant.data = NULL;
  expect_broken(graph, "a constant without data");
  open_node("  %2 = input input() f32[] \"z\" slot 1", &graph)->leaf.slot = MVG_MAX_SLOTS;
  expect_broken(graph, "a slot is below 65536");
  open_node("  %2 = view reshape(%0) f32[6]", &graph)->view.valid = &(mvg_expr){0};
  expect_broken(graph, "a reshape keeps all elements");
  open_node(MAP, &graph)->kind = MVG_KIND_COUNT;
  expect_broken(graph, "a node of no kind");
}

static void test_expressions_read_what_there_is(void **state) {
  (void)state;
  const mvg_expr var = {.op = MVG_EXPR_VAR, .var = 3};
  const mvg_expr sum = {.op = MVG_EXPR_ADD, .args = {&var, &var}};
  mvg_graph *graph;
  open_node(MAP, &graph)->map.expr = &sum;
  expect_broken(graph, "a map reads a variable beyond its inputs");
  open_node(VIEW, &graph)->view.valid = &sum;
  expect_broken(graph, "a coordinate beyond the output's 2 axes");
  open_node(REDUCE, &graph)->reduce.finish = &sum;
  expect_broken(graph, "a reduction reads the accumulator");
}

static void test_a_definition_is_of_the_kind_of_its_node(void **state) {
  (void)state;
  static const mvg_opdef def = {.name = "add", .kind = MVG_KIND_VIEW};
  mvg_graph *graph;
  open_node(MAP, &graph)->def = &def;
  expect_broken(graph, "its definition is of kind view");
}

static void test_targets_name_values(void **state) {
  (void)state;
  mvg_graph *graph;
  open_node(MAP, &graph);
  assert_ok(mvg_graph_add_target(graph, &(mvg_target){.name = "y", .value = {2, 1}}));
  expect_broken(graph, "target 'y' names no value");
  open_node(MAP, &graph);
  assert_ok(mvg_graph_add_target(
      graph, &(mvg_target){.name = "t", .value = {2, 0}, .is_update = true, .slot = 1u << 20}));
  expect_broken(graph, "update 't': a slot is below 65536");
}

// Bounds of expressions over a, b in [-3, 4] and c in [1, 5]: never narrower than what a walk over
// all values finds, and as narrow where a variable stands once.
static void test_intervals_hold_every_value(void **state) {
  (void)state;
  static const struct {
    const char *text;
    bool is_tight;
  } cases[] = {{"a + b", true},
               {"a - b", true},
               {"a * b", true},
               {"a / c", true},
               {"a % 7", false},
               {"(c + 8) % 10", false},
               {"(c + 6) % 5", false},
               {"(c - 1) % 8 + 2", true},
               {"min(a, c)", true},
               {"max(a, c)", true},
               {"abs(a)", true},
               {"-a", true},
               {"a < b", true},
               {"a > 2 ? a : c", false},
               {"!a", true},
               {"a * a - b", false},
               {"(a * 3 + c) / 2 % 4", false}};
  static const char *const names[] = {"a", "b", "c"};
  const mvg_range vars[] = {{-3, 4}, {-3, 4}, {1, 5}};
  mvg_arena arena = {0};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
    const mvg_expr *expr;
    mvg_range range, seen = {INT64_MAX, INT64_MIN};
    assert_ok(mvg_expr_parse(&arena, cases[i].text, names, 3, &expr));
    assert_ok(mvg_expr_get_range(expr, vars, &range));
    int64_t at[3];
    for (at[0] = -3; at[0] <= 4; ++at[0]) {
      for (at[1] = -3; at[1] <= 4; ++at[1]) {
        for (at[2] = 1; at[2] <= 5; ++at[2]) {
          int64_t value = mvg_expr_eval_int(expr, at);
          if (value < seen.low) seen.low = value;
          if (value > seen.high) seen.high = value;
        }
      }
    }
    bool holds = range.low <= seen.low && range.high >= seen.high;
    bool is_same = range.low == seen.low && range.high == seen.high;
    if (!holds || (cases[i].is_tight && !is_same)) {
      fail_msg("%s: [%d, %d], seen [%d, %d]", cases[i].text, (int)range.low, (int)range.high,
               (int)seen.low, (int)seen.high);
    }
  }
  mvg_arena_deinit(&arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_each_broken_rule_is_told),
      cmocka_unit_test(test_operands_are_values_made_before),
      cmocka_unit_test(test_bodies_are_whole),
      cmocka_unit_test(test_expressions_read_what_there_is),
      cmocka_unit_test(test_a_definition_is_of_the_kind_of_its_node),
      cmocka_unit_test(test_targets_name_values),
      cmocka_unit_test(test_intervals_hold_every_value),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

// The text form of graphs: what is printed reads back as the same graph; what is damaged is told
// with its place, and nothing crashes.
#include "tests/support/test_support.h"

#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/base64.h"
#include "graph/compare.h"
#include "graph/text.h"
#include "passes/fuse.h"
#include "passes/lower.h"
#include "passes/pass.h"
#include "plan/plan.h"

static mvg_status read_graph(const char *text, mvg_graph **out) {
  return mvg_graph_read(text, &(mvg_text_source){.file = "dump.txt"}, out);
}

static char *print_graph(const mvg_graph *graph) {
  mvg_str str = {0};
  char *text;
  mvg_graph_print(graph, true, &str);
  assert_ok(mvg_str_take(&str, &text));
  return text;
}

static const char whole[] =
    "graph \"a \\\"train\\\" step\\x0a\"\n"
    "  %0 = input input() f32[2, 3] \"x y\" slot 1\n"
    "  %1 = state state() f32[3] \"net.0.bias\" slot 4  ; models/net.lua:7 net.0\n"
    "  %2 = const const() f32[] { 0.100000001 }  ; \"[string \\\"model\\\"]\":12\n"
    "  %3 = const const() f32[8] { 0, -0, inf, -inf, nan, -nan, 1.40129846e-45, 16777216 }\n"
    "  %4 = const const() i32[2] { -2147483648, 2147483647 }\n"
    "  %5 = const const() f32[0, 4] { }\n"
    "  %6 = const const() i32[17] { base64 "
    "AAAAAAEAAAACAAAAAwAAAAQAAAAFAAAABgAAAAcAAAAIAAAACQAAAAoAAAALAAAADAAAAA0AAAAOAAAADwAAABAAAAA= "
    "}\n"
    "  %7 = map add(%0, %1) f32[2, 3] { ((v0 + v1) * 0.10000000000000001) }  ; models/net.lua:8\n"
    "  %8 = map numbers() f32[4] { (v0 + ((v0 < 2) ? inf : (-nan))) }\n"
    "  %9 = map \"odd name\"(%7) i32[2, 3] { -(floor(v0)) }\n"
    "  %10 = view permute(%7) f32[3, 2] { o1, o0 }\n"
    "  %11 = view pad(%1) f32[5] { (o0 - 1) where ((o0 >= 1) && (o0 < 4)) }\n"
    "  %12 = view expand(%2) f32[2, 2] { }\n"
    "  %13 = view reshape(%10) f32[6]  ; models/net.lua:9 net.1\n"
    "  %14 = reduce mean(%0) f32[] over 0 1 { 0; (acc + x); (acc / count) }\n"
    "  %15 = reduce max(%0) f32[3] over 0 { (-inf); max(acc, x); acc }\n"
    "  %16 = kernel norm(%0, %1) f32[2, 3], f32[2] { norm/norm.comp x, w -> y, mean; with C=3 "
    "EPS=1.0000000000000001e-05 LOW=-inf ONE=1.0 ROWS=2; groups 2 1 1; local 64; binding rows }\n"
    "  %17 = kernel fill() f32[4] { fill.comp -> y; invocations 4 }\n"
    "  %18 = host peaks(%16.1) i32[2], f32[2] { count=2 threshold=-inf }\n"
    "  %19 = host flag(%18.0) f32[]\n"
    "  output \"y\" %14\n"
    "  output \"picked\" %18.1\n"
    "  update \"net.0.bias\" %15 slot 4\n";

static void test_what_was_printed_reads_back(void **state) {
  (void)state;
  mvg_graph *graph, *again;
  assert_ok(read_graph(whole, &graph));
  assert_string_equal(mvg_graph_get_name(graph), "a \"train\" step\n");
  char *text = print_graph(graph);
  assert_string_equal(text, whole);
  assert_ok(read_graph(text, &again));
  assert_true(mvg_graph_is_equal(graph, again));
  mvg_graph_destroy(again);
  mvg_graph_destroy(graph);
  mvg_free(text);
}

// Equality is no weaker than the text: a graph with one line changed is another graph.
static void test_graphs_that_print_otherwise_are_not_equal(void **state) {
  (void)state;
  static const char *const changes[][2] = {{"\"x y\"", "\"x z\""},
                                           {"slot 1", "slot 2"},
                                           {"net.lua:7", "net.lua:8"},
                                           {":7 net.0", ":7 net.1"},
                                           {"{ 0.100000001 }", "{ 0.1000001 }"},
                                           {"nan, -nan", "-nan, nan"},
                                           {"{ 0, -0,", "{ 0, 0,"},
                                           {"AAAAAAEAAAAC", "AAAAAAEAAAAD"},
                                           {"(v0 + v1) * 0.1", "(v0 + v1) * 0.2"},
                                           {"odd name", "odder name"},
                                           {"{ o1, o0 }", "{ (1 - o1), o0 }"},
                                           {"(o0 < 4)", "(o0 < 3)"},
                                           {"over 0 { (-inf)", "over 0 { 0"},
                                           {"max(acc, x)", "min(acc, x)"},
                                           {"(acc / count)", "acc"},
                                           {"norm.comp x", "norm.comp z"},
                                           {"y, mean", "y, middle"},
                                           {"C=3", "C=4"},
                                           {"C=3", "C=3.0"},
                                           {"LOW=-inf", "LOW=inf"},
                                           {"groups 2", "groups 3"},
                                           {"local 64", "local 32"},
                                           {"binding rows", "binding row"},
                                           {"invocations 4", "invocations 5"},
                                           {"count=2", "count=3"},
                                           {"peaks(%16.1)", "peaks(%16.0)"},
                                           {"\"picked\"", "\"chosen\""},
                                           {"%18.1\n", "%18.0\n"},
                                           {"f32[4] { (v0", "i32[4] { (v0"},
                                           {"graph \"a ", "graph \"b "}};
  mvg_graph *graph, *other;
  assert_ok(read_graph(whole, &graph));
  for (size_t i = 0; i < sizeof changes / sizeof changes[0]; ++i) {
    char text[4096];
    const char *at = strstr(whole, changes[i][0]);
    assert_non_null(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - whole), whole, changes[i][1],
             at + strlen(changes[i][0]));
    mvg_status status = read_graph(text, &other);
    if (status) fail_msg("%s: %s", changes[i][1], mvg_status_get_message(status));
    if (mvg_graph_is_equal(graph, other)) fail_msg("'%s' is not seen", changes[i][1]);
    mvg_graph_destroy(other);
  }
  mvg_graph_destroy(graph);
}

// Bits that decimal text would lose, among them NaNs with a payload.
static void test_constants_keep_their_bits(void **state) {
  (void)state;
  uint32_t bits[5000], seed = 1;
  for (uint32_t i = 0; i < 5000; ++i)
    bits[i] = seed = seed * 1664525u + 1013904223u;
  bits[0] = 0x7FC00001u;
  static const int64_t sizes[] = {1, 2, 15, 16, 17, 4999};
  for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; ++k) {
    mvg_graph *graph, *again;
    mvg_type type = {.dtype = MVG_DTYPE_F32, .shape = {.rank = 1, .dims = {sizes[k]}}};
    mvg_value value;
    assert_ok(mvg_graph_create("bits", &graph));
    assert_ok(mvg_graph_const(graph, &type, bits, &value));
    assert_ok(mvg_graph_const(graph, &type, bits + 1, &value));
    char *text = print_graph(graph);
    assert_ok(read_graph(text, &again));
    assert_true(mvg_graph_is_equal(graph, again));
    mvg_graph_destroy(again);
    mvg_graph_destroy(graph);
    mvg_free(text);
  }
}

static void test_base64_is_that_of_the_rfc(void **state) {
  (void)state;
  static const char *const vectors[][2] = {{"f", "Zg=="},         {"fo", "Zm8="},
                                           {"foo", "Zm9v"},       {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
  for (size_t i = 0; i < 6; ++i) { // RFC 4648, section 10
    mvg_str str = {0};
    char bytes[8] = "";
    size_t size = strlen(vectors[i][0]);
    mvg_base64_append(&str, vectors[i][0], size);
    assert_string_equal(str.text, vectors[i][1]);
    assert_int_equal(mvg_base64_read(str.text, bytes, size), strlen(vectors[i][1]));
    assert_string_equal(bytes, vectors[i][0]);
    mvg_str_deinit(&str);
  }
  char bytes[4];
  assert_int_equal(mvg_base64_read("Zh==", bytes, 1), 0); // bits beyond the byte
  assert_int_equal(mvg_base64_read("Zm9", bytes, 3), 0);
  assert_int_equal(mvg_base64_read("Zm9v", bytes, 2), 0);
  assert_int_equal(mvg_base64_read("Zm9\n", bytes, 3), 0);
}

static mvg_status run_nothing(void *context, const mvg_constant *constants, uint32_t constant_count,
                              const mvg_ndarray *const *inputs, uint32_t input_count,
                              mvg_ndarray *const *outputs, uint32_t output_count) {
  (void)context, (void)constants, (void)constant_count, (void)inputs, (void)input_count;
  (void)outputs, (void)output_count;
  return NULL;
}

static const mvg_opdef peaks = {.name = "peaks", .kind = MVG_KIND_HOST, .run = run_nothing};

static const mvg_opdef *find_peaks(void *context, mvg_kind kind, const char *op) {
  ++*(int *)context;
  return kind == MVG_KIND_HOST && strcmp(op, peaks.name) == 0 ? &peaks : NULL;
}

static void test_definitions_are_found_by_name(void **state) {
  (void)state;
  int asked = 0;
  mvg_graph *graph;
  mvg_text_source source = {.file = "dump.txt", .find = find_peaks, .context = &asked};
  assert_ok(mvg_graph_read(whole, &source, &graph));
  assert_int_equal(asked, mvg_graph_get_node_count(graph));
  assert_ptr_equal(mvg_graph_get_node(graph, 18)->def, &peaks);
  assert_null(mvg_graph_get_node(graph, 19)->def);
  char *text = print_graph(graph);
  assert_string_equal(text, whole);
  mvg_free(text);
  mvg_graph_destroy(graph);
}

static void test_comments_and_empty_lines_are_skipped(void **state) {
  (void)state;
  mvg_graph *graph;
  assert_ok(read_graph("; made by hand\n\n\t\ngraph \"g\"\r\n  ; a leaf\n"
                       "\t%0 = input input( ) f32[ 2,3 ] \"x\"  slot 0 \n\n",
                       &graph));
  assert_int_equal(mvg_graph_get_node_count(graph), 1);
  mvg_graph_destroy(graph);
}

#define X "graph \"g\"\n  %0 = input input() f32[2] \"x\" slot 0\n"

static void test_failures_name_the_place(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"", "dump.txt:1:1: expected 'graph \"NAME\"'; `mvgraph graph` prints such text"},
      {"plan 'g': 3 dispatches", "dump.txt:1:1: expected 'graph"},
      {"graph g", "dump.txt:1:7: expected the graph's name in quotes, found 'g'"},
      {"graph \"g", "the graph's name in quotes has no closing '\"'"},
      {"graph \"\\q\"", "a backslash stands before"},
      {"graph \"g\" 2", "dump.txt:1:11: expected the end of the line, found '2'"},
      {X "hello", "dump.txt:3:1: expected a node '%1 = ...', 'output' or 'update'"},
      {X "  %2 = map f(%0) f32[2] { v0 }", "3:5: nodes are numbered in order: this is %1"},
      {X "  %1 = mop f(%0) f32[2] { v0 }", "3:7: expected what kind of node this is"},
      {X "  %1 = map f(%1) f32[2] { v0 }", "3:14: %1 is not defined above this line"},
      {X "  %1 = map f(%7) f32[2] { v0 }", "%7 is not defined above"},
      {X "  %1 = map f(%0.1) f32[2] { v0 }", "%0 has 1 outputs, numbered from 0"},
      {X "  %1 = map f(%99999999999) f32[2] { v0 }", "must be at most 4294967295"},
      {X "  %1 = map f(%0) f33[2] { v0 }",
       "there is no element type 'f33'; f32, i32, f16 and bf16"},
      {X "  %1 = map f(%0) f32[-2] { v0 }", "expected the length of an axis, found '-2]'"},
      {X "  %1 = map f(%0) f32[9999999999] { v0 }", "must be at most 2147483647"},
      {X "  %1 = map f(%0) f32[65536, 65536] { v0 }", "a tensor has at most 2147483647 elements"},
      {X "  %1 = map f(%0) f32[1,1,1,1,1,1,1,1,1] { v0 }", "a shape has at most 8 axes"},
      {X "  %1 = map f(%0) f32[2]", "3:24: expected '{'; the line ends"},
      {X "  %1 = map f(%0) f32[2] { v0", "3:27: the line ends inside of this"},
      {X "  %1 = map f(%0) f32[2] { v2 }", "3:27: expression \"v2\", column 1: unknown name 'v2'"},
      {X "  %1 = map f(%0) f32[2] { (v0 } }", "the line ends inside of this"},
      {X "  %1 = map f(%0) f32[2] { v0 } v0", "expected the end of the line, found 'v0'"},
      {X "  %1 = map f(%0) f32[3] { v0 }", "dump.txt:3:4: (engine):0 f: a map's shape must be"},
      {X "  %1 = view f(%0, %0) f32[2] { o0 }", "this has one input"},
      {X "  %1 = view f(%0) f32[2] { o0, o0 }", "expected '}', found ','"},
      {X "  %1 = view f(%0) f32[2] { }", "expression \"\", column 1: unexpected end"},
      {X "  %1 = view f(%0) f32[3]", "f: [2] has not as many elements as [3]"},
      {X "  %1 = view f(%0) i32[2]", "a reshape keeps the element type"},
      {X "  %1 = reduce f(%0) f32[] over 9 { 0; acc; acc }", "must be at most 7"},
      {X "  %1 = reduce f(%0) f32[] over 0 { 0; acc }", "the line ends inside of this; expected "},
      {X "  %1 = const const(%0) f32[1] { 1 }", "a leaf of the graph has no inputs"},
      {X "  %1 = const const() f32[2] { 1 }", "expected ',', found '}'"},
      {X "  %1 = const const() f32[2] { 1, x }", "expected a number of type f32"},
      {X "  %1 = const const() i32[1] { 3000000000 }", "expected a number of type i32"},
      {X "  %1 = const const() f32[2] { base64 AAAA }", "expected base64 of 8 bytes"},
      {X "  %1 = const const() u8[3] { 1, 2, 3 }", "numbers of type u8 are given as base64"},
      {X "  %1 = const const() u8[3] { base64 AAAA }", "host operators hold f32 and i32"},
      {X "  %1 = const const() f32[2000000000] { 1, 2 }", "do not fit the rest of the line"},
      {X "  %1 = input input() f32[1] x slot 0", "expected a name in quotes, found 'x'"},
      {X "  %1 = input input() f32[1] \"x\" slot 70000", "a slot must be at most 65535"},
      {X "  %1 = kernel k(%0) f32[2] { k.comp -> y; invocations 2 }", "a name for every operand"},
      {X "  %1 = kernel k(%0) f32[2] { k.comp x -> y; with K=; invocations 2 }",
       "expected a number"},
      {X "  %1 = kernel k(%0) f32[2] { k.comp x -> y; with K=1 }", "a kernel needs a grid"},
      {X "  %1 = kernel k(%0) f32[2] { k.comp x -> y; sizes 2 }", "expected 'with', 'invocations'"},
      {X "  %1 = host h(%0) f32[2] { a=9223372036854775808 }", "this integer has over 63 bits"},
      {X "  %1 = map f(%0) f32[2] { v0 }  ; model.lua", "expected ':'; the line ends"},
      {X "  output y %0", "expected a target's name in quotes, found 'y'"},
      {X "  output \"y\" %1", "%1 is not defined above"},
      {X "  update \"y\" %0", "expected 'slot'; the line ends"},
      {X "  update \"y\" %0 slot 1\n  update \"y\" %0 slot 1",
       "dump.txt: state 'y' is updated twice"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
    mvg_graph *graph;
    assert_fails(read_graph(cases[i][0], &graph), MVG_INVALID_ARGUMENT, cases[i][1]);
    assert_null(graph);
  }
  mvg_graph *graph;
  mvg_text_source late = {.file = "dump.txt", .first_line = 100};
  assert_fails(mvg_graph_read(X "?", &late, &graph), MVG_INVALID_ARGUMENT, "dump.txt:102:1:");
}

static void test_deep_expressions_are_refused(void **state) {
  (void)state;
  static const char *const openings[] = {"(",    "-(",        "v0+(",  "!",
                                         "abs(", "v0 ? 1 : ", "v0 + ", "v0*"};
  for (size_t i = 0; i < sizeof openings / sizeof openings[0]; ++i) {
    mvg_str text = {0};
    mvg_graph *graph;
    mvg_str_append(&text, X "  %1 = map f(%0) f32[2] { ");
    for (int k = 0; k < 100000; ++k)
      mvg_str_append(&text, openings[i]);
    mvg_str_append(&text, "v0 }\n");
    mvg_status status = read_graph(text.text, &graph);
    assert_non_null(status);
    mvg_status_destroy(status);
    mvg_str_deinit(&text);
  }
}

// ---- damage ----

static const mvg_caps caps = {.is_cpu = true,
                              .max_bindings = 32,
                              .max_local_size = 256,
                              .storage_alignment_bytes = 16,
                              .max_group_count = {65535, 65535, 65535}};

// Whatever can be read can be printed, optimised and planned, or fails cleanly.
static bool use(const char *text) {
  mvg_graph *graph, *optimised = NULL;
  mvg_fusion *fusion = NULL;
  mvg_plan *plan = NULL;
  mvg_status status = read_graph(text, &graph);
  bool is_read = !status;
  if (is_read) {
    mvg_graph *again;
    char *printed = print_graph(graph);
    assert_ok(read_graph(printed, &again));
    assert_true(mvg_graph_is_equal(graph, again));
    mvg_graph_destroy(again);
    mvg_free(printed);
    int64_t elements = 0; // folding a large constant is slow, not wrong
    for (uint32_t id = 0; id < mvg_graph_get_node_count(graph); ++id)
      elements += mvg_shape_get_size(&mvg_graph_get_node(graph, id)->outputs[0].shape);
    if (elements < 100000) status = mvg_pass_run_all(graph, NULL, NULL, NULL, &optimised);
  }
  if (optimised) status = mvg_fusion_create(optimised, &caps, &(mvg_fuse_options){0}, &fusion);
  if (fusion) status = mvg_plan_create(fusion, &caps, false, &plan);
  mvg_plan_destroy(plan);
  mvg_graph_destroy(optimised);
  mvg_graph_destroy(graph);
  mvg_status_destroy(status);
  return is_read;
}

static void test_truncated_text_does_not_crash(void **state) {
  (void)state;
  char text[sizeof whole];
  assert_true(use(whole));
  for (size_t length = 0; length < sizeof whole; ++length) {
    memcpy(text, whole, length);
    text[length] = '\0';
    (void)use(text);
  }
}

static uint32_t next_random(uint32_t *seed) {
  *seed = *seed * 1664525u + 1013904223u;
  return *seed >> 8;
}

static void test_flipped_bits_do_not_crash(void **state) {
  (void)state;
  char text[sizeof whole];
  for (size_t at = 0; at < sizeof whole - 1; ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      memcpy(text, whole, sizeof whole);
      text[at] ^= (char)(1 << bit);
      (void)use(text);
    }
  }
}

// Numbers become huge, pieces of lines change places, lines go or come twice.
static void test_shuffled_text_does_not_crash(void **state) {
  (void)state;
  static const char *const numbers[] = {"0",
                                        "1",
                                        "-1",
                                        "4294967295",
                                        "4294967296",
                                        "2147483647",
                                        "18446744073709551616",
                                        "1e308",
                                        "9007199254740993",
                                        "-9223372036854775808",
                                        "nan"};
  uint32_t seed = 7;
  for (int round = 0; round < 20000; ++round) {
    char text[2 * sizeof whole];
    size_t begin = next_random(&seed) % (sizeof whole - 1), end = begin;
    while (end < sizeof whole - 1 && strchr("0123456789", whole[end]))
      ++end;
    const char *piece = numbers[next_random(&seed) % (sizeof numbers / sizeof numbers[0])];
    size_t length = strlen(piece);
    if (end == begin || round % 2) {
      size_t from = next_random(&seed) % (sizeof whole - 1);
      length = next_random(&seed) % 60;
      if (from + length > sizeof whole - 1) length = sizeof whole - 1 - from;
      piece = whole + from;
      end = begin + next_random(&seed) % 60;
      if (end > sizeof whole - 1) end = sizeof whole - 1;
    }
    snprintf(text, sizeof text, "%.*s%.*s%s", (int)begin, whole, (int)length, piece, whole + end);
    (void)use(text);
  }
}

static void test_other_types_do_not_crash(void **state) {
  (void)state;
  static const char *const types[] = {"u8[", "f64[", "f32[", "i32[", "f32[0, ", "i32[7, "};
  for (const char *at = whole; (at = strstr(at, "32[")) != NULL; ++at) {
    for (size_t i = 0; i < sizeof types / sizeof types[0]; ++i) {
      char text[sizeof whole + 8];
      snprintf(text, sizeof text, "%.*s%s%s", (int)(at - 1 - whole), whole, types[i], at + 3);
      (void)use(text);
    }
  }
}

static void test_failed_allocations_are_clean(void **state) {
  (void)state;
  mvg_graph *graph = NULL;
  uint64_t n = 1;
  for (; n < 10000; ++n) {
    mvg_alloc_fail_nth(n);
    mvg_status status = read_graph(whole, &graph);
    mvg_alloc_fail_nth(0);
    if (!status) break;
    assert_int_equal(mvg_status_get_code(status), MVG_OUT_OF_MEMORY);
    assert_null(graph);
    mvg_status_destroy(status);
  }
  assert_true(n > 5 && n < 10000);
  mvg_graph_destroy(graph);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_what_was_printed_reads_back),
      cmocka_unit_test(test_graphs_that_print_otherwise_are_not_equal),
      cmocka_unit_test(test_constants_keep_their_bits),
      cmocka_unit_test(test_base64_is_that_of_the_rfc),
      cmocka_unit_test(test_definitions_are_found_by_name),
      cmocka_unit_test(test_comments_and_empty_lines_are_skipped),
      cmocka_unit_test(test_failures_name_the_place),
      cmocka_unit_test(test_deep_expressions_are_refused),
      cmocka_unit_test(test_truncated_text_does_not_crash),
      cmocka_unit_test(test_flipped_bits_do_not_crash),
      cmocka_unit_test(test_shuffled_text_does_not_crash),
      cmocka_unit_test(test_other_types_do_not_crash),
      cmocka_unit_test(test_failed_allocations_are_clean),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

// Fusion: how many dispatches a graph becomes, and which values are stored.
#include "support/graph_fixture.h"

#include "passes/lower.h"

static const mvg_caps caps = {.is_cpu = true,
                              .max_bindings = 32,
                              .max_local_size = 256,
                              .storage_alignment_bytes = 16,
                              .max_group_count = {65535, 65535, 65535}};
static const mvg_fuse_options no_options;

static mvg_fusion *fuse(fixture *f) {
  mvg_fusion *fusion;
  check(mvg_fusion_create(f->graph, &caps, &no_options, &fusion));
  return fusion;
}

static void expect_groups(fixture *f, uint32_t count) {
  mvg_fusion *fusion = fuse(f);
  assert_int_equal(fusion->group_count, count);
  mvg_fusion_destroy(fusion);
  fixture_close(f);
}

static void test_chain_of_maps_and_views_is_one_group(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value x = make_input(&f, DIMS(8, 6));
  mvg_value y = VIEW(&f, MAP(&f, "exp(a)", x), DIMS(6, 8), NULL, "j", "i");
  add_output(&f, "y", MAP(&f, "a * 2", make_reshape(&f, y, DIMS(3, 16))));
  expect_groups(&f, 1);
}

static void test_reduce_takes_prologue_and_epilogue(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value x = make_input(&f, DIMS(8, 6));
  mvg_value s = make_sum(&f, 2, MAP(&f, "a * a", x));
  add_output(&f, "y", MAP(&f, "sqrt(a + 1)", s));
  expect_groups(&f, 1);
}

static void test_broadcast_of_a_reduction_starts_a_second_group(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value x = make_input(&f, DIMS(8, 6));
  mvg_value s = make_reshape(&f, make_sum(&f, 2, x), DIMS(8, 1));
  add_output(&f, "y", MAP(&f, "a / b", x, s));
  expect_groups(&f, 2);
}

static void test_row_statistics_share_a_dispatch(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value x = make_input(&f, DIMS(8, 6));
  mvg_value top = make_reshape(&f, make_reduce(&f, "-inf", "max(acc, x)", "acc", 2, x), DIMS(8, 1));
  mvg_value e = MAP(&f, "exp(a - b)", x, top);
  mvg_value sum = make_reshape(&f, make_sum(&f, 2, e), DIMS(8, 1));
  add_output(&f, "y", MAP(&f, "a / b", e, sum));
  expect_groups(&f, 2); // max and sum, then the division
}

static void test_adam_is_one_dispatch_with_three_stores(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value p = make_state(&f, DIMS(50)), m = make_state(&f, DIMS(50)),
            v = make_state(&f, DIMS(50));
  mvg_value g = make_input(&f, DIMS(50));
  mvg_value m2 = MAP(&f, "0.9 * a + 0.1 * b", m, g), v2 = MAP(&f, "0.9 * a + 0.1 * b * b", v, g);
  add_update(&f, 1, m2);
  add_update(&f, 2, v2);
  add_update(&f, 0, MAP(&f, "a - b / sqrt(c)", p, m2, v2));
  mvg_fusion *fusion = fuse(&f);
  assert_int_equal(fusion->group_count, 1);
  assert_int_equal(fusion->groups[0].part_count, 1);
  assert_int_equal(fusion->groups[0].write_count, 3);
  assert_int_equal(fusion->groups[0].read_count, 4);
  for (uint32_t i = 0; i < 4; ++i)
    assert_true(fusion->groups[0].reads[i].is_pointwise);
  mvg_fusion_destroy(fusion);
  fixture_close(&f);
}

static void test_small_independent_groups_become_one_batch(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  for (int64_t i = 0; i < 5; ++i) {
    add_output(&f, "y", MAP(&f, "sin(a)", make_input(&f, DIMS(10 + i))));
  }
  mvg_fusion *fusion = fuse(&f);
  assert_int_equal(fusion->group_count, 1);
  assert_int_equal(fusion->groups[0].part_count, 5);
  mvg_fusion_destroy(fusion);
  fixture_close(&f);
}

static void test_bindings_stay_within_the_device(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value sum = make_input(&f, DIMS(10));
  for (int i = 0; i < 15; ++i)
    sum = MAP(&f, "sin(a) * b", sum, make_input(&f, DIMS(10)));
  add_output(&f, "y", sum);
  mvg_caps small = caps;
  small.max_bindings = 8;
  mvg_fusion *fusion;
  check(mvg_fusion_create(f.graph, &small, &no_options, &fusion));
  assert_true(fusion->group_count > 1);
  for (uint32_t i = 0; i < fusion->group_count; ++i) {
    assert_true(fusion->groups[i].read_count + fusion->groups[i].write_count <= 8);
  }
  mvg_fusion_destroy(fusion);
  fixture_close(&f);
}

static void test_value_between_parts_of_one_group_is_not_stored(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value x = make_input(&f, DIMS(40));
  mvg_value shared = MAP(&f, "exp(a) + sin(a) * cos(a)", x); // too dear to compute twice
  add_output(&f, "y", MAP(&f, "a * 2", shared));
  add_output(&f, "z", MAP(&f, "a * 3", shared));
  mvg_fusion *fusion = fuse(&f);
  assert_int_equal(fusion->group_count, 1);
  assert_int_equal(fusion->groups[0].parts[0].root_count, 3);
  assert_int_equal(fusion->groups[0].write_count, 2);
  mvg_fusion_destroy(fusion);
  fixture_close(&f);
}

static void test_group_between_two_others_keeps_them_apart(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value x = make_input(&f, DIMS(30));
  mvg_value a = MAP(&f, "exp(a) + sin(a) * cos(a)", x);
  mvg_value turned = VIEW(&f, a, DIMS(30), NULL, "29 - i");
  mvg_value total = make_sum(&f, 1, MAP(&f, "a * b", a, turned));
  add_output(&f, "y",
             MAP(&f, "a + b", a, total)); // reads a pointwise, and total, which needs all of a
  expect_groups(&f, 3);
}

static uint32_t count_reduces(const mvg_graph *graph) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < mvg_graph_get_node_count(graph); ++i) {
    count += mvg_graph_get_node(graph, i)->kind == MVG_KIND_REDUCE;
  }
  return count;
}

static void test_only_long_associative_reductions_are_split(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value x = make_input(&f, DIMS(64, 1000));
  add_output(&f, "all", make_sum(&f, 3, x));
  add_output(&f, "short", make_sum(&f, 2, x));
  add_output(&f, "product", make_reduce(&f, "1", "acc * x", "acc", 3, x));
  add_output(&f, "offset", make_reduce(&f, "5", "acc + x", "acc", 3, x));
  mvg_graph *lowered;
  check(mvg_lower(f.graph, NULL, &lowered));
  assert_int_equal(count_reduces(lowered), 5);
  mvg_graph_destroy(lowered);
  fixture_close(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_chain_of_maps_and_views_is_one_group),
      cmocka_unit_test(test_reduce_takes_prologue_and_epilogue),
      cmocka_unit_test(test_broadcast_of_a_reduction_starts_a_second_group),
      cmocka_unit_test(test_row_statistics_share_a_dispatch),
      cmocka_unit_test(test_adam_is_one_dispatch_with_three_stores),
      cmocka_unit_test(test_small_independent_groups_become_one_batch),
      cmocka_unit_test(test_bindings_stay_within_the_device),
      cmocka_unit_test(test_value_between_parts_of_one_group_is_not_stored),
      cmocka_unit_test(test_group_between_two_others_keeps_them_apart),
      cmocka_unit_test(test_only_long_associative_reductions_are_split),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

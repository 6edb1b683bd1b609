// Plans: order, memory, updates in place, text.
#include "support/graph_fixture.h"

#include "plan/memory.h"

static const mvg_caps caps = {.is_cpu = true,
                              .max_bindings = 32,
                              .max_local_size = 256,
                              .storage_alignment_bytes = 16,
                              .max_group_count = {65535, 65535, 65535}};
static const mvg_fuse_options no_options;

static mvg_plan *make_plan(fixture *f, const mvg_caps *limits) {
  mvg_fusion *fusion;
  mvg_plan *plan;
  check(mvg_fusion_create(f->graph, limits, &no_options, &fusion));
  check(mvg_plan_create(fusion, limits, false, &plan));
  return plan;
}

static uint32_t count_steps(const mvg_plan *plan, mvg_step_kind kind) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < plan->step_count; ++i)
    count += plan->steps[i].kind == kind;
  return count;
}

static void test_memory_reuses_offset_after_last_use(void **state) {
  (void)state;
  mvg_block blocks[] = {{100, 0, 1, 0}, {100, 1, 2, 0}, {100, 2, 3, 0}};
  uint64_t peak;
  check(mvg_memory_assign(blocks, 3, 64, UINT64_MAX, &peak));
  assert_int_equal(peak, 256);
  assert_int_equal(blocks[0].offset, blocks[2].offset);
  assert_int_not_equal(blocks[0].offset, blocks[1].offset);
}

// Nor does a block cross from one 8 KiB piece of the arena into the next.
static void test_memory_never_overlaps_two_living_blocks(void **state) {
  (void)state;
  mvg_block blocks[200];
  uint32_t seed = 7;
  for (int i = 0; i < 200; ++i) {
    seed = seed * 1664525u + 1013904223u;
    uint32_t first = (seed >> 8) % 60, length = (seed >> 16) % 12;
    blocks[i] = (mvg_block){1 + (seed >> 20) % 5000, first, first + length, 0};
  }
  uint64_t peak;
  check(mvg_memory_assign(blocks, 200, 256, 8192, &peak));
  for (int i = 0; i < 200; ++i) {
    assert_int_equal(blocks[i].offset % 256, 0);
    uint64_t last = blocks[i].offset + blocks[i].size_bytes - 1;
    assert_int_equal(blocks[i].offset / 8192, last / 8192);
    assert_true(blocks[i].offset + blocks[i].size_bytes <= peak);
    for (int j = 0; j < i; ++j) {
      bool meet = blocks[i].first_step <= blocks[j].last_step &&
                  blocks[j].first_step <= blocks[i].last_step;
      bool apart = blocks[i].offset + blocks[i].size_bytes <= blocks[j].offset ||
                   blocks[j].offset + blocks[j].size_bytes <= blocks[i].offset;
      assert_true(!meet || apart);
    }
  }
}

static void test_elementwise_update_is_in_place(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value p = make_state(&f, DIMS(64)), g = make_input(&f, DIMS(64));
  add_update(&f, 0, MAP(&f, "a - 0.1 * b", p, g));
  mvg_plan *plan = make_plan(&f, &caps);
  assert_int_equal(plan->step_count, 1);
  assert_int_equal(plan->steps[0].spans[plan->steps[0].read_count].region, MVG_REGION_STATE);
  assert_int_equal(plan->region_bytes[MVG_REGION_ARENA], 0);
  mvg_plan_destroy(plan);
  fixture_close(&f);
}

static void test_update_waits_for_readers_of_the_old_value(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value p = make_state(&f, DIMS(64)), g = make_input(&f, DIMS(64));
  add_update(&f, 0, MAP(&f, "a - 0.1 * b", p, g));
  mvg_value turned = VIEW(&f, MAP(&f, "exp(a)", p), DIMS(64), NULL, "63 - i");
  add_output(&f, "y", make_sum(&f, 1, MAP(&f, "a * b", turned, p)));
  mvg_plan *plan = make_plan(&f, &caps);
  assert_int_equal(count_steps(plan, MVG_STEP_COPY), 0);
  assert_int_equal(plan->step_count, 2);
  const mvg_step *last = &plan->steps[1];
  assert_int_equal(last->spans[last->read_count].region, MVG_REGION_STATE);
  assert_int_equal(last->barrier, MVG_HAZARD_WAR);
  mvg_plan_destroy(plan);
  fixture_close(&f);
}

static void test_update_that_reads_its_neighbours_goes_through_a_copy(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value p = make_state(&f, DIMS(64));
  add_update(&f, 0, MAP(&f, "a + b", p, VIEW(&f, p, DIMS(64), NULL, "63 - i")));
  mvg_plan *plan = make_plan(&f, &caps);
  assert_int_equal(count_steps(plan, MVG_STEP_COPY), 1);
  assert_int_equal(plan->steps[plan->step_count - 1].kind, MVG_STEP_COPY);
  mvg_plan_destroy(plan);
  fixture_close(&f);
}

static void test_swapped_states_need_at_most_one_copy_each(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value a = make_state(&f, DIMS(64)), b = make_state(&f, DIMS(64));
  add_update(&f, 0, b);
  add_update(&f, 1, a);
  mvg_plan *plan = make_plan(&f, &caps);
  assert_in_range(count_steps(plan, MVG_STEP_COPY), 1, 2);
  mvg_plan_destroy(plan);
  fixture_close(&f);
}

// Four transposed exponentials in a row: each value lives for one step only.
static mvg_value add_chain(fixture *f, mvg_value x, int length) {
  for (int i = 0; i < length; ++i) {
    x = MAP(f, "a * b", x, VIEW(f, MAP(f, "exp(a) + sin(a)", x), DIMS(32, 32), NULL, "j", "i"));
  }
  return x;
}

static void test_arena_of_a_chain_does_not_grow_with_its_length(void **state) {
  (void)state;
  uint64_t bytes[2];
  for (int i = 0; i < 2; ++i) {
    fixture f;
    fixture_open(&f);
    mvg_value x = make_input(&f, DIMS(32, 32));
    for (int k = 0; k < (i ? 12 : 8); ++k) {
      mvg_value s = make_reshape(&f, make_sum(&f, 2, x), DIMS(32, 1));
      x = MAP(&f, "exp(a) / b", VIEW(&f, x, DIMS(32, 32), NULL, "j", "i"), s);
    }
    add_output(&f, "y", x);
    mvg_plan *plan = make_plan(&f, &caps);
    bytes[i] = plan->region_bytes[MVG_REGION_ARENA];
    assert_true(plan->total_bytes > bytes[i]);
    mvg_plan_destroy(plan);
    fixture_close(&f);
  }
  assert_int_equal(bytes[0], bytes[1]);
}

static bool is_same(const mvg_span *a, const mvg_span *b) {
  return a->region == b->region && a->slot == b->slot && a->offset == b->offset;
}

static void expect_room(const mvg_plan *plan, const mvg_span *a, const mvg_span *b) {
  assert_true(a->offset >= MVG_GUARD_BYTES);
  if (a->region != b->region || a->slot != b->slot || is_same(a, b)) return;
  uint64_t behind = a->offset + a->size_bytes + 2 * MVG_GUARD_BYTES;
  assert_true(a->offset > b->offset || behind <= b->offset);
  assert_true(a->offset + a->size_bytes + MVG_GUARD_BYTES <= plan->region_bytes[a->region]);
}

static void test_guarded_plans_leave_room_round_every_value(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value x = make_input(&f, DIMS(32, 32)), y = make_input(&f, DIMS(7));
  add_output(&f, "chain", add_chain(&f, x, 6));
  add_output(&f, "y", MAP(&f, "a + 1", y));
  mvg_fusion *fusion;
  mvg_plan *plan;
  check(mvg_fusion_create(f.graph, &caps, &no_options, &fusion));
  check(mvg_plan_create(fusion, &caps, true, &plan));
  const mvg_span *spans[256], *written[128];
  uint32_t count = 0, writes = 0;
  for (uint32_t i = 0; i < plan->step_count; ++i) {
    const mvg_step *step = &plan->steps[i];
    for (uint32_t k = 0; k < step->read_count + step->write_count; ++k) {
      spans[count++] = &step->spans[k];
      if (k >= step->read_count) written[writes++] = &step->spans[k];
    }
  }
  for (uint32_t i = 0; i < count * count; ++i)
    expect_room(plan, spans[i / count], spans[i % count]);
  for (uint32_t i = 0; i < writes * writes; ++i) // no memory is used twice
    assert_true(i / writes == i % writes || !is_same(written[i / writes], written[i % writes]));
  assert_true(writes > 4);
  mvg_plan_destroy(plan);
  fixture_close(&f);
}

static void test_text_is_stable_and_names_the_peak(void **state) {
  (void)state;
  mvg_str texts[2] = {0};
  for (int i = 0; i < 2; ++i) {
    fixture f;
    fixture_open(&f);
    add_output(&f, "y", add_chain(&f, make_input(&f, DIMS(32, 32)), 3));
    mvg_plan *plan = make_plan(&f, &caps);
    mvg_plan_print(plan, &texts[i]);
    mvg_plan_destroy(plan);
    fixture_close(&f);
  }
  assert_string_equal(texts[0].text, texts[1].text);
  assert_non_null(strstr(texts[0].text, "barrier: read after write of step 0"));
  assert_non_null(strstr(texts[0].text, "held by:"));
  mvg_str_deinit(&texts[0]);
  mvg_str_deinit(&texts[1]);
}

// The next value of one state is read after the other state has changed: it waits in the arena.
static void test_holders_of_the_peak_are_all_that_live_then(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value s = make_state(&f, DIMS(32, 32)), t = make_state(&f, DIMS(32, 32));
  add_update(&f, 0, MAP(&f, "a + 1", VIEW(&f, t, DIMS(32, 32), NULL, "j", "i")));
  add_update(&f, 1, MAP(&f, "a + 1", VIEW(&f, s, DIMS(32, 32), NULL, "j", "i")));
  add_output(&f, "y", add_chain(&f, make_input(&f, DIMS(32, 32)), 3));
  mvg_plan *plan = make_plan(&f, &caps);
  assert_true(count_steps(plan, MVG_STEP_COPY) > 0);
  for (uint32_t i = 0; i < plan->step_count; ++i)
    assert_true(plan->step_live_bytes[i] <= plan->live_bytes);
  assert_int_equal(plan->step_live_bytes[plan->peak_step], plan->live_bytes);
  mvg_holder holders[16];
  uint64_t held = 0;
  for (uint32_t i = mvg_plan_find_holders(plan, holders, 16); i-- > 0;)
    held += holders[i].bytes;
  assert_int_equal(held, plan->live_bytes);
  mvg_plan_destroy(plan);
  fixture_close(&f);
}

static void test_too_large_an_arena_says_who_holds_it(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value x = make_input(&f, DIMS(32, 32));
  mvg_value s = make_reshape(&f, make_sum(&f, 2, x), DIMS(32, 1));
  add_output(&f, "y", MAP(&f, "a / b", x, s));
  mvg_caps small = caps;
  small.max_allocation_bytes = 64;
  mvg_fusion *fusion;
  mvg_plan *plan;
  check(mvg_fusion_create(f.graph, &small, &no_options, &fusion));
  mvg_status status = mvg_plan_create(fusion, &small, false, &plan);
  assert_int_equal(mvg_status_get_code(status), MVG_OUT_OF_MEMORY);
  assert_non_null(strstr(mvg_status_get_message(status), "held by"));
  assert_non_null(strstr(mvg_status_get_message(status), "smaller batch"));
  mvg_status_destroy(status);
  assert_null(plan);
  fixture_close(&f);
}

// Every failure of an allocation is a clean status (and no leak, under the address sanitizer).
static void test_planning_survives_any_failing_allocation(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f);
  mvg_value p = make_state(&f, DIMS(32, 32));
  add_update(&f, 0, add_chain(&f, p, 2));
  mvg_value total = make_sum(&f, 3, p);
  add_output(&f, "y", total);
  for (uint64_t n = 1;; ++n) {
    mvg_fusion *fusion = NULL;
    mvg_plan *plan = NULL;
    mvg_alloc_fail_nth(n);
    mvg_status status = mvg_fusion_create(f.graph, &caps, &no_options, &fusion);
    if (!status) status = mvg_plan_create(fusion, &caps, false, &plan);
    mvg_alloc_fail_nth(0);
    if (!status) {
      mvg_plan_destroy(plan);
      break;
    }
    assert_int_equal(mvg_status_get_code(status), MVG_OUT_OF_MEMORY);
    assert_null(plan);
    mvg_status_destroy(status);
  }
  fixture_close(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_memory_reuses_offset_after_last_use),
      cmocka_unit_test(test_memory_never_overlaps_two_living_blocks),
      cmocka_unit_test(test_elementwise_update_is_in_place),
      cmocka_unit_test(test_update_waits_for_readers_of_the_old_value),
      cmocka_unit_test(test_update_that_reads_its_neighbours_goes_through_a_copy),
      cmocka_unit_test(test_swapped_states_need_at_most_one_copy_each),
      cmocka_unit_test(test_arena_of_a_chain_does_not_grow_with_its_length),
      cmocka_unit_test(test_guarded_plans_leave_room_round_every_value),
      cmocka_unit_test(test_text_is_stable_and_names_the_peak),
      cmocka_unit_test(test_holders_of_the_peak_are_all_that_live_then),
      cmocka_unit_test(test_too_large_an_arena_says_who_holds_it),
      cmocka_unit_test(test_planning_survives_any_failing_allocation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

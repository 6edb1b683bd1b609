// Barriers stand where a hazard on the same bytes is, and nowhere else.
#include "support/graph_fixture.h"

#include "plan/barrier.h"

#define ARENA(offset, size)                                                                        \
  { MVG_REGION_ARENA, 0, (offset), (size) }

static mvg_hazard enter(mvg_barrier_tracker *tracker, uint32_t number, mvg_span read,
                        mvg_span write) {
  const mvg_span spans[2] = {read, write};
  mvg_step step = {.kind = MVG_STEP_DISPATCH, .spans = spans, .read_count = 1, .write_count = 1};
  check(mvg_barrier_enter(tracker, &step, number));
  return step.barrier;
}

static void test_each_hazard_is_named(void **state) {
  (void)state;
  mvg_barrier_tracker t = {0};
  assert_int_equal(enter(&t, 0, (mvg_span)ARENA(0, 64), (mvg_span)ARENA(64, 64)), MVG_HAZARD_NONE);
  assert_int_equal(enter(&t, 1, (mvg_span)ARENA(64, 64), (mvg_span)ARENA(128, 64)), MVG_HAZARD_RAW);
  assert_int_equal(enter(&t, 2, (mvg_span)ARENA(512, 64), (mvg_span)ARENA(64, 64)), MVG_HAZARD_WAR);
  assert_int_equal(enter(&t, 3, (mvg_span)ARENA(512, 64), (mvg_span)ARENA(64, 64)), MVG_HAZARD_WAW);
  mvg_barrier_tracker_deinit(&t);
}

static void test_neighbouring_bytes_and_shared_reads_are_no_hazard(void **state) {
  (void)state;
  mvg_barrier_tracker t = {0};
  assert_int_equal(enter(&t, 0, (mvg_span)ARENA(0, 64), (mvg_span)ARENA(64, 64)), MVG_HAZARD_NONE);
  assert_int_equal(enter(&t, 1, (mvg_span)ARENA(0, 64), (mvg_span)ARENA(128, 64)), MVG_HAZARD_NONE);
  assert_int_equal(enter(&t, 2, (mvg_span)ARENA(32, 32), (mvg_span)ARENA(192, 1)), MVG_HAZARD_NONE);
  assert_int_equal(enter(&t, 3, (mvg_span)ARENA(0, 64), (mvg_span)ARENA(127, 1)), MVG_HAZARD_WAW);
  mvg_barrier_tracker_deinit(&t);
}

static void test_states_are_told_apart_by_slot(void **state) {
  (void)state;
  mvg_barrier_tracker t = {0};
  mvg_span first = {MVG_REGION_STATE, 1, 0, 64}, second = {MVG_REGION_STATE, 2, 0, 64};
  assert_int_equal(enter(&t, 0, (mvg_span)ARENA(0, 64), first), MVG_HAZARD_NONE);
  assert_int_equal(enter(&t, 1, (mvg_span)ARENA(0, 64), second), MVG_HAZARD_NONE);
  assert_int_equal(enter(&t, 2, first, (mvg_span)ARENA(64, 64)), MVG_HAZARD_RAW);
  mvg_barrier_tracker_deinit(&t);
}

static void test_one_barrier_settles_everything_before_it(void **state) {
  (void)state;
  mvg_barrier_tracker t = {0};
  enter(&t, 0, (mvg_span)ARENA(0, 64), (mvg_span)ARENA(64, 64));
  enter(&t, 1, (mvg_span)ARENA(0, 64), (mvg_span)ARENA(128, 64));
  assert_int_equal(enter(&t, 2, (mvg_span)ARENA(64, 64), (mvg_span)ARENA(256, 64)), MVG_HAZARD_RAW);
  assert_int_equal(enter(&t, 3, (mvg_span)ARENA(128, 64), (mvg_span)ARENA(320, 64)),
                   MVG_HAZARD_NONE);
  mvg_barrier_tracker_deinit(&t);
}

static void test_host_steps_wait_by_themselves(void **state) {
  (void)state;
  mvg_barrier_tracker t = {0};
  enter(&t, 0, (mvg_span)ARENA(0, 64), (mvg_span)ARENA(64, 64));
  const mvg_span spans[2] = {ARENA(64, 64), ARENA(128, 64)};
  mvg_step host = {.kind = MVG_STEP_HOST, .spans = spans, .read_count = 1, .write_count = 1};
  check(mvg_barrier_enter(&t, &host, 1));
  assert_int_equal(host.barrier, MVG_HAZARD_NONE);
  assert_int_equal(enter(&t, 2, (mvg_span)ARENA(128, 64), (mvg_span)ARENA(64, 64)),
                   MVG_HAZARD_NONE);
  mvg_barrier_tracker_deinit(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_each_hazard_is_named),
      cmocka_unit_test(test_neighbouring_bytes_and_shared_reads_are_no_hazard),
      cmocka_unit_test(test_states_are_told_apart_by_slot),
      cmocka_unit_test(test_one_barrier_settles_everything_before_it),
      cmocka_unit_test(test_host_steps_wait_by_themselves),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

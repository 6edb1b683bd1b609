#include "plan/barrier.h"

void mvg_barrier_tracker_deinit(mvg_barrier_tracker *tracker) {
  mvg_array_deinit(&tracker->accesses);
}

static bool overlap(const mvg_span *a, const mvg_span *b) {
  return a->region == b->region && a->slot == b->slot && a->offset < b->offset + b->size_bytes &&
         b->offset < a->offset + a->size_bytes;
}

static mvg_hazard find_hazard(const mvg_access *earlier, const mvg_span *span, bool is_write) {
  if (!overlap(&earlier->span, span)) return MVG_HAZARD_NONE;
  if (earlier->is_write) return is_write ? MVG_HAZARD_WAW : MVG_HAZARD_RAW;
  return is_write ? MVG_HAZARD_WAR : MVG_HAZARD_NONE;
}

mvg_status mvg_barrier_enter(mvg_barrier_tracker *tracker, mvg_step *step, uint32_t number) {
  step->barrier = MVG_HAZARD_NONE;
  uint32_t span_count = step->read_count + step->write_count;
  if (step->kind == MVG_STEP_HOST) {
    tracker->accesses.count = 0;
    return NULL;
  }
  for (uint32_t i = 0; i < span_count && !step->barrier; ++i) {
    for (size_t k = tracker->accesses.count; k-- > 0 && !step->barrier;) {
      const mvg_access *earlier = &tracker->accesses.items[k];
      step->barrier = find_hazard(earlier, &step->spans[i], i >= step->read_count);
      step->barrier_step = earlier->step;
    }
  }
  if (step->barrier) tracker->accesses.count = 0;
  for (uint32_t i = 0; i < span_count; ++i) {
    mvg_access access = {step->spans[i], number, i >= step->read_count};
    MVG_RETURN_IF_ERROR(mvg_array_push(&tracker->accesses, access));
  }
  return NULL;
}

// One run: inputs, segments in order, outputs; each step is timed or looked at where that was asked
// for.
#include "program/finite.h"
#include "program/program_internal.h"

// True if a list has to end before the next begins: something is read after each.
static bool is_serial(const mvg_program *p) {
  return p->profile.step_ns || mvg_program_runs_alone(p);
}

// Keeps account of what may be in flight.
static mvg_status wait_until(mvg_program *p, uint32_t left) {
  MVG_RETURN_IF_ERROR(mvg_device_wait(p->device, left));
  if (p->flight_end - p->flight_first > left) p->flight_first = p->flight_end - left;
  return NULL;
}

static mvg_status submit_list(mvg_program *p, const mvg_segment *s) {
  uint32_t number = (uint32_t)(s - p->segments.items);
  MVG_RETURN_IF_ERROR(wait_until(p, MVG_MAX_QUEUED - 1));
  if (p->flight_first == p->flight_end) p->flight_first = number;
  p->flight_end = number + 1;
  return mvg_device_enqueue(p->device, s->commands);
}

static mvg_status run_host_steps(mvg_program *p, const mvg_segment *s) {
  MVG_RETURN_IF_ERROR(wait_until(p, 0));
  for (uint32_t i = 0; i < s->step_count; ++i)
    MVG_RETURN_IF_ERROR(mvg_program_run_host_step(p, s->first_step + i));
  return NULL;
}

static mvg_status submit_segment(mvg_program *p, const mvg_segment *s) {
  if (!s->commands) return run_host_steps(p, s);
  MVG_RETURN_IF_ERROR(submit_list(p, s));
  return is_serial(p) ? wait_until(p, 0) : NULL;
}

static mvg_status run_checked(mvg_program *p, const mvg_segment *s) {
  if (!p->is_checked || s->step_count == 0) return submit_segment(p, s);
  const mvg_step *step = &p->plan->steps[s->first_step];
  mvg_buffer **buffers;
  mvg_finite_kept kept = {0};
  uint32_t count = step->read_count + step->write_count;
  MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY(count + 1, &buffers));
  for (uint32_t i = 0; i < count; ++i)
    buffers[i] = mvg_program_get_buffer(p, &step->spans[i]);
  mvg_status status = mvg_finite_keep(p->plan, s->first_step, buffers, &kept);
  if (!status) status = submit_segment(p, s);
  if (!status) status = mvg_finite_check(p->plan, s->first_step, buffers, &kept);
  mvg_finite_release(&kept);
  mvg_free(buffers);
  return status;
}

static mvg_status run_segment(mvg_program *p, const mvg_segment *s) {
  MVG_RETURN_IF_ERROR(run_checked(p, s));
  return s->step_count ? mvg_guard_check(&p->guard, s->first_step) : NULL;
}

static mvg_status run_profiled(mvg_program *p) {
  double start = mvg_profile_now_ns();
  for (size_t i = 0; i < p->segments.count; ++i) {
    const mvg_segment *s = &p->segments.items[i];
    double begin = mvg_profile_now_ns();
    MVG_RETURN_IF_ERROR(run_segment(p, s));
    if (!p->profile.is_warm) continue;
    MVG_RETURN_IF_ERROR(
        mvg_program_profile_segment(p, s, begin - start, mvg_profile_now_ns() - start));
  }
  if (p->profile.is_warm) {
    p->profile.last_wall_ns = mvg_profile_now_ns() - start;
    p->profile.wall_ns += p->profile.last_wall_ns;
    ++p->profile.run_count;
  }
  p->profile.is_warm = true;
  return NULL;
}

static mvg_status run_segments(mvg_program *p) {
  if (p->profile.step_ns) return run_profiled(p);
  mvg_status status = NULL;
  for (size_t i = 0; i < p->segments.count && !status; ++i)
    status = run_segment(p, &p->segments.items[i]);
  return status;
}

static mvg_status annotate(const mvg_program *p, mvg_status status) {
  return mvg_status_annotate(status, "running program '%s'",
                             mvg_graph_get_name(p->plan->fusion->graph));
}

// A failed start leaves the device nothing of this program to do.
static mvg_status start(mvg_program *p, const mvg_ndarray *const *inputs, size_t input_count) {
  MVG_RETURN_IF_ERROR(mvg_device_wait(p->device, 0));
  MVG_RETURN_IF_ERROR(mvg_program_write_inputs(p, inputs, input_count));
  if (!p->is_recorded && !mvg_device_get_caps(p->device)->is_null)
    MVG_RETURN_IF_ERROR(mvg_program_record(p));
  p->flight_first = p->flight_end = 0;
  mvg_status status = run_segments(p);
  p->is_started = !status;
  if (!status) return NULL;
  status = mvg_program_explain_loss(p, status);
  return mvg_status_join(status, mvg_device_wait(p->device, 0));
}

mvg_status mvg_program_start(mvg_program *p, const mvg_ndarray *const *inputs, size_t input_count) {
  p->is_started = false;
  return annotate(p, start(p, inputs, input_count));
}

mvg_status mvg_program_finish(mvg_program *p, mvg_ndarray *const *outputs, size_t output_count) {
  MVG_RETURN_IF_ERROR(mvg_program_check_outputs(p, outputs, output_count));
  if (!p->is_started) {
    return annotate(p, MVG_ERROR(MVG_FAILED_PRECONDITION, "there is no run to finish"));
  }
  p->is_started = false;
  mvg_status status = mvg_program_explain_loss(p, wait_until(p, 0));
  if (!status) status = mvg_program_measure_costs(p);
  return annotate(p, status ? status : mvg_program_read_outputs(p, outputs));
}

mvg_status mvg_program_run(mvg_program *p, const mvg_ndarray *const *inputs, size_t input_count,
                           mvg_ndarray *const *outputs, size_t output_count) {
  MVG_RETURN_IF_ERROR(mvg_program_check_outputs(p, outputs, output_count));
  MVG_RETURN_IF_ERROR(mvg_program_start(p, inputs, input_count));
  return mvg_program_finish(p, outputs, output_count);
}

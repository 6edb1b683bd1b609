// One run: inputs, segments in order, outputs; each step is timed or looked at where that was asked
// for.
#include "program/finite.h"
#include "program/program_internal.h"

static mvg_status submit_segment(mvg_program *p, const mvg_segment *s) {
  if (!s->commands) return mvg_program_run_host_step(p, s->first_step);
  return mvg_device_submit(p->device, &s->commands, 1);
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

// Of a list in which each step is followed by a timestamp; times are since the run began.
static mvg_status add_times(mvg_program *p, const mvg_segment *s, double begin_ns, double end_ns) {
  bool has_timestamps = mvg_device_get_caps(p->device)->has_timestamps;
  if (!s->commands || (!has_timestamps && s->step_count == 1)) {
    mvg_profile_add(&p->profile, s->first_step, begin_ns, end_ns);
    return NULL;
  }
  uint32_t count = s->step_count + 1;
  uint64_t *times;
  MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY(count, &times));
  mvg_status status = mvg_commands_read_timestamps(s->commands, times, count);
  for (uint32_t i = 1; i < count && !status; ++i) {
    if (times[i] < times[i - 1]) times[i] = times[i - 1]; // not written, or the counter wrapped
    mvg_profile_add(&p->profile, s->first_step + i - 1,
                    begin_ns + (double)(times[i - 1] - times[0]),
                    begin_ns + (double)(times[i] - times[0]));
  }
  mvg_free(times);
  return status;
}

static mvg_status run_segments(mvg_program *p) {
  double start = p->profile.step_ns ? mvg_profile_now_ns() : 0;
  for (size_t i = 0; i < p->segments.count; ++i) {
    const mvg_segment *s = &p->segments.items[i];
    double begin = p->profile.step_ns ? mvg_profile_now_ns() : 0;
    MVG_RETURN_IF_ERROR(run_segment(p, s));
    if (!p->profile.is_warm) continue;
    MVG_RETURN_IF_ERROR(add_times(p, s, begin - start, mvg_profile_now_ns() - start));
  }
  if (p->profile.is_warm) {
    p->profile.last_wall_ns = mvg_profile_now_ns() - start;
    p->profile.wall_ns += p->profile.last_wall_ns;
    ++p->profile.run_count;
  }
  p->profile.is_warm = p->profile.step_ns != NULL;
  return NULL;
}

mvg_status mvg_program_run(mvg_program *p, const mvg_ndarray *const *inputs, size_t input_count,
                           mvg_ndarray *const *outputs, size_t output_count) {
  MVG_RETURN_IF_ERROR(mvg_program_check_outputs(p, outputs, output_count));
  mvg_status status = mvg_program_write_inputs(p, inputs, input_count);
  if (!status) status = run_segments(p);
  if (!status) status = mvg_program_read_outputs(p, outputs);
  return mvg_status_annotate(status, "running program '%s'",
                             mvg_graph_get_name(p->plan->fusion->graph));
}

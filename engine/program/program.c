// A program's life: built once, destroyed once.
#include <stdio.h>

#include "program/program_internal.h"

const mvg_plan *mvg_program_get_plan(const mvg_program *program) {
  return program->plan;
}

const mvg_profile *mvg_program_get_profile(const mvg_program *program) {
  return &program->profile;
}

static const mvg_type *get_type(const mvg_program *p, const mvg_step *step, uint32_t i) {
  const mvg_graph *graph = p->plan->fusion->graph;
  if (!step->group) return mvg_state_get_type(p->states[step->spans[1].slot]); // a copy
  return mvg_graph_get_type(graph, i < step->read_count
                                       ? step->group->reads[i].value
                                       : step->group->writes[i - step->read_count]);
}

static mvg_status create_guard(mvg_program *p) {
  p->guard.plan = p->plan;
  for (uint32_t i = 0; i < p->plan->step_count && p->is_guarded; ++i) {
    const mvg_step *step = &p->plan->steps[i];
    for (uint32_t k = 0; k < step->read_count + step->write_count; ++k) {
      MVG_RETURN_IF_ERROR(mvg_guard_add(&p->guard, i, k, get_type(p, step, k),
                                        mvg_program_get_buffer(p, &step->spans[k])));
    }
  }
  return mvg_guard_fill(&p->guard, p->upload);
}

static mvg_status build(mvg_program *p, const mvg_program_options *options) {
  MVG_RETURN_IF_ERROR(mvg_program_check_states(p));
  if (mvg_device_get_caps(p->device)->is_null) return NULL;
  MVG_RETURN_IF_ERROR(mvg_profile_init(&p->profile, p->plan, options->is_timed));
  MVG_RETURN_IF_ERROR(mvg_tile_chooser_init(&p->chooser, p->device, options));
  MVG_RETURN_IF_ERROR(mvg_program_create_regions(p));
  MVG_RETURN_IF_ERROR(mvg_program_create_host_groups(p));
  MVG_RETURN_IF_ERROR(mvg_program_create_kernels(p));
  MVG_RETURN_IF_ERROR(create_guard(p));
  MVG_RETURN_IF_ERROR(mvg_program_write_constants(p));
  MVG_RETURN_IF_ERROR(mvg_program_estimate_costs(p));
  return mvg_program_record(p);
}

mvg_status mvg_program_create(mvg_device *device, mvg_plan *plan, mvg_state *const *states,
                              size_t state_count, const mvg_program_options *options,
                              mvg_program **out_program) {
  *out_program = NULL;
  mvg_program *p = NULL;
  mvg_status status = MVG_NEW(&p);
  if (status) {
    mvg_plan_destroy(plan);
    return status;
  }
  p->plan = plan;
  p->device = device;
  const mvg_program_options plain = {0};
  if (!options) options = &plain;
  p->is_checked = options->is_checked;
  p->is_guarded = options->is_guarded;
  mvg_device_retain(device);
  status = MVG_NEW_ARRAY(state_count, &p->states);
  for (size_t i = 0; i < state_count && !status; ++i) {
    p->states[i] = states[i];
    if (states[i]) mvg_state_retain(states[i]);
    p->state_count = i + 1;
  }
  if (!status) status = build(p, options);
  if (status) {
    mvg_program_destroy(p);
    return status;
  }
  *out_program = p;
  return NULL;
}

static void print_profile(const mvg_program *p) {
  mvg_str text = {0};
  mvg_profile_print(&p->profile, p->plan, &text);
  if (text.text) fputs(text.text, stderr);
  mvg_str_deinit(&text);
}

void mvg_program_destroy(mvg_program *p) {
  if (!p) return;
  if (p->is_started) mvg_status_destroy(mvg_device_wait(p->device, 0));
  if (p->profile.is_printed) print_profile(p);
  mvg_profile_deinit(&p->profile);
  mvg_program_release_segments(p);
  mvg_array_deinit(&p->segments);
  mvg_free(p->cost_ns);
  mvg_kernel_set_deinit(&p->kernels);
  mvg_tile_chooser_deinit(&p->chooser);
  for (uint32_t i = 0; p->host_groups && i < p->plan->step_count; ++i)
    mvg_host_group_destroy(p->host_groups[i]);
  mvg_free(p->host_groups);
  mvg_host_scratch_deinit(&p->host_scratch);
  mvg_free(p->launches);
  mvg_guard_deinit(&p->guard);
  mvg_program_release_memory(p);
  mvg_plan_destroy(p->plan);
  mvg_device_release(p->device);
  mvg_free(p);
}

// From steps to segments: kernels are made, and contiguous device steps recorded into lists.
#include <inttypes.h>
#include <string.h>

#include "program/program_internal.h"

mvg_status mvg_program_create_kernels(mvg_program *p) {
  const mvg_plan *plan = p->plan;
  const mvg_caps *caps = mvg_device_get_caps(p->device);
  MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY(plan->step_count, &p->launches));
  for (uint32_t i = 0; i < plan->step_count; ++i) {
    const mvg_step *step = &plan->steps[i];
    mvg_launch *l = &p->launches[i];
    l->kernel = UINT32_MAX;
    if (step->kind != MVG_STEP_DISPATCH || p->host_groups[i]) continue;
    mvg_shader shader;
    MVG_RETURN_IF_ERROR(mvg_shader_create(plan->fusion, step->group, caps, NULL, &shader));
    memcpy(l->push, shader.push, sizeof l->push);
    memcpy(l->groups, shader.groups, sizeof l->groups);
    l->push_count = shader.push_count;
    if (shader.groups[0] == 0) {
      mvg_shader_deinit(&shader);
      continue;
    }
    uint32_t binding_count = 0;
    for (uint32_t k = 0; k < step->read_count + step->write_count; ++k) {
      binding_count += mvg_count_pieces(caps, step->spans[k].size_bytes);
    }
    MVG_RETURN_IF_ERROR(mvg_kernel_set_add(&p->kernels, &shader, binding_count, &l->kernel));
  }
  return mvg_kernel_set_compile(&p->kernels, p->device);
}

// Each span in as many bindings as codegen gave it. Drivers keep kernels within their bindings, so
// those of guarded programs take in the band behind the value.
static mvg_status list_bindings(const mvg_program *p, const mvg_step *step, mvg_binding *bindings,
                                uint32_t *out_count) {
  const mvg_caps *caps = mvg_device_get_caps(p->device);
  uint64_t piece = mvg_get_piece_bytes(caps);
  *out_count = 0;
  for (uint32_t i = 0; i < step->read_count + step->write_count; ++i) {
    const mvg_span *span = &step->spans[i];
    mvg_buffer *buffer = mvg_program_get_buffer(p, span);
    uint64_t room = mvg_buffer_get_size(buffer) - span->offset - span->size_bytes;
    uint64_t band = p->is_guarded ? MVG_GUARD_BYTES : 0;
    if (band > room) band = room;
    for (uint64_t done = 0; done < span->size_bytes; done += piece) {
      if (*out_count == MVG_MAX_STEP_BINDINGS) {
        return MVG_ERROR(MVG_UNSUPPORTED,
                         "a step needs more than %d bindings of at most %" PRIu64
                         " bytes; use a smaller batch",
                         MVG_MAX_STEP_BINDINGS, piece);
      }
      uint64_t rest = span->size_bytes - done;
      uint64_t bound = rest + band < piece ? rest + band : piece;
      bindings[(*out_count)++] = (mvg_binding){buffer, span->offset + done, bound};
      if (rest <= piece) break;
    }
  }
  return NULL;
}

static mvg_status record_step(mvg_program *p, mvg_commands *commands, uint32_t number) {
  const mvg_step *step = &p->plan->steps[number];
  const mvg_launch *l = &p->launches[number];
  if (step->barrier) MVG_RETURN_IF_ERROR(mvg_commands_barrier(commands));
  if (step->kind == MVG_STEP_COPY) {
    const mvg_span *from = &step->spans[0], *to = &step->spans[1];
    mvg_binding source = {mvg_program_get_buffer(p, from), from->offset, from->size_bytes};
    mvg_binding target = {mvg_program_get_buffer(p, to), to->offset, to->size_bytes};
    return mvg_commands_copy(commands, &source, &target);
  }
  if (l->kernel == UINT32_MAX) return NULL;
  mvg_binding bindings[MVG_MAX_STEP_BINDINGS];
  uint32_t count;
  MVG_RETURN_IF_ERROR(list_bindings(p, step, bindings, &count));
  return mvg_commands_dispatch(commands, p->kernels.entries.items[l->kernel].kernel, bindings,
                               count, l->push, l->push_count * (uint32_t)sizeof(uint32_t),
                               l->groups);
}

static mvg_status record_staging(mvg_commands *commands, mvg_buffer *from, mvg_buffer *to) {
  if (!from || !to) return NULL;
  mvg_binding source = {from, 0, mvg_buffer_get_size(from)}, target = {to, 0, source.size_bytes};
  return mvg_commands_copy(commands, &source, &target);
}

static mvg_status open_list(mvg_program *p, uint32_t first_step, mvg_commands **out) {
  MVG_RETURN_IF_ERROR(
      mvg_commands_create(p->device, mvg_graph_get_name(p->plan->fusion->graph), out));
  mvg_status status = mvg_array_push(&p->segments, ((mvg_segment){*out, first_step, 0}));
  if (status) {
    mvg_commands_destroy(*out);
    return status;
  }
  return p->profile.step_ns ? mvg_commands_timestamp(*out, 0) : NULL;
}

#define MAX_PROFILED_STEPS 4000 // timestamps of one list

static mvg_status close_list(mvg_commands **commands) {
  mvg_status status = *commands ? mvg_commands_end(*commands) : NULL;
  *commands = NULL;
  return status;
}

// True if no other step may share the list: it is looked at, or timed by the host's clock.
static bool runs_alone(const mvg_program *p) {
  bool has_timestamps = mvg_device_get_caps(p->device)->has_timestamps;
  return p->is_checked || p->is_guarded || (p->profile.step_ns && !has_timestamps);
}

static mvg_status record_into(mvg_program *p, mvg_commands **commands, uint32_t step) {
  MVG_RETURN_IF_ERROR(record_step(p, *commands, step));
  mvg_segment *last = &p->segments.items[p->segments.count - 1];
  ++last->step_count;
  if (p->profile.step_ns) MVG_RETURN_IF_ERROR(mvg_commands_timestamp(*commands, last->step_count));
  bool is_full = p->profile.step_ns && last->step_count == MAX_PROFILED_STEPS;
  return is_full || runs_alone(p) ? close_list(commands) : NULL;
}

// Contiguous device steps share a list; each host step ends the one before it.
mvg_status mvg_program_record(mvg_program *p) {
  mvg_commands *commands = NULL;
  bool has_staging = p->upload || p->download;
  if (has_staging) {
    MVG_RETURN_IF_ERROR(open_list(p, 0, &commands));
    if (p->upload) {
      MVG_RETURN_IF_ERROR(record_staging(commands, p->upload, p->regions[MVG_REGION_INPUT]));
      MVG_RETURN_IF_ERROR(mvg_commands_barrier(commands));
    }
    if (p->profile.step_ns || runs_alone(p)) MVG_RETURN_IF_ERROR(close_list(&commands));
  }
  for (uint32_t i = 0; i < p->plan->step_count; ++i) {
    if (mvg_program_is_on_host(p, i)) {
      MVG_RETURN_IF_ERROR(close_list(&commands));
      MVG_RETURN_IF_ERROR(mvg_array_push(&p->segments, ((mvg_segment){NULL, i, 1})));
      continue;
    }
    if (!commands) MVG_RETURN_IF_ERROR(open_list(p, i, &commands));
    MVG_RETURN_IF_ERROR(record_into(p, &commands, i));
  }
  if (p->download) {
    if (!commands) MVG_RETURN_IF_ERROR(open_list(p, p->plan->step_count, &commands));
    MVG_RETURN_IF_ERROR(mvg_commands_barrier(commands));
    MVG_RETURN_IF_ERROR(record_staging(commands, p->regions[MVG_REGION_OUTPUT], p->download));
  }
  return close_list(&commands);
}

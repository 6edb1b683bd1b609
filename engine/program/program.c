#include "program/program.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "plan/plan.h"
#include "program/finite.h"
#include "program/guard.h"
#include "program/host_group.h"
#include "program/host_step.h"
#include "program/kernel_set.h"
#include "program/profile.h"

// Steps between two visits to the host: one command list, or one host step.
typedef struct {
  mvg_commands *commands; // NULL: a host step
  uint32_t first_step, step_count;
} segment;

typedef struct {
  uint32_t kernel; // of dispatches; UINT32_MAX: an empty grid
  uint32_t push[MVG_SHADER_MAX_PUSH];
  uint32_t push_count;
  uint32_t groups[3];
} launch;

struct mvg_program {
  mvg_device *device;
  mvg_plan *plan;
  mvg_state **states;
  size_t state_count;
  mvg_buffer *regions[MVG_REGION_COUNT]; // of ARENA: unused
  MVG_ARRAY(mvg_buffer *) pieces;        // of the arena
  mvg_buffer *upload, *download; // staging, where kernels should not touch host memory; else NULL
  mvg_kernel_set kernels;
  launch *launches;             // per step
  mvg_host_group **host_groups; // per step; NULL: runs on the device
  mvg_host_scratch host_scratch;
  MVG_ARRAY(segment) segments;
  mvg_profile profile;
  bool is_checked, is_guarded;
  mvg_guard guard; // empty unless guarded
};

const mvg_plan *mvg_program_get_plan(const mvg_program *program) {
  return program->plan;
}

const mvg_profile *mvg_program_get_profile(const mvg_program *program) {
  return &program->profile;
}

static mvg_buffer *get_buffer(const mvg_program *p, const mvg_span *span) {
  if (span->region == MVG_REGION_STATE) return mvg_state_get_buffer(p->states[span->slot]);
  if (span->region == MVG_REGION_ARENA) return p->pieces.items[span->slot];
  return p->regions[span->region];
}

// ---- creation ----

static mvg_status check_states(const mvg_program *p) {
  const mvg_plan *plan = p->plan;
  for (uint32_t i = 0; i < plan->step_count; ++i) {
    const mvg_step *step = &plan->steps[i];
    for (uint32_t k = 0; k < step->read_count + step->write_count; ++k) {
      const mvg_span *span = &step->spans[k];
      if (span->region != MVG_REGION_STATE) continue;
      bool exists = span->slot < p->state_count && p->states[span->slot];
      if (!exists)
        return MVG_ERROR(MVG_INVALID_ARGUMENT, "the program needs state %u, which is missing",
                         span->slot);
      uint64_t bytes = mvg_buffer_get_size(mvg_state_get_buffer(p->states[span->slot]));
      if (bytes < span->size_bytes) {
        return MVG_ERROR(MVG_INVALID_ARGUMENT,
                         "state '%s' has %" PRIu64 " bytes, the program uses %" PRIu64,
                         mvg_state_get_name(p->states[span->slot]), bytes, span->size_bytes);
      }
    }
  }
  return NULL;
}

static mvg_status create_pieces(mvg_program *p) {
  uint64_t total = p->plan->region_bytes[MVG_REGION_ARENA], piece = p->plan->piece_bytes;
  for (uint64_t done = 0; done < total; done += piece) {
    uint64_t rest = total - done;
    mvg_buffer *buffer;
    MVG_RETURN_IF_ERROR(
        mvg_buffer_create(p->device, MVG_MEMORY_DEVICE, rest < piece ? rest : piece, &buffer));
    mvg_status status = mvg_array_push(&p->pieces, buffer);
    if (!status) continue;
    mvg_buffer_release(buffer);
    return status;
  }
  return NULL;
}

static mvg_status create_arena(mvg_program *p) {
  mvg_status status = create_pieces(p);
  if (!status) return NULL;
  mvg_str text = {0};
  mvg_plan_print_peak(p->plan, &text);
  status = mvg_status_annotate(
      status, "%sthree ways to shrink it: a smaller batch, a smaller image size, fewer views",
      text.text ? text.text : "");
  mvg_str_deinit(&text);
  return status;
}

static mvg_status create_regions(mvg_program *p) {
  const uint64_t *bytes = p->plan->region_bytes;
  bool is_direct = mvg_device_get_caps(p->device)->is_cpu;
  static const mvg_memory direct[MVG_REGION_STATE] = {
      [MVG_REGION_INPUT] = MVG_MEMORY_UPLOAD,
      [MVG_REGION_OUTPUT] = MVG_MEMORY_DOWNLOAD,
      [MVG_REGION_CONST] = MVG_MEMORY_DEVICE,
  };
  MVG_RETURN_IF_ERROR(create_arena(p));
  for (uint32_t r = MVG_REGION_INPUT; r < MVG_REGION_STATE; ++r) {
    if (bytes[r] == 0) continue;
    mvg_memory memory = is_direct ? direct[r] : MVG_MEMORY_DEVICE;
    MVG_RETURN_IF_ERROR(mvg_buffer_create(p->device, memory, bytes[r], &p->regions[r]));
  }
  if (is_direct) return NULL;
  if (bytes[MVG_REGION_INPUT]) {
    MVG_RETURN_IF_ERROR(
        mvg_buffer_create(p->device, MVG_MEMORY_UPLOAD, bytes[MVG_REGION_INPUT], &p->upload));
  }
  if (!bytes[MVG_REGION_OUTPUT]) return NULL;
  return mvg_buffer_create(p->device, MVG_MEMORY_DOWNLOAD, bytes[MVG_REGION_OUTPUT], &p->download);
}

static mvg_status write_constants(mvg_program *p) {
  for (uint32_t i = 0; i < p->plan->constant_count; ++i) {
    const mvg_placed *constant = &p->plan->constants[i];
    uint64_t bytes = (uint64_t)mvg_shape_get_size(&constant->type.shape) *
                     mvg_dtype_get_size(constant->type.dtype);
    if (bytes == 0) continue;
    MVG_RETURN_IF_ERROR(mvg_buffer_write(p->regions[MVG_REGION_CONST], constant->span.offset,
                                         constant->data, bytes));
  }
  return NULL;
}

// True if the host sees all the memory of a step.
static bool is_mapped(const mvg_program *p, const mvg_step *step) {
  for (uint32_t i = 0; i < step->read_count + step->write_count; ++i) {
    if (!mvg_buffer_get_mapped(get_buffer(p, &step->spans[i]))) return false;
  }
  return true;
}

static mvg_status create_host_groups(mvg_program *p) {
  const mvg_plan *plan = p->plan;
  size_t scratch_bytes = 0;
  MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY(plan->step_count, &p->host_groups));
  for (uint32_t i = 0; i < plan->step_count && plan->prefers_host; ++i) {
    const mvg_step *step = &plan->steps[i];
    if (step->kind != MVG_STEP_DISPATCH || !is_mapped(p, step)) continue;
    mvg_status status = mvg_host_group_create(plan->fusion, step->group, &p->host_groups[i]);
    if (status && mvg_status_get_code(status) != MVG_UNSUPPORTED) return status;
    mvg_status_destroy(status);
    if (!p->host_groups[i]) continue;
    size_t bytes = mvg_host_group_get_scratch_bytes(p->host_groups[i]);
    if (bytes > scratch_bytes) scratch_bytes = bytes;
  }
  return scratch_bytes ? mvg_host_scratch_init(&p->host_scratch, scratch_bytes) : NULL;
}

static bool is_host_step(const mvg_program *p, uint32_t number) {
  const mvg_step *step = &p->plan->steps[number];
  if (step->kind == MVG_STEP_COPY) return p->plan->prefers_host && is_mapped(p, step);
  return step->kind == MVG_STEP_HOST || p->host_groups[number];
}

bool mvg_program_is_on_host(const mvg_program *program, uint32_t step) {
  return program->host_groups && is_host_step(program, step);
}

static mvg_status create_kernels(mvg_program *p) {
  const mvg_plan *plan = p->plan;
  const mvg_caps *caps = mvg_device_get_caps(p->device);
  MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY(plan->step_count, &p->launches));
  for (uint32_t i = 0; i < plan->step_count; ++i) {
    const mvg_step *step = &plan->steps[i];
    launch *l = &p->launches[i];
    l->kernel = UINT32_MAX;
    if (step->kind != MVG_STEP_DISPATCH || p->host_groups[i]) continue;
    mvg_shader shader;
    MVG_RETURN_IF_ERROR(mvg_shader_create(plan->fusion, step->group, caps, &shader));
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

#define MAX_STEP_BINDINGS 64

// Each span in as many bindings as codegen gave it. Drivers keep kernels within their bindings, so
// those of guarded programs take in the band behind the value.
static mvg_status list_bindings(const mvg_program *p, const mvg_step *step, mvg_binding *bindings,
                                uint32_t *out_count) {
  const mvg_caps *caps = mvg_device_get_caps(p->device);
  uint64_t piece = mvg_get_piece_bytes(caps);
  *out_count = 0;
  for (uint32_t i = 0; i < step->read_count + step->write_count; ++i) {
    const mvg_span *span = &step->spans[i];
    mvg_buffer *buffer = get_buffer(p, span);
    uint64_t room = mvg_buffer_get_size(buffer) - span->offset - span->size_bytes;
    uint64_t band = p->is_guarded ? MVG_GUARD_BYTES : 0;
    if (band > room) band = room;
    for (uint64_t done = 0; done < span->size_bytes; done += piece) {
      if (*out_count == MAX_STEP_BINDINGS) {
        return MVG_ERROR(MVG_UNSUPPORTED,
                         "a step needs more than %d bindings of at most %" PRIu64
                         " bytes; use a smaller batch",
                         MAX_STEP_BINDINGS, piece);
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
  const launch *l = &p->launches[number];
  if (step->barrier) MVG_RETURN_IF_ERROR(mvg_commands_barrier(commands));
  if (step->kind == MVG_STEP_COPY) {
    const mvg_span *from = &step->spans[0], *to = &step->spans[1];
    mvg_binding source = {get_buffer(p, from), from->offset, from->size_bytes};
    mvg_binding target = {get_buffer(p, to), to->offset, to->size_bytes};
    return mvg_commands_copy(commands, &source, &target);
  }
  if (l->kernel == UINT32_MAX) return NULL;
  mvg_binding bindings[MAX_STEP_BINDINGS];
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
  mvg_status status = mvg_array_push(&p->segments, ((segment){*out, first_step, 0}));
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
  segment *last = &p->segments.items[p->segments.count - 1];
  ++last->step_count;
  if (p->profile.step_ns) MVG_RETURN_IF_ERROR(mvg_commands_timestamp(*commands, last->step_count));
  bool is_full = p->profile.step_ns && last->step_count == MAX_PROFILED_STEPS;
  return is_full || runs_alone(p) ? close_list(commands) : NULL;
}

// Contiguous device steps share a list; each host step ends the one before it.
static mvg_status record(mvg_program *p) {
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
    if (is_host_step(p, i)) {
      MVG_RETURN_IF_ERROR(close_list(&commands));
      MVG_RETURN_IF_ERROR(mvg_array_push(&p->segments, ((segment){NULL, i, 1})));
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
      MVG_RETURN_IF_ERROR(
          mvg_guard_add(&p->guard, i, k, get_type(p, step, k), get_buffer(p, &step->spans[k])));
    }
  }
  return mvg_guard_fill(&p->guard, p->upload);
}

static mvg_status build(mvg_program *p, bool is_timed) {
  MVG_RETURN_IF_ERROR(check_states(p));
  if (mvg_device_get_caps(p->device)->is_null) return NULL;
  MVG_RETURN_IF_ERROR(mvg_profile_init(&p->profile, p->plan, is_timed));
  MVG_RETURN_IF_ERROR(create_regions(p));
  MVG_RETURN_IF_ERROR(create_host_groups(p));
  MVG_RETURN_IF_ERROR(create_kernels(p));
  MVG_RETURN_IF_ERROR(create_guard(p));
  MVG_RETURN_IF_ERROR(write_constants(p));
  return record(p);
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
  p->is_checked = options && options->is_checked;
  p->is_guarded = options && options->is_guarded;
  mvg_device_retain(device);
  status = MVG_NEW_ARRAY(state_count, &p->states);
  for (size_t i = 0; i < state_count && !status; ++i) {
    p->states[i] = states[i];
    if (states[i]) mvg_state_retain(states[i]);
    p->state_count = i + 1;
  }
  if (!status) status = build(p, options && options->is_timed);
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
  if (p->profile.is_printed) print_profile(p);
  mvg_profile_deinit(&p->profile);
  for (size_t i = 0; i < p->segments.count; ++i) {
    if (p->segments.items[i].commands) mvg_commands_destroy(p->segments.items[i].commands);
  }
  mvg_array_deinit(&p->segments);
  mvg_kernel_set_deinit(&p->kernels);
  for (uint32_t i = 0; p->host_groups && i < p->plan->step_count; ++i)
    mvg_host_group_destroy(p->host_groups[i]);
  mvg_free(p->host_groups);
  mvg_host_scratch_deinit(&p->host_scratch);
  mvg_free(p->launches);
  for (uint32_t r = 0; r < MVG_REGION_COUNT; ++r) {
    if (p->regions[r]) mvg_buffer_release(p->regions[r]);
  }
  for (size_t i = 0; i < p->pieces.count; ++i) {
    mvg_buffer_release(p->pieces.items[i]);
  }
  mvg_array_deinit(&p->pieces);
  mvg_guard_deinit(&p->guard);
  if (p->upload) mvg_buffer_release(p->upload);
  if (p->download) mvg_buffer_release(p->download);
  for (size_t i = 0; i < p->state_count; ++i)
    mvg_state_release(p->states[i]);
  mvg_free(p->states);
  mvg_plan_destroy(p->plan);
  mvg_device_release(p->device);
  mvg_free(p);
}

// ---- running ----

static mvg_status check_array(const char *what, const mvg_placed *placed,
                              const mvg_ndarray *array) {
  if (!array) return MVG_ERROR(MVG_INVALID_ARGUMENT, "%s '%s' is missing", what, placed->name);
  bool fits = array->dtype == placed->type.dtype &&
              mvg_shape_get_size(&array->shape) == mvg_shape_get_size(&placed->type.shape);
  if (fits) return NULL;
  char have[MVG_SHAPE_TEXT_SIZE], want[MVG_SHAPE_TEXT_SIZE];
  return MVG_ERROR(MVG_INVALID_ARGUMENT, "%s '%s' is %s%s, the array is %s%s", what, placed->name,
                   mvg_dtype_get_name(placed->type.dtype),
                   mvg_shape_format(&placed->type.shape, want), mvg_dtype_get_name(array->dtype),
                   mvg_shape_format(&array->shape, have));
}

static mvg_status write_inputs(mvg_program *p, const mvg_ndarray *const *inputs, size_t count) {
  mvg_buffer *buffer = p->upload ? p->upload : p->regions[MVG_REGION_INPUT];
  for (uint32_t i = 0; i < p->plan->input_count; ++i) {
    const mvg_placed *input = &p->plan->inputs[i];
    const mvg_ndarray *array = input->slot < count ? inputs[input->slot] : NULL;
    MVG_RETURN_IF_ERROR(check_array("input", input, array));
    if (!buffer || array->size_bytes == 0) continue;
    MVG_RETURN_IF_ERROR(
        mvg_buffer_write(buffer, input->span.offset, array->data, array->size_bytes));
  }
  return NULL;
}

static mvg_status read_outputs(mvg_program *p, mvg_ndarray *const *outputs) {
  mvg_buffer *buffer = p->download ? p->download : p->regions[MVG_REGION_OUTPUT];
  for (uint32_t i = 0; i < p->plan->output_count; ++i) {
    if (!outputs[i] || outputs[i]->size_bytes == 0) continue;
    if (!buffer) {
      memset(outputs[i]->data, 0, outputs[i]->size_bytes);
      continue;
    }
    MVG_RETURN_IF_ERROR(mvg_buffer_read(buffer, p->plan->outputs[i].span.offset, outputs[i]->data,
                                        outputs[i]->size_bytes));
  }
  return NULL;
}

static void *get_memory(const mvg_program *p, const mvg_span *span) {
  return (char *)mvg_buffer_get_mapped(get_buffer(p, span)) + span->offset;
}

static void run_host_group(const mvg_program *p, uint32_t number) {
  const mvg_step *step = &p->plan->steps[number];
  void *memory[MAX_STEP_BINDINGS];
  for (uint32_t i = 0; i < step->read_count + step->write_count; ++i) {
    memory[i] = get_memory(p, &step->spans[i]);
  }
  mvg_host_group_run(p->host_groups[number], (const void *const *)memory, memory + step->read_count,
                     &p->host_scratch);
}

static mvg_status run_host_step(mvg_program *p, uint32_t number) {
  const mvg_step *step = &p->plan->steps[number];
  if (step->kind == MVG_STEP_COPY) {
    memcpy(get_memory(p, &step->spans[1]), get_memory(p, &step->spans[0]),
           step->spans[0].size_bytes);
    return NULL;
  }
  if (p->host_groups[number]) {
    run_host_group(p, number);
    return NULL;
  }
  mvg_buffer *buffers[2 * MVG_MAX_OPERANDS];
  for (uint32_t i = 0; i < step->read_count + step->write_count; ++i) {
    buffers[i] = get_buffer(p, &step->spans[i]);
  }
  return mvg_host_step_run(p->plan, step, buffers);
}

static mvg_status submit_segment(mvg_program *p, const segment *s) {
  if (!s->commands) return run_host_step(p, s->first_step);
  return mvg_device_submit(p->device, &s->commands, 1);
}

static mvg_status run_checked(mvg_program *p, const segment *s) {
  if (!p->is_checked || s->step_count == 0) return submit_segment(p, s);
  const mvg_step *step = &p->plan->steps[s->first_step];
  mvg_buffer **buffers;
  mvg_finite_kept kept = {0};
  uint32_t count = step->read_count + step->write_count;
  MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY(count + 1, &buffers));
  for (uint32_t i = 0; i < count; ++i)
    buffers[i] = get_buffer(p, &step->spans[i]);
  mvg_status status = mvg_finite_keep(p->plan, s->first_step, buffers, &kept);
  if (!status) status = submit_segment(p, s);
  if (!status) status = mvg_finite_check(p->plan, s->first_step, buffers, &kept);
  mvg_finite_release(&kept);
  mvg_free(buffers);
  return status;
}

static mvg_status run_segment(mvg_program *p, const segment *s) {
  MVG_RETURN_IF_ERROR(run_checked(p, s));
  return s->step_count ? mvg_guard_check(&p->guard, s->first_step) : NULL;
}

// Of a list in which each step is followed by a timestamp; times are since the run began.
static mvg_status add_times(mvg_program *p, const segment *s, double begin_ns, double end_ns) {
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
    const segment *s = &p->segments.items[i];
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
  if (output_count < p->plan->output_count) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT, "the program has %u outputs, room was given for %zu",
                     p->plan->output_count, output_count);
  }
  for (uint32_t i = 0; i < p->plan->output_count; ++i) {
    if (outputs[i]) MVG_RETURN_IF_ERROR(check_array("output", &p->plan->outputs[i], outputs[i]));
  }
  mvg_status status = write_inputs(p, inputs, input_count);
  if (!status) status = run_segments(p);
  if (!status) status = read_outputs(p, outputs);
  return mvg_status_annotate(status, "running program '%s'",
                             mvg_graph_get_name(p->plan->fusion->graph));
}

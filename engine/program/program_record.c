// From steps to segments: kernels are made, and contiguous device steps recorded into lists that
// are cut where `cut.h` says.
#include <inttypes.h>
#include <string.h>

#include "program/cut.h"
#include "program/program_internal.h"

// Codegen's own main() asks too, but only for axes along which grids are not split.
static bool asks_for_grid(const char *glsl) {
  const char *found = strstr(glsl, "gl_NumWorkGroups"), *entry = strstr(glsl, "void main()");
  return found && (!entry || found < entry);
}

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
    MVG_RETURN_IF_ERROR(mvg_tile_create_shader(&p->chooser, plan->fusion, step->group, &shader));
    memcpy(l->push, shader.push, sizeof l->push);
    memcpy(l->groups, shader.groups, sizeof l->groups);
    l->push_count = shader.push_count;
    l->is_whole = asks_for_grid(shader.glsl);
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

// Part `number` of `count` of a grid, cut along its last axis of more than one workgroup.
typedef struct {
  uint32_t number, count;
} grid_part;

static uint32_t get_split_axis(const mvg_launch *l) {
  return l->groups[2] > 1 ? 2 : l->groups[1] > 1 ? 1 : 0;
}

static void find_part(const mvg_launch *l, grid_part part, uint32_t first[3], uint32_t groups[3]) {
  uint32_t axis = get_split_axis(l);
  uint64_t rows = l->groups[axis];
  memset(first, 0, 3 * sizeof *first);
  memcpy(groups, l->groups, 3 * sizeof *groups);
  first[axis] = (uint32_t)(rows * part.number / part.count);
  groups[axis] = (uint32_t)(rows * (part.number + 1) / part.count) - first[axis];
}

static mvg_status record_step(mvg_program *p, mvg_commands *commands, uint32_t number,
                              grid_part part) {
  const mvg_step *step = &p->plan->steps[number];
  const mvg_launch *l = &p->launches[number];
  if (step->barrier && part.number == 0) MVG_RETURN_IF_ERROR(mvg_commands_barrier(commands));
  if (step->kind == MVG_STEP_COPY) {
    const mvg_span *from = &step->spans[0], *to = &step->spans[1];
    mvg_binding source = {mvg_program_get_buffer(p, from), from->offset, from->size_bytes};
    mvg_binding target = {mvg_program_get_buffer(p, to), to->offset, to->size_bytes};
    return mvg_commands_copy(commands, &source, &target);
  }
  if (l->kernel == UINT32_MAX) return NULL;
  mvg_binding bindings[MVG_MAX_STEP_BINDINGS];
  uint32_t count, first[3], groups[3];
  MVG_RETURN_IF_ERROR(list_bindings(p, step, bindings, &count));
  find_part(l, part, first, groups);
  return mvg_commands_dispatch_part(commands, p->kernels.entries.items[l->kernel].kernel, bindings,
                                    count, l->push, l->push_count * (uint32_t)sizeof(uint32_t),
                                    first, groups);
}

// What is looked at after it has run stays whole.
static uint32_t count_parts(const mvg_program *p, uint32_t number) {
  const mvg_launch *l = &p->launches[number];
  bool is_dispatched = p->plan->steps[number].kind == MVG_STEP_DISPATCH && l->kernel != UINT32_MAX;
  if (!is_dispatched || l->is_whole || mvg_program_runs_alone(p)) return 1;
  return mvg_cut_count_parts(p->cost_ns[number], l->groups[get_split_axis(l)]);
}

static mvg_status record_staging(mvg_commands *commands, mvg_buffer *from, mvg_buffer *to) {
  if (!from || !to) return NULL;
  mvg_binding source = {from, 0, mvg_buffer_get_size(from)}, target = {to, 0, source.size_bytes};
  return mvg_commands_copy(commands, &source, &target);
}

#define MAX_STAMPED_STEPS 4000 // timestamps of one list

// While lists are recorded.
typedef struct {
  mvg_program *program;
  mvg_commands *commands; // the open list; NULL: none
  mvg_cut cut;
} recorder;

static mvg_status open_list(recorder *r, uint32_t first_step) {
  mvg_program *p = r->program;
  const char *name = mvg_graph_get_name(p->plan->fusion->graph);
  mvg_commands *commands;
  MVG_RETURN_IF_ERROR(mvg_commands_create(p->device, name, &commands));
  mvg_status status = mvg_array_push(&p->segments, ((mvg_segment){commands, first_step, 0}));
  if (status) {
    mvg_commands_destroy(commands);
    return status;
  }
  r->commands = commands;
  return mvg_program_is_stamped(p) ? mvg_commands_timestamp(commands, 0) : NULL;
}

static mvg_status close_list(recorder *r) {
  mvg_status status = r->commands ? mvg_commands_end(r->commands) : NULL;
  r->commands = NULL;
  return status;
}

bool mvg_program_runs_alone(const mvg_program *p) {
  bool has_timestamps = mvg_device_get_caps(p->device)->has_timestamps;
  return p->is_checked || p->is_guarded || (p->profile.step_ns && !has_timestamps);
}

static mvg_status record_part(recorder *r, uint32_t step, grid_part part) {
  mvg_program *p = r->program;
  if (mvg_cut_add(&r->cut, p->cost_ns[step] / part.count)) MVG_RETURN_IF_ERROR(close_list(r));
  if (!r->commands) MVG_RETURN_IF_ERROR(open_list(r, step));
  MVG_RETURN_IF_ERROR(record_step(p, r->commands, step, part));
  mvg_segment *last = &p->segments.items[p->segments.count - 1];
  ++last->step_count;
  bool is_stamped = mvg_program_is_stamped(p);
  if (is_stamped) MVG_RETURN_IF_ERROR(mvg_commands_timestamp(r->commands, last->step_count));
  bool is_full = is_stamped && last->step_count == MAX_STAMPED_STEPS;
  return is_full || mvg_program_runs_alone(p) ? close_list(r) : NULL;
}

// Contiguous host steps share a segment, unless each is looked at or timed.
static mvg_status add_host_step(recorder *r, uint32_t step) {
  mvg_program *p = r->program;
  MVG_RETURN_IF_ERROR(close_list(r));
  mvg_cut_close(&r->cut);
  mvg_segment *last = p->segments.count ? &p->segments.items[p->segments.count - 1] : NULL;
  bool is_joined = last && !last->commands && !p->profile.step_ns && !mvg_program_runs_alone(p);
  if (is_joined) ++last->step_count;
  return is_joined ? NULL : mvg_array_push(&p->segments, ((mvg_segment){NULL, step, 1}));
}

static mvg_status record_step_or_parts(recorder *r, uint32_t step) {
  if (mvg_program_is_on_host(r->program, step)) return add_host_step(r, step);
  grid_part part = {.count = count_parts(r->program, step)};
  for (; part.number < part.count; ++part.number)
    MVG_RETURN_IF_ERROR(record_part(r, step, part));
  return NULL;
}

// The first list begins with the copy of the inputs, however many steps follow.
static mvg_status record_upload(recorder *r) {
  mvg_program *p = r->program;
  if (!p->upload) return NULL;
  (void)mvg_cut_add(&r->cut, mvg_cut_estimate_ns(0, mvg_buffer_get_size(p->upload)));
  MVG_RETURN_IF_ERROR(open_list(r, 0));
  MVG_RETURN_IF_ERROR(record_staging(r->commands, p->upload, p->regions[MVG_REGION_INPUT]));
  MVG_RETURN_IF_ERROR(mvg_commands_barrier(r->commands));
  return mvg_program_runs_alone(p) || p->profile.step_ns ? close_list(r) : NULL;
}

static mvg_status record_download(recorder *r) {
  mvg_program *p = r->program;
  if (!p->download) return NULL;
  if (!r->commands) MVG_RETURN_IF_ERROR(open_list(r, p->plan->step_count));
  MVG_RETURN_IF_ERROR(mvg_commands_barrier(r->commands));
  return record_staging(r->commands, p->regions[MVG_REGION_OUTPUT], p->download);
}

mvg_status mvg_program_record(mvg_program *p) {
  mvg_program_release_segments(p);
  recorder r = {.program = p, .cut = {.is_measured = p->is_measured}};
  MVG_RETURN_IF_ERROR(record_upload(&r));
  for (uint32_t i = 0; i < p->plan->step_count; ++i)
    MVG_RETURN_IF_ERROR(record_step_or_parts(&r, i));
  MVG_RETURN_IF_ERROR(record_download(&r));
  MVG_RETURN_IF_ERROR(close_list(&r));
  p->is_recorded = true;
  return NULL;
}

void mvg_program_release_segments(mvg_program *p) {
  for (size_t i = 0; i < p->segments.count; ++i)
    mvg_commands_destroy(p->segments.items[i].commands);
  p->segments.count = 0;
}

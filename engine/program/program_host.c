// Steps that the host runs in the device's memory: host operators, copies, and host code that
// stands for a shader.
#include <string.h>

#include "program/host_step.h"
#include "program/program_internal.h"

// True if the host sees all the memory of a step.
static bool is_mapped(const mvg_program *p, const mvg_step *step) {
  for (uint32_t i = 0; i < step->read_count + step->write_count; ++i) {
    if (!mvg_buffer_get_mapped(mvg_program_get_buffer(p, &step->spans[i]))) return false;
  }
  return true;
}

mvg_status mvg_program_create_host_groups(mvg_program *p) {
  const mvg_plan *plan = p->plan;
  MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY(plan->step_count, &p->host_groups));
  for (uint32_t i = 0; i < plan->step_count && plan->prefers_host; ++i) {
    const mvg_step *step = &plan->steps[i];
    if (step->kind != MVG_STEP_DISPATCH || !is_mapped(p, step)) continue;
    mvg_status status = mvg_host_group_create(plan->fusion, step->group, &p->host_groups[i]);
    if (status && mvg_status_get_code(status) != MVG_UNSUPPORTED) return status;
    mvg_status_destroy(status);
    if (!p->host_groups[i]) continue;
    mvg_host_group_measure_scratch(p->host_groups[i], &p->host_scratch);
  }
  return mvg_host_scratch_init(&p->host_scratch);
}

bool mvg_program_is_on_host(const mvg_program *p, uint32_t number) {
  if (!p->host_groups) return false; // the null device
  const mvg_step *step = &p->plan->steps[number];
  if (step->kind == MVG_STEP_COPY) return p->plan->prefers_host && is_mapped(p, step);
  return step->kind == MVG_STEP_HOST || p->host_groups[number];
}

static void *get_memory(const mvg_program *p, const mvg_span *span) {
  return (char *)mvg_buffer_get_mapped(mvg_program_get_buffer(p, span)) + span->offset;
}

static void run_host_group(const mvg_program *p, uint32_t number) {
  const mvg_step *step = &p->plan->steps[number];
  void *memory[MVG_MAX_STEP_BINDINGS];
  for (uint32_t i = 0; i < step->read_count + step->write_count; ++i) {
    memory[i] = get_memory(p, &step->spans[i]);
  }
  mvg_host_group_run(p->host_groups[number], (const void *const *)memory, memory + step->read_count,
                     &p->host_scratch);
}

mvg_status mvg_program_run_host_step(mvg_program *p, uint32_t number) {
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
    buffers[i] = mvg_program_get_buffer(p, &step->spans[i]);
  }
  return mvg_host_step_run(p->plan, step, buffers);
}

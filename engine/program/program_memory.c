// Where a program's values lie: the arena and its pieces, the other regions, staging.
#include <inttypes.h>

#include "program/program_internal.h"

mvg_buffer *mvg_program_get_buffer(const mvg_program *p, const mvg_span *span) {
  if (span->region == MVG_REGION_STATE) return mvg_state_get_buffer(p->states[span->slot]);
  if (span->region == MVG_REGION_ARENA) return p->pieces.items[span->slot];
  return p->regions[span->region];
}

mvg_status mvg_program_check_states(const mvg_program *p) {
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

mvg_status mvg_program_create_regions(mvg_program *p) {
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

mvg_status mvg_program_write_constants(mvg_program *p) {
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

void mvg_program_release_memory(mvg_program *p) {
  for (uint32_t r = 0; r < MVG_REGION_COUNT; ++r) {
    if (p->regions[r]) mvg_buffer_release(p->regions[r]);
  }
  for (size_t i = 0; i < p->pieces.count; ++i)
    mvg_buffer_release(p->pieces.items[i]);
  mvg_array_deinit(&p->pieces);
  if (p->upload) mvg_buffer_release(p->upload);
  if (p->download) mvg_buffer_release(p->download);
  for (size_t i = 0; i < p->state_count; ++i)
    mvg_state_release(p->states[i]);
  mvg_free(p->states);
}

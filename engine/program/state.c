#include "program/state.h"

#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "plan/plan.h"

struct mvg_state {
  atomic_uint references;
  char *name;
  mvg_type type;
  uint64_t size_bytes;
  mvg_buffer *buffer;
};

static mvg_status create(mvg_device *device, const char *name, const mvg_type *type,
                         uint64_t room_bytes, mvg_state **out_state) {
  *out_state = NULL;
  MVG_RETURN_IF_ERROR(mvg_shape_validate(&type->shape));
  mvg_state *state;
  MVG_RETURN_IF_ERROR(MVG_NEW(&state));
  atomic_init(&state->references, 1);
  state->type = *type;
  state->size_bytes = (uint64_t)mvg_shape_get_size(&type->shape) * mvg_dtype_get_size(type->dtype);
  mvg_status status = mvg_alloc_string(name, &state->name);
  uint64_t bytes = state->size_bytes ? state->size_bytes : mvg_dtype_get_size(type->dtype);
  bytes += room_bytes;
  if (!status) status = mvg_buffer_create(device, MVG_MEMORY_DEVICE, bytes, &state->buffer);
  if (status) {
    mvg_state_release(state);
    return mvg_status_annotate(status, "state '%s'", name);
  }
  *out_state = state;
  return NULL;
}

mvg_status mvg_state_create(mvg_device *device, const char *name, const mvg_type *type,
                            mvg_state **out_state) {
  return create(device, name, type, 0, out_state);
}

mvg_status mvg_state_create_guarded(mvg_device *device, const char *name, const mvg_type *type,
                                    mvg_state **out_state) {
  return create(device, name, type, MVG_GUARD_BYTES, out_state);
}

void mvg_state_retain(mvg_state *state) {
  atomic_fetch_add(&state->references, 1);
}

void mvg_state_release(mvg_state *state) {
  if (!state || atomic_fetch_sub(&state->references, 1) != 1) return;
  if (state->buffer) mvg_buffer_release(state->buffer);
  mvg_free(state->name);
  mvg_free(state);
}

const char *mvg_state_get_name(const mvg_state *state) {
  return state->name;
}

const mvg_type *mvg_state_get_type(const mvg_state *state) {
  return &state->type;
}

mvg_buffer *mvg_state_get_buffer(const mvg_state *state) {
  return state->buffer;
}

static mvg_status check_array(const mvg_state *state, const mvg_ndarray *array) {
  if (array->dtype == state->type.dtype && array->size_bytes == state->size_bytes) return NULL;
  char have[MVG_SHAPE_TEXT_SIZE], want[MVG_SHAPE_TEXT_SIZE];
  return MVG_ERROR(MVG_INVALID_ARGUMENT, "state '%s' is %s%s, the array is %s%s", state->name,
                   mvg_dtype_get_name(state->type.dtype),
                   mvg_shape_format(&state->type.shape, want), mvg_dtype_get_name(array->dtype),
                   mvg_shape_format(&array->shape, have));
}

mvg_status mvg_state_write(mvg_state *state, const mvg_ndarray *array) {
  MVG_RETURN_IF_ERROR(check_array(state, array));
  if (state->size_bytes == 0) return NULL;
  return mvg_buffer_write(state->buffer, 0, array->data, state->size_bytes);
}

mvg_status mvg_state_read(mvg_state *state, mvg_ndarray *array) {
  MVG_RETURN_IF_ERROR(check_array(state, array));
  if (state->size_bytes == 0) return NULL;
  return mvg_buffer_read(state->buffer, 0, array->data, state->size_bytes);
}

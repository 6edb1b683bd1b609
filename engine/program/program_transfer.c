// What crosses to the host before and after a run.
#include <string.h>

#include "program/program_internal.h"

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

mvg_status mvg_program_write_inputs(mvg_program *p, const mvg_ndarray *const *inputs,
                                    size_t count) {
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

mvg_status mvg_program_check_outputs(const mvg_program *p, mvg_ndarray *const *outputs,
                                     size_t count) {
  if (count < p->plan->output_count) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT, "the program has %u outputs, room was given for %zu",
                     p->plan->output_count, count);
  }
  for (uint32_t i = 0; i < p->plan->output_count; ++i) {
    if (outputs[i]) MVG_RETURN_IF_ERROR(check_array("output", &p->plan->outputs[i], outputs[i]));
  }
  return NULL;
}

mvg_status mvg_program_read_outputs(mvg_program *p, mvg_ndarray *const *outputs) {
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

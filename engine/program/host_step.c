#include "program/host_step.h"

#include "base/alloc.h"
#include "program/host_binding.h"
#include "program/host_half.h"

bool mvg_host_step_accepts(const mvg_node *node) {
  return mvg_host_binding_find(node) != NULL;
}

// One operand as host memory: in place where the buffer is mapped, else a copy.
typedef struct {
  mvg_ndarray array;
  mvg_buffer *buffer;
  uint64_t offset;
  bool is_copy;
  void *halves; // what the array was before its elements were widened; NULL: they were not
  mvg_dtype halves_dtype;
} operand;

// For host code that knows floats alone.
static mvg_status widen_operand(operand *o, bool is_read) {
  if (!mvg_dtype_is_half(o->array.dtype)) return NULL;
  size_t count = (size_t)mvg_shape_get_size(&o->array.shape);
  void *floats;
  MVG_RETURN_IF_ERROR(mvg_alloc_zeroed(count ? count : 1, sizeof(float), &floats));
  if (is_read) mvg_host_widen(o->array.dtype, o->array.data, 1, (int64_t)count, floats);
  o->halves = o->array.data;
  o->halves_dtype = o->array.dtype;
  o->array.data = floats;
  o->array.dtype = MVG_DTYPE_F32;
  return NULL;
}

static void narrow_operand(operand *o, bool is_written) {
  if (!o->halves) return;
  int64_t count = mvg_shape_get_size(&o->array.shape);
  if (is_written) mvg_host_narrow(o->halves_dtype, o->array.data, count, o->halves);
  mvg_free(o->array.data);
  o->array.data = o->halves;
  o->halves = NULL;
}

static mvg_status open_operand(const mvg_type *type, mvg_buffer *buffer, const mvg_span *span,
                               bool is_read, operand *out) {
  *out = (operand){.buffer = buffer, .offset = span->offset};
  out->array = (mvg_ndarray){.dtype = type->dtype, .shape = type->shape, .reference_count = 1};
  size_t bytes = (size_t)mvg_shape_get_size(&type->shape) * mvg_dtype_get_size(type->dtype);
  out->array.size_bytes = bytes;
  char *mapped = mvg_buffer_get_mapped(buffer);
  if (mapped) {
    out->array.data = mapped + span->offset;
    return NULL;
  }
  out->is_copy = true;
  MVG_RETURN_IF_ERROR(mvg_alloc_zeroed(bytes ? bytes : 1, 1, &out->array.data));
  return is_read && bytes ? mvg_buffer_read(buffer, span->offset, out->array.data, bytes) : NULL;
}

static mvg_status close_operand(operand *o, bool is_written) {
  mvg_status status = NULL;
  narrow_operand(o, is_written);
  if (o->is_copy && is_written && o->array.size_bytes && o->array.data) {
    status = mvg_buffer_write(o->buffer, o->offset, o->array.data, o->array.size_bytes);
  }
  if (o->is_copy) mvg_free(o->array.data);
  o->is_copy = false;
  return status;
}

static mvg_status open_input(const mvg_plan *plan, const mvg_step *step, mvg_buffer *const *buffers,
                             mvg_value input, operand *out) {
  const mvg_type *type = mvg_graph_get_type(plan->fusion->graph, input);
  input = mvg_fusion_resolve(plan->fusion, input); // a reshape shares the memory behind it
  const mvg_node *node = mvg_graph_get_node(plan->fusion->graph, input.node);
  if (node->kind == MVG_KIND_CONST) {
    size_t bytes = (size_t)mvg_shape_get_size(&type->shape) * mvg_dtype_get_size(type->dtype);
    *out = (operand){.array = {.dtype = type->dtype,
                               .shape = type->shape,
                               .size_bytes = bytes,
                               .data = (void *)node->constant.data,
                               .reference_count = 1}};
    return NULL;
  }
  for (uint32_t i = 0; i < step->read_count; ++i) {
    mvg_value read = step->group->reads[i].value;
    if (read.node != input.node || read.output != input.output) continue;
    return open_operand(type, buffers[i], &step->spans[i], true, out);
  }
  return MVG_ERROR(MVG_INTERNAL, "a host step reads a value that it was not planned to read");
}

static mvg_status run_node(const mvg_node *node, operand *operands) {
  const mvg_ndarray *inputs[MVG_MAX_OPERANDS];
  mvg_ndarray *outputs[MVG_MAX_OPERANDS];
  for (uint32_t i = 0; i < node->input_count; ++i)
    inputs[i] = &operands[i].array;
  for (uint32_t i = 0; i < node->output_count; ++i) {
    outputs[i] = &operands[node->input_count + i].array;
  }
  if (node->kind == MVG_KIND_KERNEL) {
    mvg_host_binding_find(node)(node, inputs, outputs);
    return NULL;
  }
  if (!node->def || !node->def->run) {
    return MVG_ERROR(MVG_FAILED_PRECONDITION, "host operator '%s' has nothing to run", node->op);
  }
  return node->def->run(node->def->context, node->host.constants, node->host.constant_count, inputs,
                        node->input_count, outputs, node->output_count);
}

mvg_status mvg_host_step_run(const mvg_plan *plan, const mvg_step *step,
                             mvg_buffer *const *buffers) {
  const mvg_group *group = step->group;
  const mvg_node *node = mvg_graph_get_node(plan->fusion->graph, group->node);
  operand *operands;
  uint32_t count = node->input_count + node->output_count;
  MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY(count, &operands));
  mvg_status status = NULL;
  for (uint32_t i = 0; i < node->input_count && !status; ++i) {
    status = open_input(plan, step, buffers, node->inputs[i], &operands[i]);
  }
  for (uint32_t i = 0; i < node->output_count && !status; ++i) {
    uint32_t at = step->read_count + i;
    status = open_operand(&node->outputs[i], buffers[at], &step->spans[at], false,
                          &operands[node->input_count + i]);
  }
  bool knows_halves = node->kind == MVG_KIND_KERNEL && mvg_host_binding_knows_halves(node);
  for (uint32_t i = 0; i < count && !status && !knows_halves; ++i)
    status = widen_operand(&operands[i], i < node->input_count);
  if (!status) status = run_node(node, operands);
  for (uint32_t i = 0; i < count; ++i) {
    bool is_written = i >= node->input_count && !status;
    status = mvg_status_join(status, close_operand(&operands[i], is_written));
  }
  mvg_free(operands);
  if (status) {
    char origin[MVG_ORIGIN_TEXT_SIZE];
    return mvg_status_annotate(status, "%s", mvg_node_format_origin(node, origin));
  }
  return NULL;
}

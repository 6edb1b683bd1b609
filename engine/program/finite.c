// Results are read back after every step. A fused group stores few of the values it computes, so
// the one that went wrong is found by computing a bad element again on the host, node by node,
// rounded to f32 as on the device, and following it back to where its operands were still good.
#include "program/finite.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "program/finite_trace.h"

#define MAX_BAD 16 // bad elements that are followed back before the rest is taken to be like them

static mvg_type get_read_type(const mvg_plan *plan, const mvg_step *step, uint32_t i) {
  return *mvg_graph_get_type(plan->fusion->graph, step->group->reads[i].value);
}

static mvg_status read_span(const mvg_type *type, mvg_buffer *buffer, const mvg_span *span,
                            mvg_ndarray **out_array) {
  MVG_RETURN_IF_ERROR(mvg_ndarray_create(type->dtype, &type->shape, out_array));
  if ((*out_array)->size_bytes == 0) return NULL;
  return mvg_buffer_read(buffer, span->offset, (*out_array)->data, (*out_array)->size_bytes);
}

static bool is_overwritten(const mvg_step *step, uint32_t read) {
  const mvg_span *from = &step->spans[read];
  for (uint32_t i = 0; i < step->write_count; ++i) {
    const mvg_span *to = &step->spans[step->read_count + i];
    if (from->region != to->region || from->slot != to->slot) continue;
    bool is_apart = from->offset + from->size_bytes <= to->offset ||
                    to->offset + to->size_bytes <= from->offset;
    if (!is_apart) return true;
  }
  return false;
}

mvg_status mvg_finite_keep(const mvg_plan *plan, uint32_t number, mvg_buffer *const *buffers,
                           mvg_finite_kept *kept) {
  const mvg_step *step = &plan->steps[number];
  if (!step->group || step->read_count > MVG_FINITE_MAX_READS) return NULL;
  kept->count = step->read_count;
  for (uint32_t i = 0; i < step->read_count; ++i) {
    if (!is_overwritten(step, i)) continue;
    mvg_type type = get_read_type(plan, step, i);
    MVG_RETURN_IF_ERROR(read_span(&type, buffers[i], &step->spans[i], &kept->reads[i]));
  }
  return NULL;
}

void mvg_finite_release(mvg_finite_kept *kept) {
  for (uint32_t i = 0; i < kept->count; ++i) {
    if (kept->reads[i]) mvg_ndarray_release(kept->reads[i]);
  }
  *kept = (mvg_finite_kept){0};
}

static void print_element(mvg_str *out, const mvg_shape *shape, int64_t flat) {
  int64_t coords[MVG_MAX_RANK];
  mvg_str_appendf(out, "element %" PRId64, flat);
  mvg_shape_get_coordinates(shape, flat, coords);
  for (uint32_t i = 0; i < shape->rank && shape->rank > 1; ++i)
    mvg_str_appendf(out, i ? ", %" PRId64 : " [%" PRId64, coords[i]);
  if (shape->rank > 1) mvg_str_append(out, "]");
}

static void print_number(mvg_str *out, double value) {
  if (isnan(value)) {
    mvg_str_append(out, "NaN"); // whatever its sign
  } else {
    mvg_str_appendf(out, "%.9g", value);
  }
}

// "min -1 max 2 mean 0.3, 4 of 100 not finite"
static void print_statistics(mvg_str *out, const mvg_ndarray *array) {
  int64_t size = mvg_shape_get_size(&array->shape), bad = 0;
  double low = INFINITY, high = -INFINITY, sum = 0;
  for (int64_t i = 0; i < size; ++i) {
    double value = mvg_ndarray_get(array, i);
    if (!isfinite(value)) {
      ++bad;
      continue;
    }
    low = value < low ? value : low;
    high = value > high ? value : high;
    sum += value;
  }
  if (size > bad) {
    mvg_str_appendf(out, "min %.6g, max %.6g, mean %.6g, ", low, high, sum / (double)(size - bad));
  }
  mvg_str_appendf(out, "%" PRId64 " of %" PRId64 " not finite", bad, size);
}

typedef struct {
  const mvg_plan *plan;
  const mvg_step *step;
  uint32_t number;
  mvg_ndarray *reads[MVG_FINITE_MAX_READS];
} scene;

static void close_scene(scene *s) {
  for (uint32_t i = 0; i < s->step->read_count; ++i) {
    if (s->reads[i]) mvg_ndarray_release(s->reads[i]);
  }
}

static mvg_status open_scene(const mvg_plan *plan, uint32_t number, mvg_buffer *const *buffers,
                             const mvg_finite_kept *kept, scene *s) {
  *s = (scene){.plan = plan, .step = &plan->steps[number], .number = number};
  for (uint32_t i = 0; i < s->step->read_count; ++i) {
    if (kept->reads[i]) {
      s->reads[i] = kept->reads[i];
      mvg_ndarray_retain(s->reads[i]);
      continue;
    }
    mvg_type type = get_read_type(plan, s->step, i);
    MVG_RETURN_IF_ERROR(read_span(&type, buffers[i], &s->step->spans[i], &s->reads[i]));
  }
  return NULL;
}

static mvg_status describe(const scene *s, const mvg_finite_trace *found, mvg_value written,
                           const mvg_ndarray *array, int64_t first, int64_t bad) {
  const mvg_graph *graph = s->plan->fusion->graph;
  const mvg_type *made = mvg_graph_get_type(graph, found->culprit);
  mvg_str text = {0};
  mvg_plan_print_value_name(s->plan, found->culprit, &text);
  mvg_str_append(&text, found->is_read ? " holds " : " made ");
  mvg_str_appendf(&text, "%s at ", isnan(found->result) ? "NaN" : "an infinity");
  print_element(&text, &made->shape, found->element);
  for (uint32_t i = 0; i < found->operand_count; ++i) {
    mvg_str_append(&text, i ? ", " : " from ");
    print_number(&text, found->operands[i]);
  }
  mvg_str_appendf(&text, "\n  step %u, ", s->number);
  mvg_plan_print_step_name(s->plan, s->number, &text);
  mvg_str_append(&text, ", wrote ");
  mvg_plan_print_value_name(s->plan, written, &text);
  mvg_str_appendf(&text, ": %" PRId64 " of %" PRId64 " not finite, the first ", bad,
                  mvg_shape_get_size(&array->shape));
  print_number(&text, mvg_ndarray_get(array, first));
  mvg_str_append(&text, " at ");
  print_element(&text, &array->shape, first);
  for (uint32_t i = 0; i < s->step->read_count; ++i) {
    char shape[MVG_SHAPE_TEXT_SIZE];
    mvg_str_append(&text, "\n  read ");
    mvg_plan_print_value_name(s->plan, s->step->group->reads[i].value, &text);
    mvg_str_appendf(&text, " %s%s: ", mvg_dtype_get_name(s->reads[i]->dtype),
                    mvg_shape_format(&s->reads[i]->shape, shape));
    print_statistics(&text, s->reads[i]);
  }
  char *message;
  mvg_status status = mvg_str_take(&text, &message);
  if (status) return status;
  status = MVG_ERROR(MVG_FAILED_PRECONDITION, "%s", message);
  mvg_free(message);
  return status;
}

// Follows bad elements back; success when each of them comes from a constant.
static mvg_status explain(const scene *s, mvg_value written, const mvg_ndarray *array,
                          int64_t bad) {
  int64_t size = mvg_shape_get_size(&array->shape), seen = 0;
  for (int64_t i = 0; i < size && seen < MAX_BAD; ++i) {
    double value = mvg_ndarray_get(array, i);
    if (isfinite(value)) continue;
    ++seen;
    mvg_finite_trace found;
    MVG_RETURN_IF_ERROR(
        mvg_finite_follow(s->plan->fusion, s->step->group, s->reads, written, i, value, &found));
    if (!found.is_meant) return describe(s, &found, written, array, i, bad);
  }
  return NULL;
}

static int64_t count_bad(const mvg_ndarray *array) {
  int64_t size = mvg_shape_get_size(&array->shape), bad = 0;
  const float *floats = array->dtype == MVG_DTYPE_F32 ? array->data : NULL;
  for (int64_t i = 0; i < size; ++i)
    bad += floats ? !isfinite(floats[i]) : !isfinite(mvg_ndarray_get(array, i));
  return bad;
}

static mvg_status check_write(const mvg_plan *plan, uint32_t number, uint32_t write,
                              mvg_buffer *const *buffers, const mvg_finite_kept *kept) {
  const mvg_step *step = &plan->steps[number];
  mvg_value value = step->group->writes[write];
  const mvg_type *type = mvg_graph_get_type(plan->fusion->graph, value);
  uint32_t at = step->read_count + write;
  if (type->dtype == MVG_DTYPE_I32) return NULL;
  mvg_ndarray *array = NULL;
  mvg_status status = read_span(type, buffers[at], &step->spans[at], &array);
  int64_t bad = status ? 0 : count_bad(array);
  if (!status && bad > 0) {
    scene s;
    status = open_scene(plan, number, buffers, kept, &s);
    if (!status) status = explain(&s, value, array, bad);
    close_scene(&s);
  }
  if (array) mvg_ndarray_release(array);
  return status;
}

mvg_status mvg_finite_check(const mvg_plan *plan, uint32_t number, mvg_buffer *const *buffers,
                            const mvg_finite_kept *kept) {
  const mvg_step *step = &plan->steps[number];
  if (!step->group || step->read_count > MVG_FINITE_MAX_READS) return NULL;
  for (uint32_t i = 0; i < step->write_count; ++i) {
    MVG_RETURN_IF_ERROR(check_write(plan, number, i, buffers, kept));
  }
  return NULL;
}

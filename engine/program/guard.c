#include "program/guard.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"

#define BAND_WORDS (MVG_GUARD_BYTES / 4)

typedef enum { BEFORE, BEHIND } side;

void mvg_guard_deinit(mvg_guard *guard) {
  mvg_array_deinit(&guard->values);
}

static bool is_same(const mvg_span *a, const mvg_span *b) {
  return a->region == b->region && a->slot == b->slot && a->offset == b->offset;
}

mvg_status mvg_guard_add(mvg_guard *guard, uint32_t step, uint32_t index, const mvg_type *type,
                         mvg_buffer *buffer) {
  const mvg_span *span = &guard->plan->steps[step].spans[index];
  for (size_t i = 0; i < guard->values.count; ++i) {
    if (is_same(&guard->values.items[i].span, span)) return NULL;
  }
  return mvg_array_push(&guard->values, ((mvg_guarded){buffer, *span, *type, step, index}));
}

// Signalling NaNs, all different: arithmetic on one quiets it and a copy puts it where another
// belongs, so that a kernel which reads and writes past the end leaves a trace. States are shared
// by programs, and so is their band.
static void make_band(const mvg_guard *guard, size_t number, side which,
                      uint32_t words[BAND_WORDS]) {
  bool is_shared = guard->values.items[number].span.region == MVG_REGION_STATE;
  uint32_t first = is_shared ? 0 : ((uint32_t)number * 2 + (which == BEHIND) + 1) * BAND_WORDS;
  for (uint32_t i = 0; i < BAND_WORDS; ++i)
    words[i] = 0x7F800001u + (first + i) % 0x3FFFFFu;
}

// The band behind begins at a whole word; that of an empty tensor, whose span has room for one
// element, at once.
static uint64_t get_offset(const mvg_guarded *value, side which) {
  uint64_t bytes =
      (uint64_t)mvg_shape_get_size(&value->type.shape) * mvg_dtype_get_size(value->type.dtype);
  return which == BEHIND ? value->span.offset + (bytes + 3) / 4 * 4
                         : value->span.offset - MVG_GUARD_BYTES;
}

static bool has_band(const mvg_guarded *value, side which) {
  if (value->span.region != MVG_REGION_STATE) return true;
  uint64_t end = get_offset(value, BEHIND) + MVG_GUARD_BYTES;
  return which == BEHIND && end <= mvg_buffer_get_size(value->buffer);
}

// ---- filling ----

static mvg_status fill_value(const mvg_guarded *value) {
  bool is_unwritten =
      value->span.region == MVG_REGION_ARENA || value->span.region == MVG_REGION_OUTPUT;
  if (!is_unwritten) return NULL;
  void *bytes;
  MVG_RETURN_IF_ERROR(mvg_alloc_zeroed((size_t)value->span.size_bytes, 1, &bytes));
  memset(bytes, 0xFF, (size_t)value->span.size_bytes);
  mvg_status status =
      mvg_buffer_write(value->buffer, value->span.offset, bytes, value->span.size_bytes);
  mvg_free(bytes);
  return status;
}

mvg_status mvg_guard_fill(const mvg_guard *guard, mvg_buffer *upload) {
  for (size_t i = 0; i < guard->values.count; ++i) {
    const mvg_guarded *value = &guard->values.items[i];
    MVG_RETURN_IF_ERROR(fill_value(value));
    for (side which = BEFORE; which <= BEHIND; ++which) {
      uint32_t band[BAND_WORDS];
      uint64_t offset = get_offset(value, which);
      if (!has_band(value, which)) continue;
      make_band(guard, i, which, band);
      MVG_RETURN_IF_ERROR(mvg_buffer_write(value->buffer, offset, band, sizeof band));
      if (!upload || value->span.region != MVG_REGION_INPUT) continue;
      MVG_RETURN_IF_ERROR(mvg_buffer_write(upload, offset, band, sizeof band));
    }
  }
  return NULL;
}

// ---- checking ----

static void print_value(const mvg_guard *guard, const mvg_guarded *value, mvg_str *out) {
  const mvg_step *step = &guard->plan->steps[value->step];
  char shape[MVG_SHAPE_TEXT_SIZE];
  if (step->group) {
    uint32_t reads = step->read_count;
    mvg_plan_print_value_name(guard->plan,
                              value->index < reads ? step->group->reads[value->index].value
                                                   : step->group->writes[value->index - reads],
                              out);
  } else {
    mvg_str_appendf(out, "state '%s'", step->name);
  }
  mvg_str_appendf(out, " %s%s", mvg_dtype_get_name(value->type.dtype),
                  mvg_shape_format(&value->type.shape, shape));
}

static void print_culprits(const mvg_guard *guard, uint32_t number, mvg_str *out) {
  const mvg_step *step = &guard->plan->steps[number];
  for (uint32_t i = 0; step->group && i < step->write_count; ++i) {
    mvg_str_append(out, "\n  wrote ");
    mvg_plan_print_value_name(guard->plan, step->group->writes[i], out);
  }
}

static mvg_status complain(const mvg_guard *guard, uint32_t step, const mvg_guarded *value,
                           int64_t element) {
  mvg_str text = {0};
  mvg_str_appendf(&text, "step %u, ", step);
  mvg_plan_print_step_name(guard->plan, step, &text);
  mvg_str_appendf(&text, ", wrote out of bounds: element %" PRId64 " of ", element);
  print_value(guard, value, &text);
  mvg_str_appendf(&text, ", which has %" PRId64, mvg_shape_get_size(&value->type.shape));
  print_culprits(guard, step, &text);
  char *message;
  MVG_RETURN_IF_ERROR(mvg_str_take(&text, &message));
  mvg_status status = MVG_ERROR(MVG_INTERNAL, "%s", message);
  mvg_free(message);
  return status;
}

static mvg_status check_band(const mvg_guard *guard, uint32_t step, size_t number, side which) {
  const mvg_guarded *value = &guard->values.items[number];
  uint32_t expected[BAND_WORDS], found[BAND_WORDS];
  uint64_t offset = get_offset(value, which);
  make_band(guard, number, which, expected);
  MVG_RETURN_IF_ERROR(mvg_buffer_read(value->buffer, offset, found, sizeof found));
  for (uint32_t i = 0; i < BAND_WORDS; ++i) {
    if (found[i] == expected[i]) continue;
    int64_t bytes = (int64_t)(offset - value->span.offset) + 4 * (int64_t)i;
    return complain(guard, step, value, bytes / (int64_t)mvg_dtype_get_size(value->type.dtype));
  }
  return NULL;
}

mvg_status mvg_guard_check(const mvg_guard *guard, uint32_t step) {
  for (size_t i = 0; i < guard->values.count; ++i) {
    for (side which = BEFORE; which <= BEHIND; ++which) {
      if (!has_band(&guard->values.items[i], which)) continue;
      MVG_RETURN_IF_ERROR(check_band(guard, step, i, which));
    }
  }
  return NULL;
}

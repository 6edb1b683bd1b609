#include "io/elements.h"

#include <inttypes.h>
#include <string.h>

#include "base/half.h"

static bool is_little_endian(void) {
  const uint16_t one = 1;
  uint8_t first;
  memcpy(&first, &one, 1);
  return first == 1;
}

static mvg_dtype find_dtype(const mvg_element *e) {
  if (e->kind == 'f' || e->kind == 'e') return MVG_DTYPE_F32;
  return e->kind == 'b' || (e->kind == 'u' && e->size == 1) ? MVG_DTYPE_U8 : MVG_DTYPE_I32;
}

mvg_status mvg_element_parse(const char *text, mvg_element *out) {
  static const char *const known[] = {"f2", "f4", "f8", "e2", "i1", "i2", "i4",
                                      "i8", "u1", "u2", "u4", "u8", "b1"};
  const char *rest = text;
  char order = '=';
  if (*rest && strchr("<>=|", *rest)) order = *rest++;
  for (size_t i = 0; i < sizeof known / sizeof *known; ++i) {
    if (strcmp(rest, known[i]) != 0) continue;
    bool is_other = is_little_endian() ? order == '>' : order == '<';
    *out = (mvg_element){.kind = rest[0], .size = (uint32_t)(rest[1] - '0')};
    out->is_swapped = is_other && out->size > 1;
    out->dtype = find_dtype(out);
    return NULL;
  }
  return MVG_ERROR(MVG_UNSUPPORTED,
                   "elements of type '%.40s' are neither floats, integers nor booleans", text);
}

// Bytes of one element in the machine's order.
static uint64_t load_bits(const uint8_t *bytes, const mvg_element *e) {
  uint8_t ordered[8] = {0};
  for (uint32_t i = 0; i < e->size; ++i)
    ordered[i] = bytes[e->is_swapped ? e->size - 1 - i : i];
  uint64_t bits = 0;
  if (e->size == 1) return ordered[0];
  if (e->size == 2) {
    uint16_t half;
    memcpy(&half, ordered, sizeof half);
    return half;
  }
  if (e->size == 4) {
    uint32_t word;
    memcpy(&word, ordered, sizeof word);
    return word;
  }
  memcpy(&bits, ordered, sizeof bits);
  return bits;
}

static float load_float(const uint8_t *bytes, const mvg_element *e) {
  uint64_t bits = load_bits(bytes, e);
  if (e->kind == 'e') return mvg_float_from_bf16((uint16_t)bits);
  if (e->size == 2) return mvg_float_from_f16((uint16_t)bits);
  if (e->size == 4) return mvg_float_from_bits((uint32_t)bits);
  double value;
  memcpy(&value, &bits, sizeof value);
  return (float)value;
}

static mvg_status load_integer(const uint8_t *bytes, const mvg_element *e, int32_t *out) {
  uint64_t bits = load_bits(bytes, e);
  uint32_t unused = 64 - 8 * e->size;
  bool is_none = e->kind == 'u' && e->size >= 4 && bits == UINT64_MAX >> unused;
  if (is_none || (e->size == 8 && bits == UINT32_MAX)) { // "none" as it is written, or widened
    *out = -1;
    return NULL;
  }
  int64_t value = e->kind == 'i' ? (int64_t)(bits << unused) >> unused : (int64_t)bits;
  if (value < INT32_MIN || value > INT32_MAX || (e->kind == 'u' && bits > INT32_MAX)) {
    return MVG_ERROR(MVG_UNSUPPORTED, "the integer %" PRId64 " does not fit 32 bits", value);
  }
  *out = (int32_t)value;
  return NULL;
}

static mvg_status load_element(const uint8_t *bytes, const mvg_element *e, mvg_ndarray *array,
                               int64_t at) {
  switch (e->dtype) {
  case MVG_DTYPE_F32:
    ((float *)array->data)[at] = load_float(bytes, e);
    return NULL;
  case MVG_DTYPE_I32:
    return load_integer(bytes, e, (int32_t *)array->data + at);
  default:
    ((uint8_t *)array->data)[at] = e->kind == 'b' ? bytes[0] != 0 : bytes[0];
    return NULL;
  }
}

// False when the last element lies beyond `room` elements, or when there are more than those.
static bool is_within(const mvg_element_layout *l, uint64_t room) {
  uint64_t count = 1, last = 0;
  for (uint32_t i = 0; i < l->shape.rank; ++i) {
    uint64_t extent = (uint64_t)l->shape.dims[i], reach;
    if (l->shape.dims[i] < 0 || (extent > 1 && l->strides[i] < 0)) return false;
    if (extent < 2) continue;
    if (__builtin_mul_overflow(extent - 1, (uint64_t)l->strides[i], &reach) || reach > room ||
        extent > room / count)
      return false;
    count *= extent;
    last += reach;
  }
  return last < room;
}

static mvg_status check_layout(const mvg_element *e, const mvg_element_layout *l) {
  for (uint32_t i = 0; i < l->shape.rank; ++i) {
    if (l->shape.dims[i] == 0) return NULL;
  }
  bool has_start = l->offset <= l->size_bytes;
  if (has_start && is_within(l, (l->size_bytes - l->offset) / e->size)) return NULL;
  char text[MVG_SHAPE_TEXT_SIZE];
  return MVG_ERROR(MVG_INVALID_ARGUMENT,
                   "an array of shape %s from byte %" PRIu64 " on leaves its storage of %zu bytes",
                   mvg_shape_format(&l->shape, text), l->offset, l->size_bytes);
}

static bool is_dense(const mvg_element_layout *l) {
  int64_t expected = 1;
  for (uint32_t i = l->shape.rank; i-- > 0;) {
    if (l->shape.dims[i] > 1 && l->strides[i] != expected) return false;
    expected *= l->shape.dims[i];
  }
  return true;
}

mvg_status mvg_elements_read(const mvg_element *e, const mvg_element_layout *l,
                             mvg_ndarray **out_array) {
  *out_array = NULL;
  MVG_RETURN_IF_ERROR(check_layout(e, l));
  mvg_ndarray *array;
  MVG_RETURN_IF_ERROR(mvg_ndarray_create(e->dtype, &l->shape, &array));
  int64_t count = mvg_shape_get_size(&l->shape), index[MVG_MAX_RANK] = {0};
  const uint8_t *first = count ? (const uint8_t *)l->bytes + l->offset : NULL;
  bool is_copy = e->kind == 'f' && e->size == 4 && !e->is_swapped && is_dense(l);
  if (is_copy && count) memcpy(array->data, first, (size_t)count * sizeof(float));
  int64_t place = 0;
  for (int64_t at = 0; at < count && !is_copy; ++at) {
    mvg_status status = load_element(first + place * e->size, e, array, at);
    if (status) {
      mvg_ndarray_release(array);
      return mvg_status_annotate(status, "element %" PRId64, at);
    }
    for (uint32_t axis = l->shape.rank; axis-- > 0;) {
      place += l->strides[axis];
      if (++index[axis] < l->shape.dims[axis]) break;
      place -= l->strides[axis] * l->shape.dims[axis];
      index[axis] = 0;
    }
  }
  *out_array = array;
  return NULL;
}

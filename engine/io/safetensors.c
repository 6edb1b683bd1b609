#include "io/safetensors.h"

#include <assert.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/array.h"
#include "io/file.h"
#include "io/json.h"
#include "io/safetensors_dtype.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is little-endian");

enum { LENGTH_SIZE = 8, MAX_HEADER_SIZE = 100000000 };

void mvg_safetensors_deinit(mvg_safetensors *set) {
  for (size_t i = 0; i < set->count; i++) {
    mvg_free(set->entries[i].name);
    mvg_ndarray_release(set->entries[i].array);
  }
  for (size_t i = 0; i < set->metadata_count; i++) {
    mvg_free(set->metadata[i].key);
    mvg_free(set->metadata[i].value);
  }
  mvg_free(set->entries);
  mvg_free(set->metadata);
  *set = (mvg_safetensors){0};
}

mvg_status mvg_safetensors_add(mvg_safetensors *set, const char *name, mvg_ndarray *array) {
  MVG_RETURN_IF_ERROR(
      mvg_array_grow((void **)&set->entries, &set->capacity, set->count + 1, sizeof *set->entries));
  mvg_safetensors_entry entry = {.array = array};
  MVG_RETURN_IF_ERROR(mvg_alloc_string(name, &entry.name));
  mvg_ndarray_retain(array);
  set->entries[set->count++] = entry;
  return NULL;
}

mvg_status mvg_safetensors_add_metadata(mvg_safetensors *set, const char *key, const char *value) {
  MVG_RETURN_IF_ERROR(mvg_array_grow((void **)&set->metadata, &set->metadata_capacity,
                                     set->metadata_count + 1, sizeof *set->metadata));
  mvg_safetensors_text text = {0};
  MVG_RETURN_IF_ERROR(mvg_alloc_string(key, &text.key));
  mvg_status status = mvg_alloc_string(value, &text.value);
  if (status) {
    mvg_free(text.key);
    return status;
  }
  set->metadata[set->metadata_count++] = text;
  return NULL;
}

mvg_ndarray *mvg_safetensors_get(const mvg_safetensors *set, const char *name) {
  for (size_t i = 0; i < set->count; i++) {
    if (!strcmp(set->entries[i].name, name)) return set->entries[i].array;
  }
  return NULL;
}

const char *mvg_safetensors_get_metadata(const mvg_safetensors *set, const char *key) {
  for (size_t i = 0; i < set->metadata_count; i++) {
    if (!strcmp(set->metadata[i].key, key)) return set->metadata[i].value;
  }
  return NULL;
}

// The reference implementation's order: wide element types first keeps every tensor aligned to its
// type.
static int get_file_rank(mvg_dtype dtype) {
  switch (dtype) {
  case MVG_DTYPE_F64:
    return 0;
  case MVG_DTYPE_F32:
    return 1;
  case MVG_DTYPE_I32:
    return 2;
  default:
    return 3;
  }
}

static int compare_in_file(const void *left, const void *right) {
  const mvg_safetensors_entry *a = left, *b = right;
  int rank_a = get_file_rank(a->array->dtype), rank_b = get_file_rank(b->array->dtype);
  return rank_a != rank_b ? rank_a - rank_b : strcmp(a->name, b->name);
}

static int compare_names(const void *left, const void *right) {
  return strcmp(((const mvg_safetensors_entry *)left)->name,
                ((const mvg_safetensors_entry *)right)->name);
}

static int compare_keys(const void *left, const void *right) {
  return strcmp(((const mvg_safetensors_text *)left)->key,
                ((const mvg_safetensors_text *)right)->key);
}

static void sort_items(void *items, size_t count, size_t size,
                       int (*compare)(const void *, const void *)) {
  if (count) qsort(items, count, size, compare);
}

// RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
static bool is_utf8(const char *text) {
  const unsigned char *at = (const unsigned char *)text;
  while (*at) {
    unsigned lead = *at++;
    int extra = lead < 0x80 ? 0 : lead < 0xc2 ? -1 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    if (extra < 0 || lead > 0xf4) return false;
    unsigned low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    for (; extra > 0; extra--, low = 0x80, high = 0xbf) {
      if (*at < low || *at > high) return false;
      at++;
    }
  }
  return true;
}

static mvg_status check_names(const char *source, const mvg_safetensors *set) {
  for (size_t i = 0; i < set->count; i++) {
    const char *name = set->entries[i].name;
    if (!is_utf8(name)) {
      return MVG_ERROR(MVG_INVALID_ARGUMENT, "%s: the name of tensor %zu is not UTF-8 text", source,
                       i + 1);
    }
    if (!strcmp(name, "__metadata__")) {
      return MVG_ERROR(MVG_INVALID_ARGUMENT, "%s: a tensor cannot be called __metadata__", source);
    }
    if (i && !strcmp(name, set->entries[i - 1].name)) {
      return MVG_ERROR(MVG_INVALID_ARGUMENT, "%s: two tensors are called '%s'", source, name);
    }
  }
  for (size_t i = 0; i < set->metadata_count; i++) {
    const mvg_safetensors_text *text = &set->metadata[i];
    if (!is_utf8(text->key) || !is_utf8(text->value)) {
      return MVG_ERROR(MVG_INVALID_ARGUMENT, "%s: the metadata is not UTF-8 text", source);
    }
    if (i && !strcmp(text->key, set->metadata[i - 1].key)) {
      return MVG_ERROR(MVG_INVALID_ARGUMENT, "%s: two metadata texts are called '%s'", source,
                       text->key);
    }
  }
  return NULL;
}

static mvg_status sort_and_check_names(const char *source, mvg_safetensors *set) {
  sort_items(set->entries, set->count, sizeof *set->entries, compare_names);
  sort_items(set->metadata, set->metadata_count, sizeof *set->metadata, compare_keys);
  return check_names(source, set);
}

static bool add_number(cJSON *list, size_t value) {
  cJSON *item = cJSON_CreateNumber((double)value);
  if (cJSON_AddItemToArray(list, item)) return true;
  cJSON_Delete(item);
  return false;
}

static bool add_tensor_json(cJSON *header, const mvg_safetensors_entry *entry, size_t begin) {
  const mvg_ndarray *array = entry->array;
  cJSON *info = cJSON_AddObjectToObject(header, entry->name);
  if (!info) return false;
  const char *dtype = mvg_safetensors_dtype_get_name(array->dtype);
  if (!cJSON_AddStringToObject(info, "dtype", dtype)) return false;
  cJSON *shape = cJSON_AddArrayToObject(info, "shape");
  for (uint32_t axis = 0; axis < array->shape.rank; axis++) {
    if (!add_number(shape, (size_t)array->shape.dims[axis])) return false;
  }
  cJSON *offsets = cJSON_AddArrayToObject(info, "data_offsets");
  return shape && add_number(offsets, begin) && add_number(offsets, begin + array->size_bytes);
}

static bool fill_header(cJSON *header, const mvg_safetensors *set) {
  if (!header) return false;
  if (set->metadata_count) {
    cJSON *metadata = cJSON_AddObjectToObject(header, "__metadata__");
    for (size_t i = 0; i < set->metadata_count; i++) {
      const mvg_safetensors_text *text = &set->metadata[i];
      if (!cJSON_AddStringToObject(metadata, text->key, text->value)) return false;
    }
  }
  size_t begin = 0;
  for (size_t i = 0; i < set->count; i++) {
    if (!add_tensor_json(header, &set->entries[i], begin)) return false;
    begin += set->entries[i].array->size_bytes;
  }
  return true;
}

// Length, JSON and padding, ready to write. The caller frees *out_bytes with mvg_free.
static mvg_status make_header(const mvg_safetensors *set, char **out_bytes, size_t *out_size) {
  mvg_json_init();
  cJSON *header = cJSON_CreateObject();
  char *text = fill_header(header, set) ? cJSON_PrintUnformatted(header) : NULL;
  cJSON_Delete(header);
  if (!text) return mvg_json_out_of_memory();
  size_t length = strlen(text), padded = (length + 7) & ~(size_t)7;
  mvg_status status = NULL;
  if (padded > MAX_HEADER_SIZE) {
    status = MVG_ERROR(MVG_INVALID_ARGUMENT, "a safetensors header of %zu bytes; %d are allowed",
                       padded, MAX_HEADER_SIZE);
    goto cleanup;
  }
  status = mvg_alloc_zeroed(LENGTH_SIZE + padded, 1, (void **)out_bytes);
  if (status) goto cleanup;
  uint64_t stored = padded;
  memcpy(*out_bytes, &stored, LENGTH_SIZE);
  memcpy(*out_bytes + LENGTH_SIZE, text, length);
  memset(*out_bytes + LENGTH_SIZE + length, ' ', padded - length);
  *out_size = LENGTH_SIZE + padded;
cleanup:
  cJSON_free(text);
  return status;
}

mvg_status mvg_safetensors_save(const char *path, mvg_safetensors *set) {
  MVG_RETURN_IF_ERROR(sort_and_check_names(path, set));
  sort_items(set->entries, set->count, sizeof *set->entries, compare_in_file);
  char *header = NULL;
  size_t header_size = 0;
  mvg_file_part *parts = NULL;
  mvg_status status = make_header(set, &header, &header_size);
  if (!status) status = MVG_NEW_ARRAY(set->count + 1, &parts);
  if (status) {
    status = mvg_status_annotate(status, "cannot write %s", path);
    goto cleanup;
  }
  parts[0] = (mvg_file_part){.bytes = header, .size_bytes = header_size};
  for (size_t i = 0; i < set->count; i++) {
    const mvg_ndarray *array = set->entries[i].array;
    parts[i + 1] = (mvg_file_part){.bytes = array->data, .size_bytes = array->size_bytes};
  }
  status = mvg_file_write_parts(path, parts, set->count + 1);
cleanup:
  mvg_free(parts);
  mvg_free(header);
  return status;
}

typedef struct {
  const char *source;
  const char *data; // what follows the header
  size_t data_size;
} reader;

typedef struct {
  const char *name;
  size_t begin, end;
} span;

// A whole number in [0, 2^53], the range that JSON numbers carry exactly.
static bool get_whole(const cJSON *item, uint64_t *out_value) {
  if (!cJSON_IsNumber(item)) return false;
  double value = item->valuedouble;
  if (!(value >= 0 && value <= 9007199254740992.0) || value != (double)(uint64_t)value)
    return false;
  *out_value = (uint64_t)value;
  return true;
}

static mvg_status read_shape(const reader *from, const cJSON *info, mvg_shape *out_shape) {
  *out_shape = (mvg_shape){0};
  const cJSON *dims = cJSON_GetObjectItemCaseSensitive(info, "shape"), *dim;
  if (!cJSON_IsArray(dims)) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT, "%s: tensor '%s' has no list 'shape'", from->source,
                     info->string);
  }
  cJSON_ArrayForEach(dim, dims) {
    uint64_t value;
    if (!get_whole(dim, &value) || value > INT32_MAX) {
      return MVG_ERROR(MVG_INVALID_ARGUMENT,
                       "%s: the shape of tensor '%s' holds something other than sizes",
                       from->source, info->string);
    }
    if (out_shape->rank == MVG_MAX_RANK) {
      return MVG_ERROR(MVG_UNSUPPORTED, "%s: tensor '%s' has more than %d dimensions", from->source,
                       info->string, MVG_MAX_RANK);
    }
    out_shape->dims[out_shape->rank++] = (int64_t)value;
  }
  return mvg_status_annotate(mvg_shape_validate(out_shape), "%s: tensor '%s'", from->source,
                             info->string);
}

static mvg_status read_span(const reader *from, const cJSON *info, span *out_span) {
  const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(info, "data_offsets");
  uint64_t begin, end;
  if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 ||
      !get_whole(cJSON_GetArrayItem(offsets, 0), &begin) ||
      !get_whole(cJSON_GetArrayItem(offsets, 1), &end) || begin > end) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT, "%s: tensor '%s' has no pair 'data_offsets'",
                     from->source, info->string);
  }
  if (end > from->data_size) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT,
                     "%s: tensor '%s' ends at data byte %" PRIu64 ", but only %zu are there; the "
                     "file was cut, fetch or write it again",
                     from->source, info->string, end, from->data_size);
  }
  *out_span = (span){.name = info->string, .begin = (size_t)begin, .end = (size_t)end};
  return NULL;
}

static mvg_status read_tensor(const reader *from, const cJSON *info, mvg_safetensors *set,
                              span *out_span) {
  if (!cJSON_IsObject(info)) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT, "%s: header entry '%s' is not a tensor", from->source,
                     info->string);
  }
  const cJSON *dtype_item = cJSON_GetObjectItemCaseSensitive(info, "dtype");
  const char *dtype_name = cJSON_IsString(dtype_item) ? dtype_item->valuestring : "(none)";
  const mvg_safetensors_dtype *dtype = mvg_safetensors_dtype_find(dtype_name);
  if (!dtype) {
    return MVG_ERROR(MVG_UNSUPPORTED,
                     "%s: tensor '%s' has dtype %s, which cannot be read; convert "
                     "it to F32",
                     from->source, info->string, dtype_name);
  }
  mvg_shape shape;
  MVG_RETURN_IF_ERROR(read_shape(from, info, &shape));
  MVG_RETURN_IF_ERROR(read_span(from, info, out_span));
  size_t wanted = (size_t)mvg_shape_get_size(&shape) * dtype->size_bytes;
  if (out_span->end - out_span->begin != wanted) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT,
                     "%s: tensor '%s' takes %zu bytes by its shape and %zu by its offsets",
                     from->source, info->string, wanted, out_span->end - out_span->begin);
  }
  mvg_ndarray *array;
  MVG_RETURN_IF_ERROR(mvg_ndarray_create(dtype->array_dtype, &shape, &array));
  mvg_status status = mvg_safetensors_dtype_convert(dtype, from->data + out_span->begin, array);
  if (!status) status = mvg_safetensors_add(set, info->string, array);
  mvg_ndarray_release(array);
  return mvg_status_annotate(status, "%s: tensor '%s'", from->source, info->string);
}

static mvg_status read_metadata(const reader *from, const cJSON *metadata, mvg_safetensors *set) {
  if (!cJSON_IsObject(metadata)) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT, "%s: __metadata__ is not an object", from->source);
  }
  const cJSON *text;
  cJSON_ArrayForEach(text, metadata) {
    if (!cJSON_IsString(text)) {
      return MVG_ERROR(MVG_INVALID_ARGUMENT, "%s: metadata '%s' is not a text", from->source,
                       text->string);
    }
    MVG_RETURN_IF_ERROR(mvg_safetensors_add_metadata(set, text->string, text->valuestring));
  }
  return NULL;
}

static int compare_spans(const void *left, const void *right) {
  const span *a = left, *b = right;
  if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
  return a->end < b->end ? -1 : a->end > b->end;
}

// Every data byte belongs to exactly one tensor.
static mvg_status check_cover(const reader *from, span *spans, size_t count) {
  sort_items(spans, count, sizeof *spans, compare_spans);
  size_t at = 0;
  for (size_t i = 0; i < count; i++) {
    if (spans[i].begin != at) {
      return MVG_ERROR(MVG_INVALID_ARGUMENT, "%s: tensor '%s' %s at data byte %zu (expected %zu)",
                       from->source, spans[i].name,
                       spans[i].begin < at ? "overlaps another" : "leaves a hole before it",
                       spans[i].begin, at);
    }
    at = spans[i].end;
  }
  if (at != from->data_size) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT, "%s: %zu bytes at the end belong to no tensor",
                     from->source, from->data_size - at);
  }
  return NULL;
}

static mvg_status read_entries(const reader *from, const cJSON *header, mvg_safetensors *set) {
  span *spans = NULL;
  size_t count = 0;
  mvg_status status = MVG_NEW_ARRAY((size_t)cJSON_GetArraySize(header), &spans);
  if (status) return status;
  const cJSON *item;
  cJSON_ArrayForEach(item, header) {
    if (!strcmp(item->string, "__metadata__")) {
      status = read_metadata(from, item, set);
    } else {
      status = read_tensor(from, item, set, &spans[count++]);
    }
    if (status) goto cleanup;
  }
  status = check_cover(from, spans, count);
  if (!status) status = sort_and_check_names(from->source, set);
cleanup:
  mvg_free(spans);
  return status;
}

static mvg_status parse_header(const char *source, const char *text, size_t length,
                               cJSON **out_header) {
  const char *end;
  MVG_RETURN_IF_ERROR(mvg_status_annotate(mvg_json_parse(text, length, false, out_header, &end),
                                          "%s: the header", source));
  size_t at = (size_t)(end - text);
  if (*out_header) {
    while (at < length && strchr(" \t\r\n", text[at]) && text[at])
      at++;
    if (at == length && cJSON_IsObject(*out_header)) return NULL;
    cJSON_Delete(*out_header);
    *out_header = NULL;
  }
  return MVG_ERROR(MVG_INVALID_ARGUMENT,
                   "%s: the header is not a JSON object (byte %zu); the file is damaged or no "
                   "safetensors file",
                   source, LENGTH_SIZE + at);
}

mvg_status mvg_safetensors_parse(const char *source_name, const void *bytes, size_t size_bytes,
                                 mvg_safetensors *out_set) {
  *out_set = (mvg_safetensors){0};
  uint64_t length = 0;
  if (size_bytes >= LENGTH_SIZE) memcpy(&length, bytes, LENGTH_SIZE);
  if (size_bytes < LENGTH_SIZE || length > size_bytes - LENGTH_SIZE || length > MAX_HEADER_SIZE) {
    return MVG_ERROR(MVG_INVALID_ARGUMENT,
                     "%s: a header of %" PRIu64
                     " bytes in a file of %zu; the file was cut or is no "
                     "safetensors file",
                     source_name, length, size_bytes);
  }
  const char *text = (const char *)bytes + LENGTH_SIZE;
  reader from = {.source = source_name,
                 .data = text + length,
                 .data_size = size_bytes - LENGTH_SIZE - (size_t)length};
  cJSON *header;
  MVG_RETURN_IF_ERROR(parse_header(source_name, text, (size_t)length, &header));
  mvg_status status = read_entries(&from, header, out_set);
  cJSON_Delete(header);
  if (status) mvg_safetensors_deinit(out_set);
  return status;
}

mvg_status mvg_safetensors_load(const char *path, mvg_safetensors *out_set) {
  *out_set = (mvg_safetensors){0};
  char *bytes;
  size_t size;
  MVG_RETURN_IF_ERROR(mvg_file_read(path, MVG_FILE_NO_LIMIT, &bytes, &size));
  mvg_status status = mvg_safetensors_parse(path, bytes, size, out_set);
  mvg_free(bytes);
  return status;
}

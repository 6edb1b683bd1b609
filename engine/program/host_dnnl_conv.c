// A convolution is cut, by its shape alone, into one image's blocks along its first axis. Each is a
// convolution of its own with less padding or more, and one primitive on one thread; all share one
// blocked copy of the weight.
#include "program/host_dnnl.h"

#include <oneapi/dnnl/dnnl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "program/host_math.h"

#define ENOUGH_TASKS 16
#define BLOCK_ROWS 8 // below which blocks read more of their neighbours than pays
#define ALIGNMENT 64

#if DNNL_VERSION_MAJOR < 3
typedef const dnnl_memory_desc_t *layout;
#else
typedef const_dnnl_memory_desc_t layout;
#endif

// Memory that grows to what was needed most.
typedef struct {
  void *memory;
  size_t size;
} buffer;

// A block: what it reads and writes, in numbers from an image's first.
typedef struct {
  dnnl_primitive_t primitive;
  dnnl_primitive_desc_t desc; // owns the layouts
  layout source, weight, result, scratch;
  int64_t from, to;
} piece;

typedef struct plan {
  mvg_conv conv;
  bool is_transposed, works;
  int64_t pieces;
  piece piece[ENOUGH_TASKS];
  dnnl_primitive_t reorder;
  layout plain;
  struct plan *next;
} plan;

// Plans live as long as the process; a second program's convolution waits.
static struct {
  pthread_mutex_t lock;
  dnnl_engine_t engine;
  dnnl_stream_t stream;
  plan *plans;
  buffer weight;
} room = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void *reserve(buffer *b, size_t size) {
  if (size <= b->size) return b->memory;
  free(b->memory);
  b->size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  b->memory = aligned_alloc(ALIGNMENT, b->size);
  if (!b->memory) b->size = 0;
  return b->memory;
}

// ---- what differs between the library's versions ----

#if DNNL_VERSION_MAJOR < 3
static layout make_layout(int dims, const int64_t *sizes, const int64_t *strides) {
  dnnl_memory_desc_t *made = calloc(1, sizeof *made);
  dnnl_status_t status =
      !made     ? dnnl_out_of_memory
      : strides ? dnnl_memory_desc_init_by_strides(made, dims, sizes, dnnl_f32, strides)
                : dnnl_memory_desc_init_by_tag(made, dims, sizes, dnnl_f32, dnnl_format_tag_any);
  if (status == dnnl_success) return made;
  free(made);
  return NULL;
}

static void free_layout(layout l) {
  free((void *)l);
}

static dnnl_status_t make_desc(bool is_transposed, layout x, layout w, layout y,
                               const int64_t padding[4][DNNL_MAX_NDIMS],
                               const_dnnl_primitive_attr_t attr, dnnl_primitive_desc_t *out) {
  dnnl_convolution_desc_t forward, backward;
  dnnl_primitive_desc_t hint = NULL;
  dnnl_status_t status = dnnl_dilated_convolution_forward_desc_init(
      &forward, dnnl_forward_training, dnnl_convolution_direct, x, w, NULL, y, padding[0],
      padding[1], padding[2], padding[3]);
  if (status) return status;
  status =
      dnnl_primitive_desc_create(is_transposed ? &hint : out, &forward, attr, room.engine, NULL);
  if (status || !is_transposed) return status;
  status = dnnl_dilated_convolution_backward_data_desc_init(
      &backward, dnnl_convolution_direct, x, w, y, padding[0], padding[1], padding[2], padding[3]);
  if (!status) status = dnnl_primitive_desc_create(out, &backward, attr, room.engine, hint);
  dnnl_primitive_desc_destroy(hint);
  return status;
}
#else
static layout make_layout(int dims, const int64_t *sizes, const int64_t *strides) {
  dnnl_memory_desc_t made = NULL;
  dnnl_status_t status =
      strides ? dnnl_memory_desc_create_with_strides(&made, dims, sizes, dnnl_f32, strides)
              : dnnl_memory_desc_create_with_tag(&made, dims, sizes, dnnl_f32, dnnl_format_tag_any);
  return status == dnnl_success ? made : NULL;
}

static void free_layout(layout l) {
  if (l) dnnl_memory_desc_destroy((dnnl_memory_desc_t)l);
}

static dnnl_status_t make_desc(bool is_transposed, layout x, layout w, layout y,
                               const int64_t padding[4][DNNL_MAX_NDIMS],
                               const_dnnl_primitive_attr_t attr, dnnl_primitive_desc_t *out) {
  dnnl_primitive_desc_t hint = NULL;
  dnnl_status_t status = dnnl_convolution_forward_primitive_desc_create(
      is_transposed ? &hint : out, room.engine, dnnl_forward_training, dnnl_convolution_direct, x,
      w, NULL, y, padding[0], padding[1], padding[2], padding[3], attr);
  if (status || !is_transposed) return status;
  status = dnnl_convolution_backward_data_primitive_desc_create(
      out, room.engine, dnnl_convolution_direct, x, w, y, padding[0], padding[1], padding[2],
      padding[3], hint, attr);
  dnnl_primitive_desc_destroy(hint);
  return status;
}
#endif

// ---- plans ----

static int64_t count_pixels(const int64_t counts[MVG_CONV_AXES]) {
  return counts[0] * counts[1] * counts[2];
}

// [images, channels, size...] with channels innermost; axes before `first` have size 1.
static layout make_map(int64_t channels, const int64_t *size, int first) {
  int64_t sizes[DNNL_MAX_NDIMS] = {1, channels}, strides[DNNL_MAX_NDIMS] = {0, 1};
  int axes = MVG_CONV_AXES - first;
  int64_t stride = channels;
  for (int i = axes - 1; i >= 0; --i) {
    sizes[2 + i] = size[first + i];
    strides[2 + i] = stride;
    stride *= sizes[2 + i];
  }
  strides[0] = stride;
  return make_layout(axes + 2, sizes, strides);
}

// [outputs, channels, taps...], as it lies or as the library likes it best.
static layout make_weight(const mvg_conv *c, int first, bool is_free) {
  int64_t sizes[DNNL_MAX_NDIMS] = {c->outputs, c->channels}, strides[DNNL_MAX_NDIMS];
  int axes = MVG_CONV_AXES - first;
  for (int i = 0; i < axes; ++i)
    sizes[2 + i] = c->taps[first + i];
  strides[axes + 1] = 1;
  for (int i = axes; i >= 0; --i)
    strides[i] = strides[i + 1] * sizes[i + 1];
  return make_layout(axes + 2, sizes, is_free ? NULL : strides);
}

static int find_first_axis(const mvg_conv *c) {
  return c->size[0] == 1 && c->taps[0] == 1 && c->out[0] == 1 && c->padding[0] == 0 ? 1 : 0;
}

static bool make_piece(const mvg_conv *c, bool is_transposed, layout weight, piece *p) {
  int first = find_first_axis(c);
  int64_t padding[4][DNNL_MAX_NDIMS] = {0}; // strides, dilations, paddings before and behind
  for (int d = first; d < MVG_CONV_AXES; ++d) {
    int64_t reach = (c->out[d] - 1) * c->stride[d] + (c->taps[d] - 1) * c->dilation[d] + 1;
    padding[0][d - first] = c->stride[d];
    padding[1][d - first] = c->dilation[d] - 1;
    padding[2][d - first] = c->padding[d];
    padding[3][d - first] = reach - c->size[d] - c->padding[d];
  }
  layout x = make_map(c->channels, c->size, first), y = make_map(c->outputs, c->out, first);
  layout w = weight ? weight : make_weight(c, first, true);
  dnnl_primitive_attr_t attr = NULL;
  bool works =
      x && y && w && dnnl_primitive_attr_create(&attr) == dnnl_success &&
      dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user) == dnnl_success &&
      make_desc(is_transposed, x, w, y, padding, attr, &p->desc) == dnnl_success &&
      dnnl_primitive_create(&p->primitive, p->desc) == dnnl_success;
  if (attr) dnnl_primitive_attr_destroy(attr);
  free_layout(x);
  free_layout(y);
  if (!weight) free_layout(w);
  if (!works) return false;
  p->source = dnnl_primitive_desc_query_md(
      p->desc, is_transposed ? dnnl_query_diff_dst_md : dnnl_query_src_md, 0);
  p->weight = dnnl_primitive_desc_query_md(p->desc, dnnl_query_weights_md, 0);
  p->result = dnnl_primitive_desc_query_md(
      p->desc, is_transposed ? dnnl_query_diff_src_md : dnnl_query_dst_md, 0);
  p->scratch = dnnl_primitive_desc_query_md(p->desc, dnnl_query_scratchpad_md, 0);
  return p->source && p->weight && p->result && p->scratch;
}

// The convolution of result rows [first, last) along axis d.
static mvg_conv cut_rows(const mvg_conv *c, bool is_transposed, int d, int64_t first, int64_t last,
                         piece *p) {
  mvg_conv part = *c;
  int64_t stride = c->stride[d], reach = (c->taps[d] - 1) * c->dilation[d];
  int64_t x = is_transposed ? first : first * stride - c->padding[d];
  int64_t y = is_transposed ? first + c->padding[d] - reach : first;
  if (is_transposed) {
    int64_t end = (last - 1 + c->padding[d]) / stride + 1;
    y = y > 0 ? mvg_host_divide_up(y, stride) : 0;
    part.size[d] = last - first;
    part.out[d] = mvg_host_smaller(end, c->out[d]) - y;
  } else {
    int64_t end = mvg_host_smaller((last - 1) * stride - c->padding[d] + reach + 1, c->size[d]);
    x = x > 0 ? x : 0;
    part.size[d] = end - x;
    part.out[d] = last - first;
  }
  part.padding[d] = c->padding[d] + x - y * stride;
  int64_t x_row = c->channels, y_row = c->outputs;
  for (int i = d + 1; i < MVG_CONV_AXES; ++i) {
    x_row *= c->size[i];
    y_row *= c->out[i];
  }
  p->from = is_transposed ? y * y_row : x * x_row;
  p->to = is_transposed ? x * x_row : y * y_row;
  return part;
}

static bool make_pieces(plan *p) {
  const mvg_conv *c = &p->conv;
  int d = find_first_axis(c);
  int64_t rows = p->is_transposed ? c->size[d] : c->out[d];
  int64_t wanted = mvg_host_divide_up(ENOUGH_TASKS, c->batch),
          height = mvg_host_divide_up(rows, wanted);
  if (height < BLOCK_ROWS) height = BLOCK_ROWS;
  layout weight = NULL; // the first piece's choice
  for (int64_t row = 0; row < rows; row += height) {
    piece *made = &p->piece[p->pieces++];
    mvg_conv part =
        cut_rows(c, p->is_transposed, d, row, mvg_host_smaller(row + height, rows), made);
    if (part.size[d] < 1 || part.out[d] < 1 || part.padding[d] < 0) return false;
    if (!make_piece(&part, p->is_transposed, weight, made)) return false;
    weight = p->piece[0].weight;
  }
  return true;
}

static bool make_reorder(plan *p) {
  dnnl_primitive_desc_t desc = NULL;
  p->plain = make_weight(&p->conv, find_first_axis(&p->conv), false);
  bool works = p->plain &&
               dnnl_reorder_primitive_desc_create(&desc, p->plain, room.engine, p->piece[0].weight,
                                                  room.engine, NULL) == dnnl_success &&
               dnnl_primitive_create(&p->reorder, desc) == dnnl_success;
  if (desc) dnnl_primitive_desc_destroy(desc);
  return works;
}

static bool open_room(void) {
  if (room.stream) return true;
  if (!room.engine && dnnl_engine_create(&room.engine, dnnl_cpu, 0) != dnnl_success) return false;
  return dnnl_stream_create(&room.stream, room.engine, dnnl_stream_default_flags) == dnnl_success;
}

static plan *find_plan(const mvg_conv *c, bool is_transposed) {
  mvg_conv key = *c;
  key.parts = 0;
  for (plan *p = room.plans; p; p = p->next) {
    if (p->is_transposed == is_transposed && memcmp(&p->conv, &key, sizeof key) == 0) return p;
  }
  plan *p = open_room() ? calloc(1, sizeof *p) : NULL;
  if (!p) return NULL;
  *p = (plan){.conv = key, .is_transposed = is_transposed, .next = room.plans};
  p->works = make_pieces(p) && make_reorder(p);
  return room.plans = p;
}

// ---- runs ----

typedef struct {
  const plan *plan;
  const float *source;
  float *result;
  atomic_bool has_failed;
} job;

static bool execute(dnnl_primitive_t primitive, int count, const int *kinds, const layout *layouts,
                    void *const *memory) {
  dnnl_exec_arg_t args[4];
  bool works = true;
  int made = 0;
  for (; made < count && works; ++made) {
    args[made] = (dnnl_exec_arg_t){.arg = kinds[made]};
    works = dnnl_memory_create(&args[made].memory, layouts[made], room.engine, memory[made]) ==
            dnnl_success;
  }
  if (works) works = dnnl_primitive_execute(primitive, room.stream, count, args) == dnnl_success;
  for (int i = 0; i < made; ++i) {
    if (args[i].memory) dnnl_memory_destroy(args[i].memory);
  }
  return works;
}

static void run_task(void *context, int64_t index) {
  static _Thread_local buffer scratch;
  job *j = context;
  const mvg_conv *c = &j->plan->conv;
  bool is_transposed = j->plan->is_transposed;
  const piece *p = &j->plan->piece[index % j->plan->pieces];
  int64_t image = index / j->plan->pieces;
  int64_t x = image * count_pixels(c->size) * c->channels;
  int64_t y = image * count_pixels(c->out) * c->outputs;
  const int kinds[] = {is_transposed ? DNNL_ARG_DIFF_DST : DNNL_ARG_SRC, DNNL_ARG_WEIGHTS,
                       is_transposed ? DNNL_ARG_DIFF_SRC : DNNL_ARG_DST, DNNL_ARG_SCRATCHPAD};
  const layout layouts[] = {p->source, p->weight, p->result, p->scratch};
  size_t size = dnnl_memory_desc_get_size(p->scratch);
  void *memory[] = {(void *)(j->source + (is_transposed ? y : x) + p->from), room.weight.memory,
                    j->result + (is_transposed ? x : y) + p->to,
                    reserve(&scratch, size ? size : 1)};
  mvg_dnnl_enter();
  if (!memory[3] || !execute(p->primitive, 4, kinds, layouts, memory)) j->has_failed = true;
}

static bool run(const plan *p, const float *source, const float *weight, float *result) {
  layout blocked = p->piece[0].weight;
  void *copy = reserve(&room.weight, dnnl_memory_desc_get_size(blocked));
  const int kinds[] = {DNNL_ARG_FROM, DNNL_ARG_TO};
  const layout layouts[] = {p->plain, blocked};
  void *const memory[] = {(void *)weight, copy};
  if (!copy || !execute(p->reorder, 2, kinds, layouts, memory)) return false;
  job j = {.plan = p, .source = source, .result = result};
  mvg_threads_run(p->conv.batch * p->pieces, run_task, &j);
  return !j.has_failed;
}

// Where it pays, by the CPU time of one Zen 4 core, GFLOP/s of oneDNN 2.6.3, the copying of weights
// included, and of the engine, forward and transposed:
//   3x3, 64 channels, 64 x 64, 4 images: 112 and 98, 108 and 96; 512 channels, 8 x 8: 102 and 94,
//     103 and 85; 7x7/2, 3 to 64: 102 and 83
//   3x3x3, 32 to 32, 48^3: 114 and 96, 111 and 94; 16 to 32: 114 and 87, but 83 and 85
//   4x4/2, 256 to 2048, 16 x 16: 88 and 81, 70 and 72, a sixth of it one thread's copying
// Weights' gradients gain nothing in two dimensions: 95 and 97, 88 and 91, 53 and 62.
static bool pays(const mvg_conv *c, bool is_transposed) {
  int64_t taps = count_pixels(c->taps), weights = c->outputs * c->channels * taps;
  int64_t operations = c->batch * count_pixels(c->out) * weights;
  bool is_wide = is_transposed ? c->channels >= 32 && c->outputs >= 16 : c->outputs >= 16;
  return c->groups == 1 && taps > 1 && is_wide && weights <= 4000000 && operations >= 8000000;
}

bool mvg_dnnl_convolve(const mvg_conv *c, bool is_transposed, const float *source,
                       const float *weight, float *result) {
  if (!pays(c, is_transposed) || !mvg_dnnl_enter()) return false;
  pthread_mutex_lock(&room.lock);
  const plan *p = find_plan(c, is_transposed);
  bool is_done = p && p->works && run(p, source, weight, result);
  pthread_mutex_unlock(&room.lock);
  return is_done;
}

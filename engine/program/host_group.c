#include "program/host_group.h"

#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/threads.h"
#include "program/host_half.h"
#include "program/host_rows.h"
#include "program/host_tape.h"

#define TASK_COST 40e3       // nanoseconds that are worth a thread's attention
#define MIN_THREADED 30e3    // below, waking a thread takes longer than the work
#define MAX_TASK_FLOATS 8192 // of one operand of a kernel
#define ALIGNMENT 64

// Tasks first, first + 1, ... belong to one part.
typedef struct {
  mvg_tape *tape;
  int64_t first_task, task_count, task_elements;
} tape_part;

typedef struct {
  mvg_row_kernel code;
  int64_t task_rows;
  struct {
    mvg_tape *tape; // NULL: read as it lies in memory
    uint32_t read;
    const void *constant; // a single one; else NULL
  } inputs[MVG_ROW_MAX_INPUTS];
  struct {
    mvg_tape *epilogue; // NULL: none
    uint32_t write;     // UINT32_MAX: only the epilogue reads it
    mvg_dtype dtype;    // halves are computed in scratch memory, and rounded from there
  } outputs[MVG_ROW_MAX_OUTPUTS];
} row_part;

// Partial sums of columns that are cut alike: a task adds up the same rows for all of them, so that
// what several read is in the cache.
typedef struct {
  MVG_ARRAY(const mvg_tape_columns *) columns;
  int64_t first_task, task_count;
} sum_stage;

struct mvg_host_group {
  const mvg_group *group;
  const mvg_node *node; // of kernels
  MVG_ARRAY(tape_part) parts;
  MVG_ARRAY(sum_stage) stages;
  row_part rows;
  int64_t task_count, sum_task_count, sum_count;
  double cost;
  size_t tape_bytes, scratch_bytes;
};

static size_t align(size_t bytes) {
  return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

// ---- creation ----

static bool is_cut_alike(const mvg_tape_columns *a, const mvg_tape_columns *b) {
  return a->outer == b->outer && a->length == b->length && a->width == b->width;
}

static mvg_status add_columns(mvg_host_group *g, mvg_tape_columns *columns) {
  columns->at = g->sum_count;
  g->sum_count += columns->count * mvg_tape_columns_get_size(columns);
  int64_t elements = columns->outer * columns->length * columns->width;
  g->cost += columns->body->cost * (double)elements / columns->body->block;
  for (size_t i = 0; i < g->stages.count; ++i) {
    sum_stage *stage = &g->stages.items[i];
    if (is_cut_alike(stage->columns.items[0], columns)) {
      return mvg_array_push(&stage->columns, columns);
    }
  }
  sum_stage stage = {.first_task = g->sum_task_count,
                     .task_count = columns->outer * columns->chunk_count};
  g->sum_task_count += stage.task_count;
  MVG_RETURN_IF_ERROR(mvg_array_push(&stage.columns, columns));
  mvg_status status = mvg_array_push(&g->stages, stage);
  if (status) mvg_array_deinit(&stage.columns);
  return status;
}

static mvg_status add_part(mvg_host_group *g, const mvg_fusion *fusion, uint32_t number) {
  tape_part part = {.first_task = g->task_count};
  if (g->group->parts[number].count == 0) return NULL;
  MVG_RETURN_IF_ERROR(mvg_tape_create(fusion, g->group, number, &part.tape));
  mvg_status status = mvg_array_push(&g->parts, part);
  if (status) {
    mvg_tape_destroy(part.tape);
    return status;
  }
  tape_part *kept = &g->parts.items[g->parts.count - 1];
  int64_t block = kept->tape->block, blocks = (kept->tape->count + block - 1) / block;
  int64_t together = (int64_t)(TASK_COST / kept->tape->cost) + 1;
  kept->task_elements = together * block;
  kept->task_count = (blocks + together - 1) / together;
  g->task_count += kept->task_count;
  g->cost += (double)blocks * kept->tape->cost;
  if (kept->tape->scratch_bytes > g->scratch_bytes) g->scratch_bytes = kept->tape->scratch_bytes;
  for (size_t i = 0; i < kept->tape->columns.count; ++i) {
    MVG_RETURN_IF_ERROR(add_columns(g, &kept->tape->columns.items[i]));
  }
  return NULL;
}

static uint32_t find_read(const mvg_group *group, mvg_value value) {
  for (uint32_t i = 0; i < group->read_count; ++i) {
    mvg_value read = group->reads[i].value;
    if (read.node == value.node && read.output == value.output) return i;
  }
  return UINT32_MAX;
}

static void keep_tape_bytes(mvg_host_group *g, const mvg_tape *tape) {
  if (tape && tape->scratch_bytes > g->tape_bytes) g->tape_bytes = tape->scratch_bytes;
}

static mvg_status add_input(mvg_host_group *g, const mvg_fusion *fusion, uint32_t i) {
  mvg_value input = g->node->inputs[i], behind = mvg_fusion_resolve(fusion, input);
  const mvg_type *type = mvg_graph_get_type(fusion->graph, input);
  g->rows.inputs[i].read = find_read(g->group, behind);
  if (g->rows.inputs[i].read != UINT32_MAX && !mvg_dtype_is_half(type->dtype)) return NULL;
  int64_t size = mvg_shape_get_size(&type->shape);
  if (g->rows.code.input_elements[i] == 0 && size > MAX_TASK_FLOATS) {
    return MVG_ERROR(MVG_UNSUPPORTED, "a large table that is computed");
  }
  mvg_tape **tape = &g->rows.inputs[i].tape;
  MVG_RETURN_IF_ERROR(
      mvg_tape_create_input(fusion, g->group, input, g->rows.code.input_elements[i], tape));
  keep_tape_bytes(g, *tape);
  g->cost += (*tape)->cost * (double)size / (*tape)->block;
  return NULL;
}

static mvg_status add_output(mvg_host_group *g, const mvg_fusion *fusion, uint32_t o) {
  const mvg_part *part = &g->group->parts[o];
  mvg_tape **tape = &g->rows.outputs[o].epilogue;
  MVG_RETURN_IF_ERROR(
      mvg_tape_create_epilogue(fusion, g->group, o, g->rows.code.output_elements[o], tape));
  keep_tape_bytes(g, *tape);
  if (*tape) g->cost += (*tape)->cost * (double)part->count / (*tape)->block;
  g->rows.outputs[o].write = UINT32_MAX;
  g->rows.outputs[o].dtype = g->node->outputs[o].dtype;
  for (uint32_t i = 0; i < g->group->write_count; ++i) {
    mvg_value write = g->group->writes[i], own = part->roots[0].value;
    if (write.node == own.node && write.output == own.output) g->rows.outputs[o].write = i;
  }
  return NULL;
}

// The kernel writes to where the output lies.
static bool is_in_place(const row_part *rows, uint32_t output) {
  return rows->outputs[output].write != UINT32_MAX &&
         !mvg_dtype_is_half(rows->outputs[output].dtype);
}

static mvg_status add_rows(mvg_host_group *g, const mvg_fusion *fusion) {
  row_part *rows = &g->rows;
  g->node = mvg_graph_get_node(fusion->graph, g->group->node);
  if (!mvg_row_kernel_find(g->node, &rows->code)) {
    return MVG_ERROR(MVG_UNSUPPORTED, "there is no host code for %s", g->node->op);
  }
  if (rows->code.rows == 0) return NULL;
  for (uint32_t i = 0; i < g->node->input_count; ++i) {
    MVG_RETURN_IF_ERROR(add_input(g, fusion, i));
  }
  for (uint32_t i = 0; i < g->node->output_count; ++i) {
    MVG_RETURN_IF_ERROR(add_output(g, fusion, i));
  }
  g->cost += rows->code.cost * (double)rows->code.rows;
  int64_t widest = rows->code.output_elements[0];
  rows->task_rows = (int64_t)(TASK_COST / (g->cost / (double)rows->code.rows)) + 1;
  if (rows->task_rows * widest > MAX_TASK_FLOATS) rows->task_rows = MAX_TASK_FLOATS / widest + 1;
  g->task_count = (rows->code.rows + rows->task_rows - 1) / rows->task_rows;
  for (uint32_t i = 0; i < g->node->input_count; ++i) {
    int64_t each = rows->code.input_elements[i], count = each * rows->task_rows;
    if (each == 0) count = rows->inputs[i].tape ? rows->inputs[i].tape->count : 0;
    if (rows->inputs[i].tape) g->scratch_bytes += align((size_t)count * sizeof(float));
  }
  for (uint32_t i = 0; i < g->node->output_count; ++i) {
    int64_t count = rows->code.output_elements[i] * rows->task_rows;
    if (!is_in_place(rows, i)) g->scratch_bytes += align((size_t)count * sizeof(float));
  }
  g->scratch_bytes += g->tape_bytes;
  return NULL;
}

mvg_status mvg_host_group_create(const mvg_fusion *fusion, const mvg_group *group,
                                 mvg_host_group **out_group) {
  *out_group = NULL;
  mvg_host_group *g;
  MVG_RETURN_IF_ERROR(MVG_NEW(&g));
  g->group = group;
  mvg_status status = group->kind == MVG_GROUP_KERNEL ? add_rows(g, fusion) : NULL;
  bool is_fused = group->kind == MVG_GROUP_FUSED;
  for (uint32_t p = 0; is_fused && p < group->part_count && !status; ++p) {
    status = add_part(g, fusion, p);
  }
  if (status) {
    mvg_host_group_destroy(g);
    return status;
  }
  *out_group = g;
  return NULL;
}

void mvg_host_group_destroy(mvg_host_group *g) {
  if (!g) return;
  for (size_t i = 0; i < g->parts.count; ++i)
    mvg_tape_destroy(g->parts.items[i].tape);
  mvg_array_deinit(&g->parts);
  for (size_t i = 0; i < g->stages.count; ++i)
    mvg_array_deinit(&g->stages.items[i].columns);
  mvg_array_deinit(&g->stages);
  for (size_t i = 0; i < MVG_ROW_MAX_INPUTS; ++i)
    mvg_tape_destroy(g->rows.inputs[i].tape);
  for (size_t i = 0; i < MVG_ROW_MAX_OUTPUTS; ++i)
    mvg_tape_destroy(g->rows.outputs[i].epilogue);
  mvg_free(g);
}

void mvg_host_group_measure_scratch(const mvg_host_group *g, mvg_host_scratch *scratch) {
  size_t piece_bytes = align(g->scratch_bytes);
  size_t sum_bytes = align((size_t)g->sum_count * sizeof(float));
  if (piece_bytes > scratch->piece_bytes) scratch->piece_bytes = piece_bytes;
  if (sum_bytes > scratch->sum_bytes) scratch->sum_bytes = sum_bytes;
}

mvg_status mvg_host_scratch_init(mvg_host_scratch *scratch) {
  size_t bytes = scratch->piece_bytes * mvg_threads_get_count() + scratch->sum_bytes;
  if (bytes == 0) return NULL;
  void *memory;
  MVG_RETURN_IF_ERROR(mvg_alloc_zeroed(bytes + ALIGNMENT, 1, &memory));
  scratch->memory = memory;
  return NULL;
}

void mvg_host_scratch_deinit(mvg_host_scratch *scratch) {
  mvg_free(scratch->memory);
  *scratch = (mvg_host_scratch){0};
}

// ---- running ----

typedef struct {
  const mvg_host_group *group;
  const void *const *reads;
  void *const *writes;
  const mvg_host_scratch *scratch;
} job;

// The partial sums lie before the threads' pieces.
static float *get_sums(const job *j) {
  uintptr_t begin = (uintptr_t)j->scratch->memory;
  return (float *)(void *)(j->scratch->memory + (ALIGNMENT - begin % ALIGNMENT) % ALIGNMENT);
}

static char *get_scratch(const job *j, uint32_t thread) {
  return (char *)get_sums(j) + j->scratch->sum_bytes + thread * j->scratch->piece_bytes;
}

static void run_sums(void *context, int64_t index) {
  const job *j = context;
  const sum_stage *stage = j->group->stages.items;
  while (index >= stage->first_task + stage->task_count)
    ++stage;
  char *scratch = get_scratch(j, mvg_threads_get_current());
  for (size_t i = 0; i < stage->columns.count; ++i) {
    mvg_tape_sum_columns(stage->columns.items[i], index - stage->first_task, j->reads, get_sums(j),
                         scratch);
  }
}

static void run_tapes(const job *j, int64_t index, char *scratch) {
  const tape_part *part = j->group->parts.items;
  while (index >= part->first_task + part->task_count)
    ++part;
  int64_t first = (index - part->first_task) * part->task_elements;
  int64_t last = first + part->task_elements;
  if (last > part->tape->count) last = part->tape->count;
  mvg_tape_run(part->tape, j->reads, j->writes, get_sums(j), first, last, scratch);
}

// The pieces that a task reads: in place, or computed into scratch memory.
static char *fill_inputs(const job *j, mvg_row_job *task, char *scratch, char *tape_scratch) {
  const row_part *rows = &j->group->rows;
  for (uint32_t i = 0; i < j->group->node->input_count; ++i) {
    int64_t each = rows->code.input_elements[i], first = each * task->first_row;
    const mvg_tape *tape = rows->inputs[i].tape;
    if (!tape) {
      task->inputs[i] = (const float *)j->reads[rows->inputs[i].read] + first;
      continue;
    }
    int64_t count = each ? each * task->row_count : tape->count;
    void *write = (float *)(void *)scratch - first;
    mvg_tape_run(tape, j->reads, &write, NULL, first, first + count, tape_scratch);
    task->inputs[i] = scratch;
    scratch += align((size_t)(each ? each * rows->task_rows : count) * sizeof(float));
  }
  return scratch;
}

static void run_epilogues(const job *j, const mvg_row_job *task, char *tape_scratch) {
  const mvg_host_group *g = j->group;
  const void *reads[MVG_TAPE_MAX_READS + 1];
  memcpy(reads, j->reads, g->group->read_count * sizeof *reads);
  for (uint32_t o = 0; o < g->node->output_count; ++o) {
    const mvg_tape *tape = g->rows.outputs[o].epilogue;
    if (!tape) continue;
    int64_t each = g->rows.code.output_elements[o], first = each * task->first_row;
    reads[g->group->read_count] = (const float *)task->outputs[o] - first;
    mvg_tape_run(tape, reads, j->writes, NULL, first, first + each * task->row_count, tape_scratch);
  }
}

static void store_halves(const job *j, const mvg_row_job *task) {
  const row_part *rows = &j->group->rows;
  for (uint32_t o = 0; o < j->group->node->output_count; ++o) {
    if (rows->outputs[o].write == UINT32_MAX || is_in_place(rows, o)) continue;
    int64_t each = rows->code.output_elements[o], first = each * task->first_row;
    uint16_t *target = (uint16_t *)j->writes[rows->outputs[o].write] + first;
    mvg_host_narrow(rows->outputs[o].dtype, task->outputs[o], each * task->row_count, target);
  }
}

static void run_rows(const job *j, int64_t index, char *tape_scratch) {
  const row_part *rows = &j->group->rows;
  int64_t first = index * rows->task_rows, rest = rows->code.rows - first;
  mvg_row_job task = {first, rest < rows->task_rows ? rest : rows->task_rows, {0}, {0}};
  char *scratch = fill_inputs(j, &task, tape_scratch + align(j->group->tape_bytes), tape_scratch);
  for (uint32_t o = 0; o < j->group->node->output_count; ++o) {
    int64_t each = rows->code.output_elements[o];
    if (is_in_place(rows, o)) {
      task.outputs[o] = (float *)j->writes[rows->outputs[o].write] + each * first;
      continue;
    }
    task.outputs[o] = scratch;
    scratch += align((size_t)(each * rows->task_rows) * sizeof(float));
  }
  rows->code.run(&rows->code, &task);
  store_halves(j, &task);
  run_epilogues(j, &task, tape_scratch);
}

static void run_task(void *context, int64_t index) {
  const job *j = context;
  char *scratch = get_scratch(j, mvg_threads_get_current());
  (j->group->group->kind == MVG_GROUP_KERNEL ? run_rows : run_tapes)(j, index, scratch);
}

static void run_all(const mvg_host_group *g, int64_t count, mvg_thread_task task, job *j) {
  if (g->cost >= MIN_THREADED) {
    mvg_threads_run(count, task, j);
    return;
  }
  for (int64_t i = 0; i < count; ++i)
    task(j, i);
}

void mvg_host_group_run(const mvg_host_group *g, const void *const *reads, void *const *writes,
                        const mvg_host_scratch *scratch) {
  job j = {g, reads, writes, scratch};
  run_all(g, g->sum_task_count, run_sums, &j);
  run_all(g, g->task_count, run_task, &j);
}

#include "program/tune.h"

#include <math.h>
#include <string.h>

#include "base/half.h"
#include "base/hash.h"
#include "base/log.h"
#include "codegen/spirv.h"
#include "program/program_internal.h"

typedef struct {
  uint32_t step, uses;
  const mvg_matmul_tile *tile; // the default
  uint64_t hash;               // of its shader
} candidate;

struct mvg_tuner {
  const mvg_program *program;
  mvg_tile_chooser chooser;
  MVG_ARRAY(candidate) products;
};

// ---- which products ----

static mvg_status add_product(mvg_tuner *t, uint32_t number) {
  const mvg_step *step = &t->program->plan->steps[number];
  const mvg_fusion *fusion = t->program->plan->fusion;
  candidate found = {.step = number, .uses = 1};
  mvg_shader shader;
  MVG_RETURN_IF_ERROR(mvg_tile_choose(&t->chooser, fusion, step->group, &found.tile));
  if (!found.tile) return NULL;
  MVG_RETURN_IF_ERROR(mvg_shader_create(fusion, step->group, mvg_device_get_caps(t->chooser.device),
                                        found.tile, &shader));
  found.hash = mvg_tuned_hash(shader.glsl);
  bool is_empty = shader.groups[0] == 0;
  mvg_shader_deinit(&shader);
  if (is_empty) return NULL;
  for (size_t i = 0; i < t->products.count; ++i) {
    if (t->products.items[i].hash != found.hash) continue;
    ++t->products.items[i].uses;
    return NULL;
  }
  return mvg_array_push(&t->products, found);
}

mvg_status mvg_tuner_create(const mvg_program *program, mvg_tuner **out_tuner) {
  mvg_tuner *t = NULL;
  MVG_RETURN_IF_ERROR(MVG_NEW(&t));
  t->program = program;
  const mvg_program_options options = {.products = program->chooser.products};
  mvg_status status = mvg_tile_chooser_init(&t->chooser, program->device, &options);
  for (uint32_t i = 0; i < program->plan->step_count && !status; ++i) {
    bool is_shader =
        program->plan->steps[i].kind == MVG_STEP_DISPATCH && !mvg_program_is_on_host(program, i);
    if (is_shader) status = add_product(t, i);
  }
  if (status) {
    mvg_tuner_destroy(t);
    return status;
  }
  *out_tuner = t;
  return NULL;
}

void mvg_tuner_destroy(mvg_tuner *t) {
  if (!t) return;
  mvg_tile_chooser_deinit(&t->chooser);
  mvg_array_deinit(&t->products);
  mvg_free(t);
}

uint32_t mvg_tuner_get_count(const mvg_tuner *t) {
  return (uint32_t)t->products.count;
}

// ---- a product on memory of its own ----

typedef struct {
  mvg_device *device;
  const mvg_fusion *fusion;
  const mvg_step *step;
  mvg_buffer *buffers[MVG_MAX_STEP_BINDINGS];
  mvg_binding bindings[MVG_MAX_STEP_BINDINGS];
  uint32_t buffer_count, binding_count;
} bench;

static const mvg_type *get_type(const bench *b, uint32_t i) {
  const mvg_group *group = b->step->group;
  return mvg_graph_get_type(b->fusion->graph, i < group->read_count
                                                  ? group->reads[i].value
                                                  : group->writes[i - group->read_count]);
}

static void fill(void *memory, const mvg_type *type, uint32_t seed) {
  for (int64_t i = 0; i < mvg_shape_get_size(&type->shape); ++i) {
    float x = (float)(mvg_hash_u64(seed, (uint64_t)i) >> 40) * 0x1p-23f - 1;
    if (type->dtype == MVG_DTYPE_F32) ((float *)memory)[i] = x;
    if (type->dtype == MVG_DTYPE_F16) ((uint16_t *)memory)[i] = mvg_float_to_f16(x);
    if (type->dtype == MVG_DTYPE_BF16) ((uint16_t *)memory)[i] = mvg_float_to_bf16(x);
  }
}

static mvg_status add_buffer(bench *b, uint32_t i) {
  uint64_t bytes = b->step->spans[i].size_bytes,
           piece = mvg_get_piece_bytes(mvg_device_get_caps(b->device));
  MVG_RETURN_IF_ERROR(mvg_buffer_create(b->device, MVG_MEMORY_DEVICE, bytes, &b->buffers[i]));
  b->buffer_count = i + 1;
  for (uint64_t done = 0; done < bytes; done += piece) {
    if (b->binding_count == MVG_MAX_STEP_BINDINGS)
      return MVG_ERROR(MVG_UNSUPPORTED, "a product needs too many bindings to be tuned");
    uint64_t rest = bytes - done;
    b->bindings[b->binding_count++] =
        (mvg_binding){b->buffers[i], done, rest < piece ? rest : piece};
    if (rest <= piece) break;
  }
  if (i >= b->step->read_count) return NULL;
  void *memory = NULL;
  MVG_RETURN_IF_ERROR(mvg_alloc_zeroed((size_t)bytes, 1, &memory));
  fill(memory, get_type(b, i), i);
  mvg_status status = mvg_buffer_write(b->buffers[i], 0, memory, bytes);
  mvg_free(memory);
  return status;
}

static void deinit_bench(bench *b) {
  for (uint32_t i = 0; i < b->buffer_count; ++i)
    mvg_buffer_release(b->buffers[i]);
}

static mvg_status init_bench(bench *b, const mvg_tuner *t, const candidate *product) {
  *b = (bench){.device = t->chooser.device,
               .fusion = t->program->plan->fusion,
               .step = &t->program->plan->steps[product->step]};
  for (uint32_t i = 0; i < b->step->read_count + b->step->write_count; ++i) {
    mvg_status status = add_buffer(b, i);
    if (!status) continue;
    deinit_bench(b);
    return status;
  }
  return NULL;
}

// ---- time ----

#define REPEATS 5

static mvg_status create_kernel(const bench *b, const mvg_shader *shader, mvg_kernel **out) {
  uint32_t *words = NULL;
  size_t count = 0;
  MVG_RETURN_IF_ERROR(mvg_spirv_compile(shader->name, shader->glsl, mvg_device_get_caps(b->device),
                                        &words, &count));
  mvg_kernel_layout layout = {.binding_count = b->binding_count,
                              .subgroup_size = shader->subgroup_size};
  mvg_status status = mvg_kernel_create(b->device, shader->name, words, count, &layout, out);
  mvg_free(words);
  return status;
}

static mvg_status record(const bench *b, mvg_kernel *kernel, const mvg_shader *shader,
                         mvg_commands *commands) {
  MVG_RETURN_IF_ERROR(mvg_commands_timestamp(commands, 0));
  MVG_RETURN_IF_ERROR(mvg_commands_dispatch(commands, kernel, b->bindings, b->binding_count, NULL,
                                            0, shader->groups));
  MVG_RETURN_IF_ERROR(mvg_commands_barrier(commands));
  MVG_RETURN_IF_ERROR(mvg_commands_timestamp(commands, 1));
  return mvg_commands_end(commands);
}

// The least of a few runs after a first one, in which drivers compile.
static mvg_status time_commands(const bench *b, mvg_commands *commands, double *out_ns) {
  bool has_timestamps = mvg_device_get_caps(b->device)->has_timestamps;
  *out_ns = INFINITY;
  for (int i = 0; i <= REPEATS; ++i) {
    double begin = mvg_profile_now_ns();
    MVG_RETURN_IF_ERROR(mvg_device_submit(b->device, &commands, 1));
    double ns = mvg_profile_now_ns() - begin;
    uint64_t times[2] = {0};
    if (has_timestamps) MVG_RETURN_IF_ERROR(mvg_commands_read_timestamps(commands, times, 2));
    if (times[1] > times[0]) ns = (double)(times[1] - times[0]);
    if (i > 0 && ns < *out_ns) *out_ns = ns;
  }
  return NULL;
}

static mvg_status time_tile(const bench *b, const mvg_matmul_tile *tile, double *out_ns) {
  mvg_shader shader;
  mvg_kernel *kernel = NULL;
  mvg_commands *commands = NULL;
  MVG_RETURN_IF_ERROR(
      mvg_shader_create(b->fusion, b->step->group, mvg_device_get_caps(b->device), tile, &shader));
  mvg_status status = create_kernel(b, &shader, &kernel);
  if (!status) status = mvg_commands_create(b->device, shader.name, &commands);
  if (!status) status = record(b, kernel, &shader, commands);
  if (!status) status = time_commands(b, commands, out_ns);
  mvg_commands_destroy(commands);
  if (kernel) mvg_kernel_release(kernel);
  mvg_shader_deinit(&shader);
  return status;
}

// ---- results ----

static double get_element(const void *memory, mvg_dtype dtype, int64_t i) {
  if (dtype == MVG_DTYPE_F16) return mvg_float_from_f16(((const uint16_t *)memory)[i]);
  if (dtype == MVG_DTYPE_BF16) return mvg_float_from_bf16(((const uint16_t *)memory)[i]);
  if (dtype == MVG_DTYPE_I32) return ((const int32_t *)memory)[i];
  return ((const float *)memory)[i];
}

// Sums of other shapes differ in their last places, what is stored in 16 bits in the last of these.
static bool is_close(double a, double b, mvg_dtype dtype) {
  double tolerance = dtype == MVG_DTYPE_BF16 ? 0x1p-6 : dtype == MVG_DTYPE_F16 ? 0x1p-9 : 1e-4;
  return fabs(a - b) <= tolerance * (1 + fabs(b));
}

typedef struct {
  void *memory[MVG_MAX_STEP_BINDINGS]; // per write
} results;

static void release_results(results *r) {
  for (uint32_t i = 0; i < MVG_MAX_STEP_BINDINGS; ++i)
    mvg_free(r->memory[i]);
}

static mvg_status read_results(const bench *b, results *r) {
  *r = (results){0};
  for (uint32_t i = 0; i < b->step->write_count; ++i) {
    uint32_t at = b->step->read_count + i;
    uint64_t bytes = b->step->spans[at].size_bytes;
    mvg_status status = mvg_alloc_zeroed((size_t)bytes, 1, &r->memory[i]);
    if (!status) status = mvg_buffer_read(b->buffers[at], 0, r->memory[i], bytes);
    if (!status) continue;
    release_results(r);
    return status;
  }
  return NULL;
}

// Results must be written anew to count.
static mvg_status clear_results(const bench *b) {
  for (uint32_t at = b->step->read_count; at < b->buffer_count; ++at) {
    uint64_t bytes = b->step->spans[at].size_bytes;
    void *memory = NULL;
    MVG_RETURN_IF_ERROR(mvg_alloc_zeroed((size_t)bytes, 1, &memory));
    memset(memory, 0xFF, (size_t)bytes); // no number
    mvg_status status = mvg_buffer_write(b->buffers[at], 0, memory, bytes);
    mvg_free(memory);
    if (status) return status;
  }
  return NULL;
}

static bool are_close(const bench *b, const results *got, const results *wanted) {
  for (uint32_t i = 0; i < b->step->write_count; ++i) {
    const mvg_type *type = get_type(b, b->step->read_count + i);
    for (int64_t k = 0; k < mvg_shape_get_size(&type->shape); ++k) {
      double a = get_element(got->memory[i], type->dtype, k);
      if (!is_close(a, get_element(wanted->memory[i], type->dtype, k), type->dtype)) return false;
    }
  }
  return true;
}

static mvg_status verify_tile(const bench *b, const results *wanted, bool *out_is_right) {
  results got;
  MVG_RETURN_IF_ERROR(read_results(b, &got));
  *out_is_right = are_close(b, &got, wanted);
  release_results(&got);
  return NULL;
}

// ---- the contest ----

#define GAIN 0.97 // of the default's time: less is noise

static mvg_status try_tile(const bench *b, const mvg_matmul_tile *tile, const results *wanted,
                           mvg_tuning *tuning, const mvg_matmul_tile **best) {
  double ns;
  MVG_RETURN_IF_ERROR(clear_results(b));
  mvg_status status = time_tile(b, tile, &ns);
  mvg_code code = mvg_status_get_code(status);
  if (code == MVG_UNSUPPORTED) { // more than this device has
    mvg_log(MVG_LOG_DEBUG, "tile %s: %s", tile->name, mvg_status_get_message(status));
    mvg_status_destroy(status);
    return NULL;
  }
  bool is_right = false;
  if (!status) status = verify_tile(b, wanted, &is_right);
  if (status) return status;
  if (!is_right) ++tuning->refused;
  if (!is_right || ns >= tuning->won_ns || ns > GAIN * tuning->normal_ns) return NULL;
  tuning->won_ns = ns;
  *best = tile;
  return NULL;
}

static bool may_compete(const mvg_matmul_tile *tile, const mvg_matmul_tile *normal,
                        const mvg_caps *caps) {
  return tile != normal && tile->operands == normal->operands && mvg_matmul_tile_fits(tile, caps) &&
         mvg_matmul_tile_is_native(tile, caps);
}

static mvg_status compete(const bench *b, const candidate *product, mvg_tuning *tuning,
                          const mvg_matmul_tile **best) {
  results wanted;
  MVG_RETURN_IF_ERROR(time_tile(b, product->tile, &tuning->normal_ns));
  MVG_RETURN_IF_ERROR(read_results(b, &wanted));
  tuning->won_ns = tuning->normal_ns;
  mvg_status status = NULL;
  for (uint32_t i = 0; i < mvg_matmul_tile_count && !status; ++i) {
    const mvg_matmul_tile *tile = &mvg_matmul_tiles[i];
    if (may_compete(tile, product->tile, mvg_device_get_caps(b->device)))
      status = try_tile(b, tile, &wanted, tuning, best);
  }
  release_results(&wanted);
  return status;
}

mvg_status mvg_tuner_measure(mvg_tuner *t, uint32_t index, mvg_tuning *out_tuning) {
  const candidate *product = &t->products.items[index];
  const mvg_matmul_tile *best = NULL;
  const mvg_plan *plan = t->program->plan;
  const mvg_node *node =
      mvg_graph_get_node(plan->fusion->graph, plan->steps[product->step].group->node);
  *out_tuning = (mvg_tuning){.uses = product->uses, .normal = product->tile->name};
  mvg_matmul_get_shape(&node->kernel, out_tuning->shape);
  bench b;
  MVG_RETURN_IF_ERROR(init_bench(&b, t, product));
  mvg_status status = compete(&b, product, out_tuning, &best);
  deinit_bench(&b);
  if (status) return status;
  out_tuning->won = best ? best->name : product->tile->name;
  MVG_RETURN_IF_ERROR(mvg_tuned_set(&t->chooser.tuned, product->hash, best));
  return mvg_tuned_save(&t->chooser.tuned, mvg_device_get_caps(t->chooser.device));
}

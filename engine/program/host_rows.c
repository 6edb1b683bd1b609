// Row kernels. Sums have eight parts that are added in one order, whatever the processor.
#include "program/host_rows.h"

#include "program/host_math.h"

typedef struct {
  float part[8];
} sums;

MVG_HOST_INLINE float finish(const sums *s) {
  const float *p = s->part;
  return ((p[0] + p[4]) + (p[2] + p[6])) + ((p[1] + p[5]) + (p[3] + p[7]));
}

// Declares `name`, the sum of `term` over i in [0, n).
#define SUM(name, n, term)                                                                         \
  float name;                                                                                      \
  do {                                                                                             \
    sums s_ = {{0}};                                                                               \
    int64_t i = 0;                                                                                 \
    for (; i + 8 <= (n);) {                                                                        \
      for (int k_ = 0; k_ < 8; ++k_, ++i)                                                          \
        s_.part[k_] += (term);                                                                     \
    }                                                                                              \
    for (int k_ = 0; i < (n); ++i, ++k_)                                                           \
      s_.part[k_] += (term);                                                                       \
    name = finish(&s_);                                                                            \
  } while (0)

#define EACH_COLUMN MVG_INDEPENDENT for (int64_t i = 0; i < c; ++i)

MVG_HOST_INLINE void layer_norm_body(const mvg_row_kernel *k, const mvg_row_job *job) {
  int64_t c = k->columns;
  const float *weight = job->inputs[1], *bias = job->inputs[2];
  float *means = job->outputs[1], *rstds = job->outputs[2];
  for (int64_t row = 0; row < job->row_count; ++row) {
    const float *x = (const float *)job->inputs[0] + row * c;
    float *y = (float *)job->outputs[0] + row * c;
    SUM(total, c, x[i]);
    float mean = total / (float)c;
    SUM(square, c, (x[i] - mean) * (x[i] - mean));
    float rstd = 1.0f / sqrtf(square / (float)c + (float)k->epsilon);
    EACH_COLUMN y[i] = (x[i] - mean) * rstd * weight[i] + bias[i];
    means[row] = mean;
    rstds[row] = rstd;
  }
}

MVG_HOST_INLINE void layer_norm_grad_body(const mvg_row_kernel *k, const mvg_row_job *job) {
  int64_t c = k->columns;
  const float *weight = job->inputs[2], *means = job->inputs[3], *rstds = job->inputs[4];
  for (int64_t row = 0; row < job->row_count; ++row) {
    const float *dy = (const float *)job->inputs[0] + row * c;
    const float *x = (const float *)job->inputs[1] + row * c;
    float *dx = (float *)job->outputs[0] + row * c;
    float mean = means[row], rstd = rstds[row];
    SUM(sum_g, c, dy[i] * weight[i]);
    SUM(sum_gn, c, dy[i] * weight[i] * (x[i] - mean) * rstd);
    sum_g /= (float)c;
    sum_gn /= (float)c;
    EACH_COLUMN dx[i] = rstd * (dy[i] * weight[i] - sum_g - (x[i] - mean) * rstd * sum_gn);
  }
}

MVG_HOST_INLINE float find_peak(const float *x, int64_t c) {
  float peak = x[0];
  for (int64_t i = 1; i < c; ++i)
    peak = x[i] > peak ? x[i] : peak;
  return peak;
}

MVG_HOST_INLINE void softmax_body(const mvg_row_kernel *k, const mvg_row_job *job) {
  int64_t c = k->columns;
  for (int64_t row = 0; row < job->row_count; ++row) {
    const float *x = (const float *)job->inputs[0] + row * c;
    float *y = (float *)job->outputs[0] + row * c, peak = find_peak(x, c);
    EACH_COLUMN y[i] = mvg_host_exp(x[i] - peak);
    SUM(total, c, y[i]);
    float scale = 1.0f / total;
    EACH_COLUMN y[i] *= scale;
  }
}

MVG_HOST_INLINE void softmax_grad_body(const mvg_row_kernel *k, const mvg_row_job *job) {
  int64_t c = k->columns;
  for (int64_t row = 0; row < job->row_count; ++row) {
    const float *y = (const float *)job->inputs[0] + row * c;
    const float *dy = (const float *)job->inputs[1] + row * c;
    float *dx = (float *)job->outputs[0] + row * c;
    SUM(inner, c, y[i] * dy[i]);
    EACH_COLUMN dx[i] = y[i] * (dy[i] - inner);
  }
}

MVG_HOST_INLINE void log_softmax_body(const mvg_row_kernel *k, const mvg_row_job *job) {
  int64_t c = k->columns;
  for (int64_t row = 0; row < job->row_count; ++row) {
    const float *x = (const float *)job->inputs[0] + row * c;
    float *y = (float *)job->outputs[0] + row * c, peak = find_peak(x, c);
    SUM(total, c, mvg_host_exp(x[i] - peak));
    float shift = peak + mvg_host_log(total);
    EACH_COLUMN y[i] = x[i] - shift;
  }
}

MVG_HOST_INLINE void log_softmax_grad_body(const mvg_row_kernel *k, const mvg_row_job *job) {
  int64_t c = k->columns;
  for (int64_t row = 0; row < job->row_count; ++row) {
    const float *y = (const float *)job->inputs[0] + row * c;
    const float *dy = (const float *)job->inputs[1] + row * c;
    float *dx = (float *)job->outputs[0] + row * c;
    SUM(total, c, dy[i]);
    EACH_COLUMN dx[i] = dy[i] - mvg_host_exp(y[i]) * total;
  }
}

// ---- tables ----

MVG_HOST_INLINE void gather_body(const mvg_row_kernel *k, const mvg_row_job *job) {
  int64_t c = k->columns;
  const float *table = job->inputs[0];
  const int32_t *index = job->inputs[1];
  for (int64_t row = 0; row < job->row_count; ++row) {
    float *y = (float *)job->outputs[0] + row * c;
    bool is_inside = index[row] >= 0 && index[row] < k->other;
    if (is_inside) memcpy(y, table + index[row] * c, (size_t)c * sizeof *y);
    if (!is_inside) memset(y, 0, (size_t)c * sizeof *y);
  }
}

MVG_HOST_INLINE void scatter_body(const mvg_row_kernel *k, const mvg_row_job *job) {
  int64_t c = k->columns;
  const int32_t *index = job->inputs[1];
  memset(job->outputs[0], 0, (size_t)(job->row_count * c) * sizeof(float));
  for (int64_t n = 0; n < k->other; ++n) {
    int64_t row = index[n] - job->first_row;
    if (row < 0 || row >= job->row_count) continue;
    float *y = (float *)job->outputs[0] + row * c;
    const float *dy = (const float *)job->inputs[0] + n * c;
    EACH_COLUMN y[i] += dy[i];
  }
}

// ---- the kinematic chain: see kernels/pose ----

#define JOINTS 24

static const int parents[JOINTS] = {-1, 0, 0, 0,  1,  2,  3,  4,  5,  6,  7,  8,
                                    9,  9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21};

MVG_HOST_INLINE void chain_body(const mvg_row_kernel *k, const mvg_row_job *job) {
  (void)k;
  for (int64_t body = 0; body < job->row_count; ++body) {
    const float *rotations = (const float *)job->inputs[0] + body * JOINTS * 9;
    const float *offsets = (const float *)job->inputs[1] + body * JOINTS * 3;
    float *transforms = (float *)job->outputs[0] + body * JOINTS * 12;
    for (int j = 0; j < JOINTS; ++j) {
      const float *r = rotations + 9 * j, *o = offsets + 3 * j;
      float *g = transforms + 12 * j;
      const float *p = j ? transforms + 12 * parents[j] : NULL;
      for (int row = 0; row < 3; ++row) {
        for (int column = 0; column < 4; ++column) {
          float a = column < 3 ? r[column] : o[0], b = column < 3 ? r[3 + column] : o[1];
          float c = column < 3 ? r[6 + column] : o[2];
          float own = row == 0 ? a : row == 1 ? b : c;
          float sum = p ? p[4 * row] * a + p[4 * row + 1] * b + p[4 * row + 2] * c : own;
          g[4 * row + column] = p && column == 3 ? sum + p[4 * row + 3] : sum;
        }
      }
    }
  }
}

typedef struct {
  float row[3][4];
} affine;

// What joint j passes to its parent: D.R R_j^T + D.t o_j^T, and D.t.
MVG_HOST_INLINE void pass_up(affine *to, const affine *d, const float *r, const float *o) {
  for (int row = 0; row < 3; ++row) {
    const float *x = d->row[row];
    for (int k = 0; k < 3; ++k) {
      to->row[row][k] += x[0] * r[3 * k] + x[1] * r[3 * k + 1] + x[2] * r[3 * k + 2] + x[3] * o[k];
    }
    to->row[row][3] += x[3];
  }
}

MVG_HOST_INLINE void chain_grad_body(const mvg_row_kernel *k, const mvg_row_job *job) {
  (void)k;
  static const float identity[12] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0};
  for (int64_t body = 0; body < job->row_count; ++body) {
    const float *dy = (const float *)job->inputs[0] + body * JOINTS * 12;
    const float *rotations = (const float *)job->inputs[1] + body * JOINTS * 9;
    const float *offsets = (const float *)job->inputs[2] + body * JOINTS * 3;
    const float *transforms = (const float *)job->inputs[3] + body * JOINTS * 12;
    float *drotations = (float *)job->outputs[0] + body * JOINTS * 9;
    float *doffsets = (float *)job->outputs[1] + body * JOINTS * 3;
    affine d[JOINTS];
    memcpy(d, dy, sizeof d);
    for (int j = JOINTS - 1; j >= 0; --j) {
      const float *p = parents[j] >= 0 ? transforms + 12 * parents[j] : identity;
      if (parents[j] >= 0) pass_up(&d[parents[j]], &d[j], rotations + 9 * j, offsets + 3 * j);
      for (int row = 0; row < 3; ++row) {
        float e[4];
        for (int c = 0; c < 4; ++c) {
          e[c] =
              p[row] * d[j].row[0][c] + p[4 + row] * d[j].row[1][c] + p[8 + row] * d[j].row[2][c];
        }
        memcpy(drotations + 9 * j + 3 * row, e, 3 * sizeof *e);
        doffsets[3 * j + row] = e[3];
      }
    }
  }
}

// ---- variants and the list ----

#if defined(__x86_64__) && defined(__GNUC__)
#define VARIANTS(name)                                                                             \
  static void name##_plain(const mvg_row_kernel *k, const mvg_row_job *job) {                      \
    name##_body(k, job);                                                                           \
  }                                                                                                \
  __attribute__((target("avx2"))) static void name##_wide(const mvg_row_kernel *k,                 \
                                                          const mvg_row_job *job) {                \
    name##_body(k, job);                                                                           \
  }                                                                                                \
  static void name(const mvg_row_kernel *k, const mvg_row_job *job) {                              \
    (__builtin_cpu_supports("avx2") ? name##_wide : name##_plain)(k, job);                         \
  }
#else
#define VARIANTS(name)                                                                             \
  static void name(const mvg_row_kernel *k, const mvg_row_job *job) {                              \
    name##_body(k, job);                                                                           \
  }
#endif

VARIANTS(layer_norm)
VARIANTS(layer_norm_grad)
VARIANTS(softmax)
VARIANTS(softmax_grad)
VARIANTS(log_softmax)
VARIANTS(log_softmax_grad)
VARIANTS(gather)
VARIANTS(scatter)
VARIANTS(chain)
VARIANTS(chain_grad)

// Operands by row: C columns, 1, the number of a letter below, or W for a whole tensor.
static const struct {
  const char *source, *inputs, *outputs, *other;
  void (*run)(const mvg_row_kernel *, const mvg_row_job *);
  double cost; // nanoseconds a column
} kernels[] = {
    {"norm/layer_norm.comp", "CWW", "C11", NULL, layer_norm, 0.6},
    {"norm/layer_norm_grad.comp", "CCW11", "C", NULL, layer_norm_grad, 0.8},
    {"norm/softmax.comp", "C", "C", NULL, softmax, 1.5},
    {"norm/softmax_grad.comp", "CC", "C", NULL, softmax_grad, 0.4},
    {"norm/log_softmax.comp", "C", "C", NULL, log_softmax, 1.5},
    {"norm/log_softmax_grad.comp", "CC", "C", NULL, log_softmax_grad, 1.5},
    {"index/gather_rows.comp", "W1", "C", "R", gather, 0.3},
    {"index/scatter_add_rows.comp", "WW", "C", "N", scatter, 1},
    {"pose/kinematic_chain.comp", "RO", "T", NULL, chain, 900},
    {"pose/kinematic_chain_grad.comp", "TROT", "RO", NULL, chain_grad, 2000},
};

static const mvg_constant *find_constant(const mvg_node *node, const char *name) {
  for (uint32_t i = 0; name && i < node->kernel.constant_count; ++i) {
    if (strcmp(node->kernel.constants[i].name, name) == 0) return &node->kernel.constants[i];
  }
  return NULL;
}

static int64_t get_elements(char letter, int64_t columns) {
  switch (letter) {
  case 'W':
    return 0;
  case 'C':
    return columns;
  case 'R':
    return JOINTS * 9;
  case 'O':
    return JOINTS * 3;
  case 'T':
    return JOINTS * 12;
  default:
    return 1;
  }
}

bool mvg_row_kernel_find(const mvg_node *node, mvg_row_kernel *out) {
  size_t count = sizeof kernels / sizeof kernels[0], found = 0;
  while (found < count && strcmp(kernels[found].source, node->kernel.source) != 0)
    ++found;
  if (found == count) return false;
  const mvg_constant *columns = find_constant(node, "C"), *eps = find_constant(node, "EPS");
  const mvg_constant *other = find_constant(node, kernels[found].other);
  *out = (mvg_row_kernel){.run = kernels[found].run, .columns = columns ? columns->integer : 1};
  if (out->columns <= 0 || (kernels[found].other && !other)) return false;
  out->epsilon = eps ? (eps->is_integer ? (double)eps->integer : eps->number) : 0;
  out->other = other ? other->integer : 0;
  out->cost = kernels[found].cost * (double)out->columns;
  const char *inputs = kernels[found].inputs, *outputs = kernels[found].outputs;
  if (strlen(inputs) != node->input_count || strlen(outputs) != node->output_count) return false;
  for (uint32_t i = 0; inputs[i]; ++i)
    out->input_elements[i] = get_elements(inputs[i], out->columns);
  for (uint32_t i = 0; outputs[i]; ++i)
    out->output_elements[i] = get_elements(outputs[i], out->columns);
  out->rows = mvg_shape_get_size(&node->outputs[0].shape) / out->output_elements[0];
  return true;
}

// The tile of host_product.c for vectors of LANES floats, which includes this once for each width:
// compilers make good code of vectors that the processor has, and of no wider ones.
#define JOIN(name, lanes) name##_##lanes
#define EXPAND(name, lanes) JOIN(name, lanes)
#define NAMED(name) EXPAND(name, LANES)

typedef float NAMED(vector)
    __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));

// y[rows][columns] += a[rows][depth] panel[depth][vectors * LANES], summed in order over the depth.
MVG_HOST_INLINE void NAMED(multiply_tile)(const block *x, const float *panel, int64_t depth,
                                          const target *t, float *y, int64_t columns,
                                          const int rows, const int vectors) {
  NAMED(vector) sum[MAX_ROWS][MAX_VECTORS];
  float edge[MAX_ROWS][MAX_VECTORS * LANES];
  bool is_whole = columns == vectors * LANES;
  int64_t stride = t->row;
  if (!is_whole) memset(edge, 0, sizeof edge);
#pragma GCC unroll 8
  for (int i = 0; i < rows; ++i) {
    if (!is_whole && !t->is_first) memcpy(edge[i], y + i * stride, (size_t)columns * sizeof *y);
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) {
      sum[i][v] = (NAMED(vector)){0};
      if (t->is_first) continue;
      sum[i][v] = *(const NAMED(vector) *)((is_whole ? y + i * stride : edge[i]) + v * LANES);
    }
  }
  for (int64_t l = 0; l < depth; ++l) {
    NAMED(vector) b[MAX_VECTORS];
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v)
      b[v] = *(const NAMED(vector) *)(panel + (l * vectors + v) * LANES);
#pragma GCC unroll 8
    for (int i = 0; i < rows; ++i) {
      float a = x->a[i * x->row + l * x->column];
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v)
        sum[i][v] += a * b[v];
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v)
      *(NAMED(vector) *)((is_whole ? y + i * stride : edge[i]) + v * LANES) = sum[i][v];
    if (!is_whole) memcpy(y + i * stride, edge[i], (size_t)columns * sizeof *y);
  }
}

#undef JOIN
#undef EXPAND
#undef NAMED

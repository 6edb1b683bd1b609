// Products of gathered rows with the weight, what a convolution and its transpose are. An includer has before:
//   PHASES, walk get_walk(uint phase)    groups of rows with a walk each; phase 0 has the most rows
//   SOURCE, NUMBERS                      the source's sizes and channels of a group
//   COLUMNS, NUMBER_STEP, COLUMN_STEP    columns of a group; strides of the weight
//   float load_source(uint), void store_column(uint pixel, uint column, float)
// Workgroups of 64 in the order columns, rows, phases, groups: a tile of 32 x 32, 4 x 4 an invocation. On GPUs slices of
// 16 numbers of the gathered rows and of the weight pass through 2 x 2 KiB of shared memory; CPU devices read operands
// directly. Sums run over taps, then channels, in fp32.
const uint TILE = 32u, SLICE = 16u;

uint weight_at(uint group, uint tap, uint number, uint column) {
  return group * (OUTPUTS * CHANNELS * ALL_TAPS) + number * NUMBER_STEP + column * COLUMN_STEP + tap;
}

uint source_at(int pixel, uint group, uint number) { return (uint(pixel) * GROUPS + group) * NUMBERS + number; }

#if !MVG_IS_CPU
shared float rows_[SLICE * (TILE + 1u)];
shared float columns_[SLICE * (TILE + 1u)];
const uint STEP = LOCAL_SIZE / SLICE; // rows that are loaded at a time

void load_slice(walk w, uint group, ivec4 starts[TILE / STEP], uint row_count, uint column0, uint k0) {
  uint k = k0 + gl_LocalInvocationIndex % SLICE, to = gl_LocalInvocationIndex % SLICE * (TILE + 1u);
  bool is_inside = k < multiply_all(w.taps) * NUMBERS;
  uint number = k % NUMBERS;
  uvec3 taps = take_apart(is_inside ? k / NUMBERS : 0u, max(w.taps, uvec3(1u)));
  uint tap = put_together(w.tap + taps * w.tap_step, TAPS);
  for (uint i = 0u; i < TILE / STEP; ++i) {
    uint at = gl_LocalInvocationIndex / SLICE + i * STEP, column = column0 + at;
    float a = 0.0, b = 0.0;
    int pixel = is_inside && at < row_count ? find_pixel(w, starts[i], taps, SOURCE) : -1;
    if (pixel >= 0) a = load_source(source_at(pixel, group, number));
    if (is_inside && column < COLUMNS) b = load_weight(weight_at(group, tap, number, column));
    rows_[to + at] = a;
    columns_[to + at] = b;
  }
}
#endif

void kernel_main(uint id) {
  const uint COLUMN_TILES = (COLUMNS + TILE - 1u) / TILE;
  uint most = N * multiply_all(get_walk(0u).rows), row_tiles = (most + TILE - 1u) / TILE;
  uint tile = gl_WorkGroupID.x + gl_NumWorkGroups.x * gl_WorkGroupID.y;
  if (tile >= COLUMN_TILES * row_tiles * PHASES * GROUPS) return;
  uint column0 = tile % COLUMN_TILES * TILE, row0 = tile / COLUMN_TILES % row_tiles * TILE;
  uint phase = tile / (COLUMN_TILES * row_tiles) % PHASES, group = tile / (COLUMN_TILES * row_tiles * PHASES);
  walk w = get_walk(phase);
  uint rows = N * multiply_all(w.rows);
  if (row0 >= rows) return;
  uint row = gl_LocalInvocationIndex / 8u * 4u, column = gl_LocalInvocationIndex % 8u * 4u;
  vec4 sum[4] = vec4[4](vec4(0.0), vec4(0.0), vec4(0.0), vec4(0.0));
#if MVG_IS_CPU
  if (row0 + row >= rows || column0 + column >= COLUMNS) return;
  // Rows and columns past the edge repeat the last one, so that loads need no guard.
  uvec4 columns = min(uvec4(column0 + column) + uvec4(0u, 1u, 2u, 3u), uvec4(COLUMNS - 1u));
  ivec4 starts[4];
  for (uint i = 0u; i < 4u; ++i) starts[i] = find_start(w, min(row0 + row + i, rows - 1u));
  for (uint k = 0u; k < multiply_all(w.taps); ++k) {
    uvec3 taps = take_apart(k, w.taps);
    uint tap = find_tap(w, k);
    ivec4 pixels;
    for (uint i = 0u; i < 4u; ++i) pixels[i] = find_pixel(w, starts[i], taps, SOURCE);
    if (all(lessThan(pixels, ivec4(0)))) continue;
    for (uint number = 0u; number < NUMBERS; ++number) {
      vec4 b;
      for (uint i = 0u; i < 4u; ++i) b[i] = load_weight(weight_at(group, tap, number, columns[i]));
      for (uint i = 0u; i < 4u; ++i) {
        float a = 0.0;
        if (pixels[i] >= 0) a = load_source(source_at(pixels[i], group, number));
        sum[i] += a * b;
      }
    }
  }
#else
  ivec4 starts[TILE / STEP];
  for (uint i = 0u; i < TILE / STEP; ++i)
    starts[i] = find_start(w, min(row0 + gl_LocalInvocationIndex / SLICE + i * STEP, rows - 1u));
  uint count = multiply_all(w.taps) * NUMBERS;
  for (uint k0 = 0u; k0 < count; k0 += SLICE) {
    load_slice(w, group, starts, rows - row0, column0, k0);
    barrier();
    for (uint k = 0u; k < SLICE; ++k) {
      uint at = k * (TILE + 1u);
      vec4 b = vec4(columns_[at + column], columns_[at + column + 1u], columns_[at + column + 2u],
                    columns_[at + column + 3u]);
      for (uint i = 0u; i < 4u; ++i) sum[i] += rows_[at + row + i] * b;
    }
    barrier();
  }
#endif
  for (uint i = 0u; i < 4u; ++i) {
    if (row0 + row + i >= rows) break;
    uint count = multiply_all(w.rows), image = (row0 + row + i) / count;
    uvec3 at = w.to + take_apart((row0 + row + i) % count, w.rows) * w.to_step;
    for (uint j = 0u; j < 4u; ++j) {
      uint c = column0 + column + j;
      if (c < COLUMNS) store_column(image, at, group * COLUMNS + c, sum[i][j]);
    }
  }
}

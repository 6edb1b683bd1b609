// convolution_weight: dweight [PARTS, O, C / GROUPS, TAPS_*] of x [N, SIZE_*, C] and dy [N, OUT_*, O]; a part sums over an
// equal share of the pixels of dy, in their order, in fp32. Workgroups of 64 in the order columns, rows, groups, parts: a
// tile of 32 outputs by 32 numbers (tap, channel), 4 x 4 an invocation. On GPUs slices of 16 pixels pass through
// 2 x 2 KiB of shared memory; CPU devices read operands directly.
#include "conv/walk.glsl"

const uint TILE = 32u, SLICE = 16u, COLUMNS = ALL_TAPS * CHANNELS;

float read_dy(uint pixel, uint group, uint o) { return load_dy(pixel * O + group * OUTPUTS + o); }

float read_x(ivec4 start, uvec3 taps, uint group, uint channel) {
  int pixel = find_pixel(walk_forward(), start, taps, SIZE);
  float value = 0.0;
  if (pixel >= 0) value = load_x(uint(pixel) * C + group * CHANNELS + channel);
  return value;
}

#if !MVG_IS_CPU
shared float outputs_[SLICE * (TILE + 1u)];
shared float numbers_[SLICE * (TILE + 1u)];

void load_slice(uint group, uint row0, uint column0, uint first, uint last) {
  uint at = gl_LocalInvocationIndex % TILE, row = row0 + at, column = column0 + at;
  uvec3 taps = take_apart(column / CHANNELS, TAPS);
  for (uint i = gl_LocalInvocationIndex / TILE; i < SLICE; i += LOCAL_SIZE / TILE) {
    uint pixel = first + i;
    float a = 0.0, b = 0.0;
    if (pixel < last && row < OUTPUTS) a = read_dy(pixel, group, row);
    if (pixel < last && column < COLUMNS) b = read_x(find_start(walk_forward(), pixel), taps, group, column % CHANNELS);
    outputs_[i * (TILE + 1u) + at] = a;
    numbers_[i * (TILE + 1u) + at] = b;
  }
}
#endif

void kernel_main(uint id) {
  const uint COLUMN_TILES = (COLUMNS + TILE - 1u) / TILE, ROW_TILES = (OUTPUTS + TILE - 1u) / TILE;
  const uint PIXELS = N * OUT_D * OUT_H * OUT_W, SHARE = (PIXELS + PARTS - 1u) / PARTS;
  uint tile = gl_WorkGroupID.x + gl_NumWorkGroups.x * gl_WorkGroupID.y;
  if (tile >= COLUMN_TILES * ROW_TILES * GROUPS * PARTS) return;
  uint column0 = tile % COLUMN_TILES * TILE, row0 = tile / COLUMN_TILES % ROW_TILES * TILE;
  uint group = tile / (COLUMN_TILES * ROW_TILES) % GROUPS, part = tile / (COLUMN_TILES * ROW_TILES * GROUPS);
  uint first = min(part * SHARE, PIXELS), last = min(first + SHARE, PIXELS);
  uint row = gl_LocalInvocationIndex / 8u * 4u, column = gl_LocalInvocationIndex % 8u * 4u;
  vec4 sum[4] = vec4[4](vec4(0.0), vec4(0.0), vec4(0.0), vec4(0.0));
#if MVG_IS_CPU
  if (row0 + row >= OUTPUTS || column0 + column >= COLUMNS) return;
  // Rows and columns past the edge repeat the last one, so that loads need no guard.
  uvec4 columns = min(uvec4(column0 + column) + uvec4(0u, 1u, 2u, 3u), uvec4(COLUMNS - 1u));
  uvec4 rows = min(uvec4(row0 + row) + uvec4(0u, 1u, 2u, 3u), uvec4(OUTPUTS - 1u));
  uvec3 taps[4];
  for (uint i = 0u; i < 4u; ++i) taps[i] = take_apart(columns[i] / CHANNELS, TAPS);
  for (uint pixel = first; pixel < last; ++pixel) {
    ivec4 start = find_start(walk_forward(), pixel);
    vec4 b;
    for (uint i = 0u; i < 4u; ++i) b[i] = read_x(start, taps[i], group, columns[i] % CHANNELS);
    for (uint i = 0u; i < 4u; ++i) sum[i] += read_dy(pixel, group, rows[i]) * b;
  }
#else
  for (uint at0 = first; at0 < last; at0 += SLICE) {
    load_slice(group, row0, column0, at0, last);
    barrier();
    for (uint l = 0u; l < SLICE; ++l) {
      uint at = l * (TILE + 1u);
      vec4 b = vec4(numbers_[at + column], numbers_[at + column + 1u], numbers_[at + column + 2u],
                    numbers_[at + column + 3u]);
      for (uint i = 0u; i < 4u; ++i) sum[i] += outputs_[at + row + i] * b;
    }
    barrier();
  }
#endif
  for (uint i = 0u; i < 4u; ++i) {
    for (uint j = 0u; j < 4u; ++j) {
      uint o = row0 + row + i, k = column0 + column + j;
      if (o >= OUTPUTS || k >= COLUMNS) continue;
      uint to = ((part * O + group * OUTPUTS + o) * CHANNELS + k % CHANNELS) * ALL_TAPS + k / CHANNELS;
      store_dweight(to, sum[i][j]);
    }
  }
}

// matmul on GPUs without matrix units: a tile of BM x BN elements of y a workgroup, TM x TN an invocation, in vectors
// of four. operands.glsl says what is multiplied, blocks.glsl in which order.
// Grid of workgroups { ceil(N / BN), ceil(M / BM), B SLICES }, (BM / TM) (BN / TN) invocations. Slices of BK along k
// pass through 4 BK (BM + BN + 8) bytes of shared memory; the next one is on its way to registers meanwhile.
// Sums run over k in order, in fp32, with fma: every tile gives the same bits on a device.
#include "matmul/blocks.glsl"

const uint COLUMNS = BN / TN; // invocations along n
const uint ROW_A = BM / 4u + 1u, ROW_B = BN / 4u + 1u; // vectors a k, with one that keeps k's in different banks
shared vec4 tile_a[BK * ROW_A];
shared vec4 tile_b[BK * ROW_B];

void share_blocks(mat4 blocks[OWN_BLOCKS]) {
  [[unroll]] for (uint o = 0u; o < OWN_BLOCKS; ++o) {
    uint i = gl_LocalInvocationIndex + o * LOCAL_SIZE;
    if (i < BLOCKS_A) {
      uvec2 at = place_block_a(i);
      [[unroll]] for (uint j = 0u; j < 4u; ++j) tile_a[(at.y * 4u + j) * ROW_A + at.x] = blocks[o][j];
    } else if (i < BLOCKS_A + BLOCKS_B) {
      uvec2 at = place_block_b(i - BLOCKS_A);
      [[unroll]] for (uint j = 0u; j < 4u; ++j) tile_b[(at.y * 4u + j) * ROW_B + at.x] = blocks[o][j];
    }
  }
}

vec4 sums[TM][TN / 4u];

void multiply_slice(uint row, uint column) {
  for (uint k = 0u; k < BK; ++k) {
    vec4 a[TM / 4u], b[TN / 4u];
    [[unroll]] for (uint i = 0u; i < TM / 4u; ++i) a[i] = tile_a[k * ROW_A + row + i * (BM / TM)];
    [[unroll]] for (uint j = 0u; j < TN / 4u; ++j) b[j] = tile_b[k * ROW_B + column + j * COLUMNS];
    [[unroll]] for (uint i = 0u; i < TM; ++i) {
      [[unroll]] for (uint j = 0u; j < TN / 4u; ++j) sums[i][j] = fma(vec4(a[i / 4u][i % 4u]), b[j], sums[i][j]);
    }
  }
}

void kernel_main(uint id) {
  uint batch = get_batch(), row = gl_LocalInvocationIndex / COLUMNS, column = gl_LocalInvocationIndex % COLUMNS;
  uvec2 bases = uvec2(a_base(batch), b_base(batch)), tile = get_tile(), slice = get_slice();
  [[unroll]] for (uint i = 0u; i < TM; ++i) {
    [[unroll]] for (uint j = 0u; j < TN / 4u; ++j) sums[i][j] = vec4(0.0);
  }
  mat4 next[OWN_BLOCKS];
  read_blocks(bases, tile, slice.x, slice.y, next);
  for (uint k0 = slice.x; k0 < slice.y; k0 += BK) {
    share_blocks(next);
    barrier();
    if (k0 + BK < slice.y) read_blocks(bases, tile, k0 + BK, slice.y, next);
    multiply_slice(row, column);
    barrier();
  }
  [[unroll]] for (uint i = 0u; i < TM; ++i) {
    [[unroll]] for (uint j = 0u; j < TN / 4u; ++j) {
      uint m = (i / 4u * (BM / TM) + row) * 4u + i % 4u, n = (j * COLUMNS + column) * 4u;
      write_four(tile.x + m, tile.y + n, sums[i][j]);
    }
  }
}

// matmul on matrix units: a tile of BM x BN elements of y a workgroup, TM x TN a subgroup, in fragments of FM x FN.
// operands.glsl says what is multiplied, blocks.glsl in which order.
// Grid of workgroups { ceil(N / BN), ceil(M / BM), B SLICES }, (BM / TM) (BN / TN) subgroups. Slices of BK along k pass
// through shared memory in 16 bits, and sums through it on their way to y; the next slice is on its way to registers
// meanwhile.
// Operands are rounded to 16 bits (exact for those stored so), sums are fp32. With MVG_PARTS 2 an operand is a high
// part and what that leaves, both in bf16, and three of the four products are added: about 16 bits of each operand
// count.
#include "include/half.glsl"
#include "matmul/blocks.glsl"

const uint SUBGROUPS = LOCAL_SIZE / SUBGROUP_SIZE, COLUMNS = BN / TN; // subgroups, and those along n
const uint ROW_A = BM / 4u + 2u, ROW_B = BN / 4u + 2u;   // vectors of four a k; rows are multiples of 16 bytes
const uint PART_A = BK * ROW_A, PART_B = BK * ROW_B;
shared uvec2 tile_a[MVG_PARTS * PART_A];
shared uvec2 tile_b[MVG_PARTS * PART_B];
shared float stage[SUBGROUPS * FM * FN];

#include "matmul/fragments.glsl"

uvec2 get_part(vec4 x, uint part) {
  uvec2 high = MVG_PACK(x);
  return part == 0u ? high : MVG_PACK(x - MVG_UNPACK(high));
}

void share_blocks(mat4 blocks[OWN_BLOCKS]) {
  [[unroll]] for (uint o = 0u; o < OWN_BLOCKS; ++o) {
    uint i = gl_LocalInvocationIndex + o * LOCAL_SIZE;
    [[unroll]] for (uint j = 0u; j < 4u * MVG_PARTS; ++j) {
      uint part = j / 4u;
      if (i < BLOCKS_A) {
        uvec2 at = place_block_a(i);
        tile_a[part * PART_A + (at.y * 4u + j % 4u) * ROW_A + at.x] = get_part(blocks[o][j % 4u], part);
      } else if (i < BLOCKS_A + BLOCKS_B) {
        uvec2 at = place_block_b(i - BLOCKS_A);
        tile_b[part * PART_B + (at.y * 4u + j % 4u) * ROW_B + at.x] = get_part(blocks[o][j % 4u], part);
      }
    }
  }
}

fragment_sum sums[TM / FM][TN / FN];

// The small products first.
void multiply_slice(uint row, uint column) {
  for (uint k = 0u; k < BK; k += FK) {
    EACH for (uint product = 4u - MVG_PARTS * MVG_PARTS; product < 4u; ++product) {
      if (MVG_PARTS == 2 && product == 0u) continue; // what both leave
      uint part_a = product == 1u ? 1u : 0u, part_b = product == 2u ? 1u : 0u;
      fragment_b b[TN / FN];
      EACH for (uint j = 0u; j < TN / FN; ++j) LOAD_B(b[j], part_b, column + j * FN, k);
      EACH for (uint i = 0u; i < TM / FM; ++i) {
        fragment_a a;
        LOAD_A(a, part_a, row + i * FM, k);
        EACH for (uint j = 0u; j < TN / FN; ++j) MULTIPLY(sums[i][j], a, b[j]);
      }
    }
  }
}

void kernel_main(uint id) {
  if (!HAS_ALL_LANES) return; // subgroups are not what the device said
  uint batch = get_batch(), row = SUBGROUP / COLUMNS * TM, column = SUBGROUP % COLUMNS * TN;
  uvec2 bases = uvec2(a_base(batch), b_base(batch)), tile = get_tile(), slice = get_slice();
  EACH for (uint i = 0u; i < TM / FM; ++i) {
    EACH for (uint j = 0u; j < TN / FN; ++j) { CLEAR(sums[i][j]); }
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
  uint own = SUBGROUP * FM * FN;
  EACH for (uint i = 0u; i < TM / FM; ++i) {
    EACH for (uint j = 0u; j < TN / FN; ++j) {
      STORE_SUM(sums[i][j], own);
      barrier();
      for (uint v = LANE; v < FM * FN / 4u; v += SUBGROUP_SIZE) {
        uint at = own + v * 4u, m = v / (FN / 4u), n = v % (FN / 4u) * 4u;
        vec4 x = vec4(stage[at], stage[at + 1u], stage[at + 2u], stage[at + 3u]);
        write_four(tile.x + row + i * FM + m, tile.y + column + j * FN + n, x);
      }
      barrier();
    }
  }
}

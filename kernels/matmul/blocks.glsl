// What the tiles of matmul on GPUs share: which tile a workgroup has, and the operands in blocks of 4 x 4 elements.
// Whatever the layouts, a block is four vectors along m or n, one a k; what lies outside is 0. Where all extents are
// multiples of the tile's, no bounds are checked.
#include "matmul/operands.glsl"

const bool IS_WHOLE_M = M % BM == 0u, IS_WHOLE_N = N % BN == 0u, IS_WHOLE_K = K % BK == 0u && SLICE % BK == 0u;

// The grid is { ceil(N / BN), ceil(M / BM), ... }, walked in bands of 8 tiles along n, n fastest: a strip of a is read
// by neighbours in time, and what they read of b stays in the second-level cache.
uvec2 get_tile() {
  const uint BAND = 8u;
  uvec2 tiles = uvec2((N + BN - 1u) / BN, (M + BM - 1u) / BM);
  uint number = gl_WorkGroupID.y * tiles.x + gl_WorkGroupID.x;
  uint band = number / (BAND * tiles.y), rest = number % (BAND * tiles.y);
  uint width = min(BAND, tiles.x - band * BAND);
  return uvec2(rest / width * BM, (band * BAND + rest % width) * BN);
}

// Four elements from `at` on, the first of them number `inner` of `limit`.
#define MVG_READ_FOUR(name, is_vector)                                                                                 \
  vec4 read_##name(uint at, uint inner, uint limit, bool is_whole) {                                                   \
    vec4 x = vec4(0.0);                                                                                                \
    if (is_vector) {                                                                                                   \
      if (is_whole || inner < limit) x = load4_##name(at);                                                             \
      return x;                                                                                                        \
    }                                                                                                                  \
    if (is_whole || inner < limit) x.x = load_##name(at);                                                              \
    if (is_whole || inner + 1u < limit) x.y = load_##name(at + 1u);                                                    \
    if (is_whole || inner + 2u < limit) x.z = load_##name(at + 2u);                                                    \
    if (is_whole || inner + 3u < limit) x.w = load_##name(at + 3u);                                                    \
    return x;                                                                                                          \
  }

MVG_READ_FOUR(a, (TRANSPOSE_A != 0u ? M : K) % 4u == 0u)
MVG_READ_FOUR(b, (TRANSPOSE_B != 0u ? K : N) % 4u == 0u)

mat4 read_block_a(uint base, uint m, uint k, uint k_end) {
  mat4 block = mat4(0.0);
  [[unroll]] for (uint j = 0u; j < 4u; ++j) {
    if (TRANSPOSE_A != 0u) {
      if (IS_WHOLE_K || k + j < k_end) block[j] = read_a(base + (k + j) * M + m, m, M, IS_WHOLE_M);
    } else {
      if (IS_WHOLE_M || m + j < M) block[j] = read_a(base + (m + j) * K + k, k, k_end, IS_WHOLE_K);
    }
  }
  return TRANSPOSE_A != 0u ? block : transpose(block);
}

mat4 read_block_b(uint base, uint n, uint k, uint k_end) {
  mat4 block = mat4(0.0);
  [[unroll]] for (uint j = 0u; j < 4u; ++j) {
    if (TRANSPOSE_B != 0u) {
      if (IS_WHOLE_N || n + j < N) block[j] = read_b(base + (n + j) * K + k, k, k_end, IS_WHOLE_K);
    } else {
      if (IS_WHOLE_K || k + j < k_end) block[j] = read_b(base + (k + j) * N + n, n, N, IS_WHOLE_N);
    }
  }
  return TRANSPOSE_B != 0u ? transpose(block) : block;
}

// A workgroup's blocks of one slice of BK, those of a first. Neighbouring invocations read neighbouring elements.
const uint BLOCKS_A = BM / 4u * (BK / 4u), BLOCKS_B = BN / 4u * (BK / 4u);
const uint OWN_BLOCKS = (BLOCKS_A + BLOCKS_B + LOCAL_SIZE - 1u) / LOCAL_SIZE;

// Of block `i` of a: m / 4 and k / 4 within the tile. Likewise of b: n / 4 and k / 4.
uvec2 place_block_a(uint i) {
  return TRANSPOSE_A != 0u ? uvec2(i % (BM / 4u), i / (BM / 4u)) : uvec2(i / (BK / 4u), i % (BK / 4u));
}

uvec2 place_block_b(uint i) {
  return TRANSPOSE_B != 0u ? uvec2(i / (BK / 4u), i % (BK / 4u)) : uvec2(i % (BN / 4u), i / (BN / 4u));
}

void read_blocks(uvec2 bases, uvec2 tile, uint k0, uint k_end, out mat4 blocks[OWN_BLOCKS]) {
  [[unroll]] for (uint o = 0u; o < OWN_BLOCKS; ++o) {
    uint i = gl_LocalInvocationIndex + o * LOCAL_SIZE;
    if (i < BLOCKS_A) {
      uvec2 at = place_block_a(i) * 4u;
      blocks[o] = read_block_a(bases.x, tile.x + at.x, k0 + at.y, k_end);
    } else if (i < BLOCKS_A + BLOCKS_B) {
      uvec2 at = place_block_b(i - BLOCKS_A) * 4u;
      blocks[o] = read_block_b(bases.y, tile.y + at.x, k0 + at.y, k_end);
    }
  }
}

// Four elements of row m from column n on.
void write_four(uint m, uint n, vec4 x) {
  if (!IS_WHOLE_M && m >= M) return;
  uint at = (gl_WorkGroupID.z * M + m) * N + n;
  if (N % 4u == 0u) {
    if (IS_WHOLE_N || n < N) store4_y(at, x);
  } else {
    for (uint j = 0u; j < 4u && n + j < N; ++j) store_y(at + j, x[j]);
  }
}

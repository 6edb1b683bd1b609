// matmul: y[b] = op(a[b]) op(b[b]), row major.  a [B, M, K] ([B, K, M] if TRANSPOSE_A), b [B, K, N] ([B, N, K] if
// TRANSPOSE_B), y [B, M, N]; BROADCAST_A, BROADCAST_B: that operand has one matrix for the whole batch.
// Grid of workgroups { ceil(N / 32), ceil(M / 32), B }, 64 invocations: a 32 x 32 tile of y, 4 x 4 an invocation. On
// GPUs slices of 16 along K pass through 2 x 2 KiB of shared memory; CPU devices read operands directly, since shared
// memory and barriers cost them more than loads. With a flat grid (B M N): one output an invocation.
// Sums run over k in order, in fp32; every product is rounded before it is added where the device has no fma.
uint a_at(uint batch, uint m, uint k) {
  uint base = BROADCAST_A != 0u ? 0u : batch * M * K;
  return base + (TRANSPOSE_A != 0u ? k * M + m : m * K + k);
}

uint b_at(uint batch, uint k, uint n) {
  uint base = BROADCAST_B != 0u ? 0u : batch * K * N;
  return base + (TRANSPOSE_B != 0u ? n * K + k : k * N + n);
}

#if MVG_HAS_GROUPS

const uint TILE = 32u;
const uint SLICE = 16u;

#if !MVG_IS_CPU
shared float tile_a[SLICE * (TILE + 1u)];
shared float tile_b[SLICE * (TILE + 1u)];

void load_slice(uint batch, uint m0, uint n0, uint k0) {
  for (uint i = gl_LocalInvocationIndex; i < TILE * SLICE; i += LOCAL_SIZE) {
    // Neighbouring invocations read neighbouring elements, whichever axis is contiguous.
    uint ka = TRANSPOSE_A != 0u ? i / TILE : i % SLICE, ma = TRANSPOSE_A != 0u ? i % TILE : i / SLICE;
    uint kb = TRANSPOSE_B != 0u ? i % SLICE : i / TILE, nb = TRANSPOSE_B != 0u ? i / SLICE : i % TILE;
    bool in_a = m0 + ma < M && k0 + ka < K, in_b = n0 + nb < N && k0 + kb < K;
    float va = 0.0, vb = 0.0;
    if (in_a) va = load_a(a_at(batch, m0 + ma, k0 + ka));
    if (in_b) vb = load_b(b_at(batch, k0 + kb, n0 + nb));
    tile_a[ka * (TILE + 1u) + ma] = va;
    tile_b[kb * (TILE + 1u) + nb] = vb;
  }
}
#endif

void kernel_main(uint id) {
  uint batch = gl_WorkGroupID.z, m0 = gl_WorkGroupID.y * TILE, n0 = gl_WorkGroupID.x * TILE;
  uint row = gl_LocalInvocationIndex / 8u * 4u, column = gl_LocalInvocationIndex % 8u * 4u;
  vec4 sum[4] = vec4[4](vec4(0.0), vec4(0.0), vec4(0.0), vec4(0.0));
#if MVG_IS_CPU
  if (m0 + row >= M || n0 + column >= N) return;
  // Rows and columns past the edge repeat the last one, so that loads need no guard.
  uvec4 ms = min(uvec4(m0 + row) + uvec4(0u, 1u, 2u, 3u), uvec4(M - 1u));
  uvec4 ns = min(uvec4(n0 + column) + uvec4(0u, 1u, 2u, 3u), uvec4(N - 1u));
  for (uint k = 0u; k < K; ++k) {
    vec4 bs = vec4(load_b(b_at(batch, k, ns.x)), load_b(b_at(batch, k, ns.y)),
                   load_b(b_at(batch, k, ns.z)), load_b(b_at(batch, k, ns.w)));
    sum[0] += load_a(a_at(batch, ms.x, k)) * bs;
    sum[1] += load_a(a_at(batch, ms.y, k)) * bs;
    sum[2] += load_a(a_at(batch, ms.z, k)) * bs;
    sum[3] += load_a(a_at(batch, ms.w, k)) * bs;
  }
#else
  for (uint k0 = 0u; k0 < K; k0 += SLICE) {
    load_slice(batch, m0, n0, k0);
    barrier();
    for (uint k = 0u; k < SLICE; ++k) {
      uint at = k * (TILE + 1u);
      vec4 bs = vec4(tile_b[at + column], tile_b[at + column + 1u], tile_b[at + column + 2u],
                     tile_b[at + column + 3u]);
      for (uint i = 0u; i < 4u; ++i) sum[i] += tile_a[at + row + i] * bs;
    }
    barrier();
  }
#endif
  for (uint i = 0u; i < 4u; ++i) {
    for (uint j = 0u; j < 4u; ++j) {
      uint m = m0 + row + i, n = n0 + column + j;
      if (m < M && n < N) store_y((batch * M + m) * N + n, sum[i][j]);
    }
  }
}

#else

void kernel_main(uint id) {
  uint n = id % N, m = id / N % M, batch = id / (N * M);
  float sum = 0.0;
  for (uint k = 0u; k < K; ++k) sum += load_a(a_at(batch, m, k)) * load_b(b_at(batch, k, n));
  store_y(id, sum);
}

#endif

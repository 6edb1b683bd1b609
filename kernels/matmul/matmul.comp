// matmul where loads are cheaper than shared memory and barriers: CPU devices. operands.glsl says what is multiplied.
// Grid of workgroups { ceil(N / 32), ceil(M / 32), B SLICES }, 64 invocations: a 32 x 32 tile of y, 4 x 4 an
// invocation, which reads its operands in place.
// Sums run over k in order, in fp32; every product is rounded before it is added where the device has no fma.
#include "matmul/operands.glsl"

uint a_at(uint base, uint m, uint k) {
  return base + (TRANSPOSE_A != 0u ? k * M + m : m * K + k);
}

uint b_at(uint base, uint k, uint n) {
  return base + (TRANSPOSE_B != 0u ? n * K + k : k * N + n);
}

void kernel_main(uint id) {
  uint batch = get_batch(), a = a_base(batch), b = b_base(batch);
  uint row = gl_WorkGroupID.y * 32u + gl_LocalInvocationIndex / 8u * 4u;
  uint column = gl_WorkGroupID.x * 32u + gl_LocalInvocationIndex % 8u * 4u;
  if (row >= M || column >= N) return;
  // Rows and columns past the edge repeat the last one, so that loads need no guard.
  uvec4 ms = min(uvec4(row) + uvec4(0u, 1u, 2u, 3u), uvec4(M - 1u));
  uvec4 ns = min(uvec4(column) + uvec4(0u, 1u, 2u, 3u), uvec4(N - 1u));
  vec4 sum[4] = vec4[4](vec4(0.0), vec4(0.0), vec4(0.0), vec4(0.0));
  uvec2 slice = get_slice();
  for (uint k = slice.x; k < slice.y; ++k) {
    vec4 bs = vec4(load_b(b_at(b, k, ns.x)), load_b(b_at(b, k, ns.y)), load_b(b_at(b, k, ns.z)),
                   load_b(b_at(b, k, ns.w)));
    sum[0] += load_a(a_at(a, ms.x, k)) * bs;
    sum[1] += load_a(a_at(a, ms.y, k)) * bs;
    sum[2] += load_a(a_at(a, ms.z, k)) * bs;
    sum[3] += load_a(a_at(a, ms.w, k)) * bs;
  }
  for (uint i = 0u; i < 4u; ++i) {
    for (uint j = 0u; j < 4u; ++j) {
      uint m = row + i, n = column + j;
      if (m < M && n < N) store_y((gl_WorkGroupID.z * M + m) * N + n, sum[i][j]);
    }
  }
}

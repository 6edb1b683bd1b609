// The operands of matmul: y[b] = op(a[b]) op(b[b]), row major.  a [B, M, K] ([B, K, M] if TRANSPOSE_A), b [B, K, N]
// ([B, N, K] if TRANSPOSE_B), y [B, M, N]; BROADCAST_A, BROADCAST_B: that operand has one matrix for the whole batch.
// With SLICE < K the sum over k is cut in slices of that length, and y [B, SLICES, M, N] has one product a slice.
const uint SLICES = K == 0u ? 1u : (K + SLICE - 1u) / SLICE;

uint a_base(uint batch) {
  return BROADCAST_A != 0u ? 0u : batch * M * K;
}

uint b_base(uint batch) {
  return BROADCAST_B != 0u ? 0u : batch * K * N;
}

// What the workgroup adds up: axis z of the grid is (batch, slice), slices fastest.
uint get_batch() {
  return gl_WorkGroupID.z / SLICES;
}

uvec2 get_slice() {
  uint first = gl_WorkGroupID.z % SLICES * SLICE;
  return uvec2(first, min(first + SLICE, K));
}

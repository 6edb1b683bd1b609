// Gradient of sample_linear in the pixels: dx[n, c, v] = sum of weight(p, v) dy[n, c, p] over the points of the cells
// round pixel v, cell by cell, each cell's in the order that lists them; weight = product over axes of
// max(0, 1 - |at - v|). dy [N, C, P]; at [N, P, K]; order [N, P] i32; start [N, S] i32; dx [N, C, D, H, W].
// One invocation a pixel and four channels: weights are computed once for those.
const uint LANES = 4u;

void kernel_main(uint id) {
  uint pixels = D * H * W, groups = (C + LANES - 1u) / LANES;
  uint v = id % pixels, first = id / pixels % groups * LANES, batch = id / (pixels * groups);
  ivec3 pixel = ivec3(v % W, v / W % H, v / (W * H));
  vec4 total = vec4(0.0);
  for (uint corner = 0u; corner < (1u << K); ++corner) {
    ivec3 cell = pixel + ivec3(corner & 1u, (corner >> 1u) & 1u, corner >> 2u);
    uint row = batch * S + uint(((K > 2u ? cell.z : 0) * int(H + 1u) + cell.y) * int(W + 1u) + cell.x);
    int last = min(load_start(row + 1u), int(P));
    for (int k = max(load_start(row), 0); k < last; ++k) {
      uint p = uint(load_order(batch * P + uint(k)));
      uint a = (batch * P + p) * K;
      float weight = max(0.0, 1.0 - abs(load_at(a) - float(pixel.x))) *
                     max(0.0, 1.0 - abs(load_at(a + 1u) - float(pixel.y)));
      if (K > 2u) weight *= max(0.0, 1.0 - abs(load_at(a + K - 1u) - float(pixel.z)));
      for (uint i = 0u; i < LANES && first + i < C; ++i) {
        total[i] += weight * load_dy((batch * C + first + i) * P + p);
      }
    }
  }
  for (uint i = 0u; i < LANES && first + i < C; ++i) {
    store_dx((batch * C + first + i) * pixels + v, total[i]);
  }
}

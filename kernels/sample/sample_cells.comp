// The cell between pixels that holds each point: ((z + 1) (H + 1) + y + 1) (W + 1) + x + 1 of the pixel (x, y, z) at or
// before it, without z for K = 2; -1 where no pixel is in reach. at [N, P, K]; cells [N, P] i32.
// One invocation a point.
#include "sample/corners.glsl"

void kernel_main(uint id) {
  vec3 at = vec3(load_at(id * K), load_at(id * K + 1u), K > 2u ? load_at(id * K + K - 1u) : 0.0);
  Corners c = find_corners(at);
  int z = K > 2u ? c.low.z + 1 : 0;
  int cell = (z * int(H + 1u) + c.low.y + 1) * int(W + 1u) + c.low.x + 1;
  store_cells(id, c.is_near ? cell : -1);
}

// y[n, c, p] = x[n, c] at the point at[n, p], linear between pixels and zero outside.
// x [N, C, D, H, W]; at [N, P, K], K = 2 (x, y; then D = 1) or 3 (x, y, z), in pixels; y [N, C, P].
// One invocation an element of y.
#include "sample/corners.glsl"

void kernel_main(uint id) {
  uint point = id / (C * P) * P + id % P, channel = id / P;
  vec3 at = vec3(load_at(point * K), load_at(point * K + 1u), K > 2u ? load_at(point * K + K - 1u) : 0.0);
  Corners c = find_corners(at);
  float total = 0.0;
  for (uint i = 0u; c.is_near && i < (1u << K); ++i) {
    int place;
    float weight = get_corner(c, i, place);
    if (place >= 0 && weight != 0.0) total += weight * load_x(channel * D * H * W + uint(place));
  }
  store_y(id, total);
}

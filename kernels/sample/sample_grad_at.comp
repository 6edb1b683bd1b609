// Gradient of sample_linear in the points: dat[n, p] = sum over c of dy[n, c, p] d y[n, c, p] / d at[n, p].
// dy [N, C, P]; x [N, C, D, H, W]; at, dat [N, P, K]. One invocation a point. On a pixel, the slope is that towards the
// next one.
#include "sample/corners.glsl"

void kernel_main(uint id) {
  uint batch = id / P;
  vec3 at = vec3(load_at(id * K), load_at(id * K + 1u), K > 2u ? load_at(id * K + K - 1u) : 0.0);
  Corners c = find_corners(at);
  vec3 slope = vec3(0.0);
  for (uint i = 0u; c.is_near && i < (1u << K); ++i) {
    int place;
    get_corner(c, i, place);
    if (place < 0) continue;
    float value = 0.0;
    for (uint channel = 0u; channel < C; ++channel) {
      uint plane = batch * C + channel;
      value += load_dy(plane * P + id % P) * load_x(plane * D * H * W + uint(place));
    }
    vec3 step = vec3(i & 1u, (i >> 1u) & 1u, i >> 2u);
    vec3 sign_ = 2.0 * step - 1.0, weight = mix(1.0 - c.t, c.t, step);
    slope += value * sign_ * vec3(weight.y * weight.z, weight.x * weight.z, weight.x * weight.y);
  }
  store_dat(id * K, slope.x);
  store_dat(id * K + 1u, slope.y);
  if (K > 2u) store_dat(id * K + K - 1u, slope.z);
}

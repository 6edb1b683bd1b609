// Linear interpolation between the pixels round a point in pixel coordinates; K axes (x, y or x, y, z), W, H and D
// pixels. A point at or past the pixel beyond the border, or NaN, has no pixels.
struct Corners {
  ivec3 low;    // pixel at or before the point
  vec3 t;       // way from there to the next pixel, 0 to 1
  bool is_near; // whether any pixel is in reach
};

Corners find_corners(vec3 at) {
  Corners c;
  c.is_near = at.x > -1.0 && at.x < float(W) && at.y > -1.0 && at.y < float(H) && at.z > -1.0 && at.z < float(D);
  vec3 low = floor(c.is_near ? at : vec3(0.0));
  c.low = ivec3(low);
  c.t = at - low;
  return c;
}

// Corner number `i` (bit 0: the next pixel in x, bit 1: y, bit 2: z): its weight, and its place in a picture of D H W
// pixels, or -1 outside.
float get_corner(Corners c, uint i, out int place) {
  ivec3 step = ivec3(i & 1u, (i >> 1u) & 1u, i >> 2u);
  ivec3 pixel = c.low + step;
  bool is_inside = pixel.x >= 0 && pixel.x < int(W) && pixel.y >= 0 && pixel.y < int(H) && pixel.z >= 0 &&
                   pixel.z < int(D);
  place = is_inside ? (pixel.z * int(H) + pixel.y) * int(W) + pixel.x : -1;
  float x = step.x > 0 ? c.t.x : 1.0 - c.t.x, y = step.y > 0 ? c.t.y : 1.0 - c.t.y;
  return x * y * (step.z > 0 ? c.t.z : 1.0 - c.t.z);
}

// Where a convolution reads: channels are innermost, x [N, SIZE_*, C], y [N, OUT_*, O], weight [O, C / GROUPS, TAPS_*].
// Output o reads o * STRIDE - PADDING + tap * DILATION along an axis, and zeros beyond the ends.
const uvec3 SIZE = uvec3(SIZE_D, SIZE_H, SIZE_W), OUT = uvec3(OUT_D, OUT_H, OUT_W), TAPS = uvec3(TAPS_D, TAPS_H, TAPS_W);
const uvec3 STRIDE = uvec3(STRIDE_D, STRIDE_H, STRIDE_W), DILATION = uvec3(DILATION_D, DILATION_H, DILATION_W);
const uvec3 PADDING = uvec3(PADDING_D, PADDING_H, PADDING_W);
const uint CHANNELS = C / GROUPS, OUTPUTS = O / GROUPS, ALL_TAPS = TAPS_D * TAPS_H * TAPS_W;

// Rows of a product: row i is element to + i * to_step of the destination, and reads from + i * from_step + k * shift of
// the source at its k-th tap, which is tap + k * tap_step of the weight.
struct walk {
  uvec3 rows, taps, to, to_step, tap, tap_step;
  ivec3 from, from_step, shift;
};

uint multiply_all(uvec3 x) { return x.x * x.y * x.z; }

uvec3 take_apart(uint index, uvec3 counts) {
  return uvec3(index / (counts.y * counts.z), index / counts.z % counts.y, index % counts.z);
}

uint put_together(uvec3 at, uvec3 counts) { return (at.x * counts.y + at.y) * counts.z + at.z; }

// A row's image, and what it reads at tap 0.
ivec4 find_start(walk w, uint row) {
  uint count = multiply_all(w.rows);
  return ivec4(int(row / count), w.from + ivec3(take_apart(row % count, w.rows)) * w.from_step);
}

// Pixel of a source of these sizes, or -1 beyond its ends.
int find_pixel(walk w, ivec4 start, uvec3 k, uvec3 sizes) {
  ivec3 p = start.yzw + ivec3(k) * w.shift;
  if (any(lessThan(p, ivec3(0))) || any(greaterThanEqual(p, ivec3(sizes)))) return -1;
  return start.x * int(multiply_all(sizes)) + int(put_together(uvec3(p), sizes));
}

uint find_tap(walk w, uint k) { return put_together(w.tap + take_apart(k, w.taps) * w.tap_step, TAPS); }

walk walk_forward() {
  return walk(OUT, TAPS, uvec3(0u), uvec3(1u), uvec3(0u), uvec3(1u), -ivec3(PADDING), ivec3(STRIDE), ivec3(DILATION));
}

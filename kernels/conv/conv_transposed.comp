// convolution_transposed: dx [N, SIZE_*, C] of dy [N, OUT_*, O] and weight [O, C / GROUPS, TAPS_*]. Element p of dx takes
// from dy, at a tap, the element (p + PADDING - tap * DILATION) / STRIDE where that divides. All p of one remainder by
// the stride, a phase, do so at the same taps: nothing is multiplied by zeros in between.
#include "conv/walk.glsl"

const uvec3 SOURCE = OUT;
const uvec3 AXIS_PHASES = min(STRIDE, SIZE);
const uint PHASES = AXIS_PHASES.x * AXIS_PHASES.y * AXIS_PHASES.z, NUMBERS = OUTPUTS, COLUMNS = CHANNELS;
const uint NUMBER_STEP = CHANNELS * ALL_TAPS, COLUMN_STEP = ALL_TAPS;

walk get_walk(uint phase) {
  uvec3 p = take_apart(phase, AXIS_PHASES);
  walk w;
  w.to = p;
  w.to_step = STRIDE;
  w.from_step = ivec3(1);
  for (uint d = 0u; d < 3u; ++d) {
    uint step_ = 1u, tap = 0u, offset = p[d] + PADDING[d];
    while (step_ * DILATION[d] % STRIDE[d] != 0u) ++step_;
    // step_ * DILATION divides by the stride: added, it keeps the remainders of positive numbers.
    while (tap < step_ && (offset + (step_ - tap) * DILATION[d]) % STRIDE[d] != 0u) ++tap;
    w.rows[d] = (SIZE[d] - p[d] + STRIDE[d] - 1u) / STRIDE[d];
    w.taps[d] = tap < step_ && tap < TAPS[d] ? (TAPS[d] - tap + step_ - 1u) / step_ : 0u;
    w.tap[d] = tap;
    w.tap_step[d] = step_;
    w.shift[d] = -int(step_ * DILATION[d] / STRIDE[d]);
    w.from[d] = int((offset + (step_ - min(tap, step_)) * DILATION[d]) / STRIDE[d]) + w.shift[d];
  }
  return w;
}

float load_source(uint i) { return load_dy(i); }

void store_column(uint image, uvec3 at, uint column, float value) {
  store_dx((image * multiply_all(SIZE) + put_together(at, SIZE)) * C + column, value);
}

#include "conv/product.glsl"

// convolution: y [N, OUT_*, O] of x [N, SIZE_*, C] and weight [O, C / GROUPS, TAPS_*].
#include "conv/walk.glsl"

const uvec3 SOURCE = SIZE;
const uint PHASES = 1u, NUMBERS = CHANNELS, COLUMNS = OUTPUTS;
const uint NUMBER_STEP = ALL_TAPS, COLUMN_STEP = CHANNELS * ALL_TAPS;

walk get_walk(uint phase) { return walk_forward(); }

float load_source(uint i) { return load_x(i); }

void store_column(uint image, uvec3 at, uint column, float value) {
  store_y((image * multiply_all(OUT) + put_together(at, OUT)) * O + column, value);
}

#include "conv/product.glsl"

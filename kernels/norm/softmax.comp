// softmax over the last axis: y = exp(x - max x) / sum exp(x - max x).  x, y [BATCH, C]
// One invocation a row; three passes, so that nothing overflows and no scratch memory is needed.
void kernel_main(uint id) {
  uint base = id * C;
  float peak = load_x(base);
  for (uint i = 1; i < C; ++i) peak = max(peak, load_x(base + i));
  float total = 0.0;
  for (uint i = 0; i < C; ++i) total += exp_(load_x(base + i) - peak);
  float scale = 1.0 / total;
  for (uint i = 0; i < C; ++i) store_y(base + i, exp_(load_x(base + i) - peak) * scale);
}

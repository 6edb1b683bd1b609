// softmax over the last axis: y = exp(x - max x) / sum exp(x - max x).  x, y [BATCH, C]
// Three passes, so that nothing overflows and no scratch memory is needed.
void kernel_main(uint row, uint lane) {
  uint base = row * C;
  float peak = load_x(base);
  for (uint i = lane; i < C; i += LANES) peak = max(peak, load_x(base + i));
  peak = lanes_max(peak);
  float total = 0.0;
  for (uint i = lane; i < C; i += LANES) total += exp_(load_x(base + i) - peak);
  float scale = 1.0 / lanes_sum(total);
  for (uint i = lane; i < C; i += LANES) store_y(base + i, exp_(load_x(base + i) - peak) * scale);
}

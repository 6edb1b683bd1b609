// log softmax over the last axis: y = x - max x - log sum exp(x - max x).  x, y [BATCH, C].
void kernel_main(uint row, uint lane) {
  uint base = row * C;
  float peak = load_x(base);
  for (uint i = lane; i < C; i += LANES) peak = max(peak, load_x(base + i));
  peak = lanes_max(peak);
  float total = 0.0;
  for (uint i = lane; i < C; i += LANES) total += exp_(load_x(base + i) - peak);
  float shift = peak + log_(lanes_sum(total));
  for (uint i = lane; i < C; i += LANES) store_y(base + i, load_x(base + i) - shift);
}

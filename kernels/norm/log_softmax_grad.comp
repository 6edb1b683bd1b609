// Gradient of log softmax over the last axis: dx = dy - exp(y) sum dy.  y, dy, dx [BATCH, C].
void kernel_main(uint row, uint lane) {
  uint base = row * C;
  float total = 0.0;
  for (uint i = lane; i < C; i += LANES) total += load_dy(base + i);
  total = lanes_sum(total);
  for (uint i = lane; i < C; i += LANES) store_dx(base + i, load_dy(base + i) - exp_(load_y(base + i)) * total);
}

// Gradient of softmax over the last axis: dx = y (dy - sum y dy).  y, dy, dx [BATCH, C].
void kernel_main(uint row, uint lane) {
  uint base = row * C;
  float inner = 0.0;
  for (uint i = lane; i < C; i += LANES) inner += load_y(base + i) * load_dy(base + i);
  inner = lanes_sum(inner);
  for (uint i = lane; i < C; i += LANES) store_dx(base + i, load_y(base + i) * (load_dy(base + i) - inner));
}

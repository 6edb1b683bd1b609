// Gradient of softmax over the last axis: dx = y (dy - sum y dy).  y, dy, dx [BATCH, C]. One invocation a row.
void kernel_main(uint id) {
  uint base = id * C;
  float inner = 0.0;
  for (uint i = 0; i < C; ++i) inner += load_y(base + i) * load_dy(base + i);
  for (uint i = 0; i < C; ++i) store_dx(base + i, load_y(base + i) * (load_dy(base + i) - inner));
}

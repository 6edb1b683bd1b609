// Gradient of log softmax over the last axis: dx = dy - exp(y) sum dy.  y, dy, dx [BATCH, C]. One invocation a row.
void kernel_main(uint id) {
  uint base = id * C;
  float total = 0.0;
  for (uint i = 0; i < C; ++i) total += load_dy(base + i);
  for (uint i = 0; i < C; ++i) store_dx(base + i, load_dy(base + i) - exp_(load_y(base + i)) * total);
}

// Prefix products over the last axis: y_i = x_0 ... x_i.  x, y [BATCH, C]. One invocation a row, in index order.
void kernel_main(uint id) {
  float total = 1.0;
  for (uint i = id * C; i < (id + 1u) * C; ++i) {
    total *= load_x(i);
    store_y(i, total);
  }
}

// Sums of rows that share an index, from their sorted order: y[b, r] = sum of values[b, order[b, k]] over k from
// start[b, r] to start[b, r + 1], in that order. values [B, N, C]; order [B, N] i32; start [B, S] i32;
// y [B, S - 1, C]. One invocation an element of y.
void kernel_main(uint id) {
  uint column = id % C, row = id / C;
  uint batch = row / (S - 1u);
  uint at = batch * S + row % (S - 1u);
  int last = min(load_start(at + 1u), int(N));
  float total = 0.0;
  for (int k = max(load_start(at), 0); k < last; ++k) {
    uint source = batch * N + uint(load_order(batch * N + uint(k)));
    total += load_values(source * C + column);
  }
  store_y(id, total);
}

// Where each row's positions begin in a sorted order: start[r] = number of keys below r, r = 0 ... ROWS.
// index, order [B, N] i32, order sorted by index; start [B, ROWS + 1] i32. One invocation an element of start.
void kernel_main(uint id) {
  uint base = id / (ROWS + 1u) * N;
  int row = int(id % (ROWS + 1u));
  uint low = 0u, high = N;
  while (low < high) {
    uint middle = (low + high) / 2u;
    int at = load_index(base + uint(load_order(base + middle)));
    int key = at < 0 || at >= int(ROWS) ? int(ROWS) : at;
    if (key < row) low = middle + 1u; else high = middle;
  }
  store_start(id, int(low));
}

// Transpose of gather_rows: y[r] = sum of dy[i] over index[i] == r, added in the order of i, so that results repeat.
// dy [N, C]; index [N] i32; y [ROWS, C]. One invocation an element of y; it reads the whole index list.
void kernel_main(uint id) {
  int row = int(id / C);
  uint column = id % C;
  float total = 0.0;
  for (uint i = 0; i < N; ++i) {
    if (load_index(i) == row) total += load_dy(i * C + column);
  }
  store_y(id, total);
}

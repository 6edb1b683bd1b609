// Rows of one table a batch: y[b, i] = rows[b, index[b, i]]; an index outside the table gives zeros.
// rows [B, R, C]; index [B, N] i32; y [B, N, C]. One invocation an element of y.
void kernel_main(uint id) {
  uint place = id / C;
  int row = load_index(place);
  float x = 0.0;
  if (row >= 0 && row < int(R)) x = load_rows((place / N * R + uint(row)) * C + id % C);
  store_y(id, x);
}

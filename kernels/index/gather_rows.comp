// Rows of a table: y[i] = table[index[i]]; an index outside the table gives zeros.
// table [R, C]; index [N] i32; y [N, C]. One invocation an element of y.
void kernel_main(uint id) {
  int row = load_index(id / C);
  bool is_inside = row >= 0 && row < int(R);
  store_y(id, is_inside ? load_table(uint(row) * C + id % C) : 0.0);
}

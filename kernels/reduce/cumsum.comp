// Prefix sums over the last axis: y_i = x_0 + ... + x_i, or from the end where REVERSE.  x, y [BATCH, C]
// One invocation a row, in index order. What each addition rounds off is kept and added back (Neumaier), so that long rows
// lose nothing; an infinite total has nothing to add back.
void kernel_main(uint id) {
  uint base = id * C;
  precise float total = 0.0, lost = 0.0;
  for (uint i = 0; i < C; ++i) {
    uint at = base + (REVERSE != 0 ? C - 1 - i : i);
    precise float x = load_x(at);
    precise float next = total + x;
    precise float rest = abs(total) >= abs(x) ? (total - next) + x : (x - next) + total;
    lost += rest;
    total = next;
    bool is_finite = (floatBitsToUint(total) & 0x7F800000u) != 0x7F800000u;
    store_y(at, is_finite ? total + lost : total);
  }
}

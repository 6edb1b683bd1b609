// One pass of a stable merge sort: the runs of WIDTH sorted elements in every SPAN of a row become one run.
// values, sorted [B, N]; order, places [B, N] i32, which are moved alike. Not a number counts as the largest.
// One invocation an element. Its place is the number of elements in its span that come before it: those before it in
// its own run, and in every other run those that bisection finds; of equal ones, all of the runs before its own.
bool comes_before(float a, float b) {
  if (isnan_(a) || isnan_(b)) return DESCENDING != 0 ? isnan_(a) && !isnan_(b) : !isnan_(a) && isnan_(b);
  return DESCENDING != 0 ? a > b : a < b;
}

void kernel_main(uint id) {
  uint row = id / N * N, at = id % N;
  uint first = at / SPAN * SPAN, last = min(first + SPAN, N), own = at / WIDTH * WIDTH;
  float value = load_values(id);
  uint place = first + at - own;
  for (uint run = first; run < last; run += WIDTH) {
    if (run == own) continue;
    uint low = run, high = min(run + WIDTH, last);
    while (low < high) {
      uint middle = (low + high) / 2u;
      float other = load_values(row + middle);
      bool is_before = run < own ? !comes_before(value, other) : comes_before(other, value);
      if (is_before) low = middle + 1u; else high = middle;
    }
    place += low - run;
  }
  store_sorted(row + place, value);
  store_places(row + place, load_order(id));
}

// log softmax over the last axis: y = x - max x - log sum exp(x - max x).  x, y [BATCH, C]. One invocation a row.
void kernel_main(uint id) {
  uint base = id * C;
  float peak = load_x(base);
  for (uint i = 1; i < C; ++i) peak = max(peak, load_x(base + i));
  float total = 0.0;
  for (uint i = 0; i < C; ++i) total += exp_(load_x(base + i) - peak);
  float shift = peak + log_(total);
  for (uint i = 0; i < C; ++i) store_y(base + i, load_x(base + i) - shift);
}

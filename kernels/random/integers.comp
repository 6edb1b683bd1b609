// Random integers y[i] = LOW + floor(w RANGE / 2^32), w of 32 bits: the upper halves of the Philox words of two
// streams. seed, step scalars; y [COUNT] i32. One invocation an element.
void kernel_main(uint id) {
  float seed = load_seed(0u), step = load_step(0u);
  uint word = philox_word(seed, step, float(STREAM), id) & 0xFFFF0000u;
  word |= philox_word(seed, step, float(OTHER), id) >> 16;
  uint high, low;
  umulExtended(word, uint(RANGE), high, low);
  store_y(id, int(uint(LOW) + high));
}

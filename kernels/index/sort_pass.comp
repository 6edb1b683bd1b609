// One pass of a stable radix sort of positions by key: y = order, sorted by four bits of key(index[order[k]]).
// index, order, y [B, N] i32. A key is the index itself, or ROWS where it is outside [0, ROWS).
// One workgroup a batch. Invocations take neighbouring runs of `order`, so that equal digits keep their order whatever
// the number of invocations. 8 KiB of shared memory.
const uint DIGITS = 16u;
shared uint counts[DIGITS * LOCAL_SIZE];
shared uint firsts[DIGITS];

uint get_digit(uint base, int position) {
  int at = load_index(base + uint(position));
  uint key = at < 0 || at >= int(ROWS) ? ROWS : uint(at);
  return (key >> SHIFT) & (DIGITS - 1u);
}

void kernel_main(uint id) {
  uint own = gl_LocalInvocationIndex, base = gl_WorkGroupID.x * N;
  uint run = (N + LOCAL_SIZE - 1u) / LOCAL_SIZE;
  uint first = min(own * run, N), last = min(first + run, N);
  for (uint d = 0u; d < DIGITS; ++d) counts[d * LOCAL_SIZE + own] = 0u;
  for (uint k = first; k < last; ++k) ++counts[get_digit(base, load_order(base + k)) * LOCAL_SIZE + own];
  barrier();
  if (own < DIGITS) {
    uint total = 0u;
    for (uint i = 0u; i < LOCAL_SIZE; ++i) {
      uint count = counts[own * LOCAL_SIZE + i];
      counts[own * LOCAL_SIZE + i] = total;
      total += count;
    }
    firsts[own] = total;
  }
  barrier();
  if (own == 0u) {
    uint total = 0u;
    for (uint d = 0u; d < DIGITS; ++d) {
      uint count = firsts[d];
      firsts[d] = total;
      total += count;
    }
  }
  barrier();
  for (uint k = first; k < last; ++k) {
    int position = load_order(base + k);
    uint digit = get_digit(base, position);
    uint slot = counts[digit * LOCAL_SIZE + own]++;
    store_y(base + firsts[digit] + slot, position);
  }
}

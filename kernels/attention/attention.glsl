// Attention without scores in memory: y = softmax(SCALE q k^T + bias + mask) v, and lse, each row's log-sum-exp.
// One invocation a query of a head: its row and the sums stay in registers; keys and values are read by all
// neighbours at once. The softmax is online (Milakov and Gimelshein 2018): sums shrink when a higher peak is found. A
// row that sees no key, or only scores of -inf, is 0.
#include "attention/places.glsl"

void kernel_main(uint id) {
  uint i = id % L, h = id / L % HEADS, g = id / (L * HEADS);
  if (is_absent(g, i)) return;
  float q[D], sum[E];
  uint from = query_at(g, h, i);
  for (uint c = 0u; c < D; ++c) q[c] = load_query(from + c);
  for (uint c = 0u; c < E; ++c) sum[c] = 0.0;
  float peak = LOWEST, total = 0.0;
  uint seen = count_seen(i);
  for (uint j = 0u; j < seen; ++j) {
    uint k = key_at(g, h, j), v = value_at(g, h, j);
    float product = 0.0;
    for (uint c = 0u; c < D; ++c) product += q[c] * load_key(k + c);
    float score = finish_score(product, g, h, i, j);
    if (score > peak) {
      float fade = exp_(peak - score);
      total *= fade;
      for (uint c = 0u; c < E; ++c) sum[c] *= fade;
      peak = score;
    }
    float weight = exp_(score - peak);
    total += weight;
    for (uint c = 0u; c < E; ++c) sum[c] += weight * load_value(v + c);
  }
  bool is_empty = total == 0.0;
  float factor = is_empty ? 0.0 : 1.0 / total;
  uint to = y_at(g, h, i);
  for (uint c = 0u; c < E; ++c) store_y(to + c, sum[c] * factor);
  store_lse(to / E, is_empty ? MASKED : peak + log_(total));
}

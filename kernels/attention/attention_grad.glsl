// Gradients of attention from probabilities that are recomputed (Dao 2023): with p = exp(score - lse), d = dy v and
// ds = p (d - delta), delta = sum of dy y over a row:
//   dq = SCALE ds k,   dk = SCALE ds^T q,   dv = p^T dy,   dbias = sum of ds over what the bias is broadcast along.
// One invocation a query, then one a key, then (of PADS) one a head of a window, then one for COLUMNS neighbouring numbers of the bias in one of PARTS equal
// shares of the batches: every sum has one owner and one order.
#include "attention/places.glsl"

const uint COLUMNS = 8u;
#ifndef WINDOWS
const uint PADS = 0u;
#endif
const uint BIAS_HEADS = BIAS_HEAD != 0u ? HEADS : 1u;
const uint BIAS_ROWS = BIAS_ROW != 0u ? L : 1u;
const uint BIAS_COLUMNS = BIAS_COLUMN != 0u ? S : 1u;

void store_query_grad(uint id) {
  uint i = id % L, h = id / L % HEADS, g = id / (L * HEADS);
  if (is_absent(g, i)) return;
  uint from = query_at(g, h, i), y = y_at(g, h, i), seen = count_seen(i);
  float q[D], sum[D], dy[E];
  for (uint c = 0u; c < D; ++c) q[c] = load_query(from + c);
  for (uint c = 0u; c < D; ++c) sum[c] = 0.0;
  for (uint c = 0u; c < E; ++c) dy[c] = load_dy(y + c);
  float lse = load_lse(y / E), delta = load_delta(y / E);
  for (uint j = 0u; j < seen; ++j) {
    uint k = key_at(g, h, j), v = value_at(g, h, j);
    float product = 0.0, d = 0.0;
    for (uint c = 0u; c < D; ++c) product += q[c] * load_key(k + c);
    for (uint c = 0u; c < E; ++c) d += dy[c] * load_value(v + c);
    float ds = exp_(finish_score(product, g, h, i, j) - lse) * (d - delta) * SCALE;
    for (uint c = 0u; c < D; ++c) sum[c] += ds * load_key(k + c);
  }
  for (uint c = 0u; c < D; ++c) store_dquery(from + c, sum[c]);
}

// Adds a key's gradients.
void add_key_grad(uint g, uint h, uint j, inout float dk[D], inout float dv[E]) {
  uint k_at = key_at(g, h, j), v_at = value_at(g, h, j);
  float k[D], v[E];
  for (uint c = 0u; c < D; ++c) k[c] = load_key(k_at + c);
  for (uint c = 0u; c < E; ++c) v[c] = load_value(v_at + c);
  for (uint i = CAUSAL != 0u ? j : 0u; i < L; ++i) {
    if (is_absent(g, i)) continue;
    uint q = query_at(g, h, i), y = y_at(g, h, i);
    float product = 0.0, d = 0.0;
    for (uint c = 0u; c < D; ++c) product += load_query(q + c) * k[c];
    for (uint c = 0u; c < E; ++c) d += load_dy(y + c) * v[c];
    float p = exp_(finish_score(product, g, h, i, j) - load_lse(y / E)), ds = p * (d - load_delta(y / E)) * SCALE;
    for (uint c = 0u; c < D; ++c) dk[c] += ds * load_query(q + c);
    for (uint c = 0u; c < E; ++c) dv[c] += p * load_dy(y + c);
  }
}

void store_key_grad(uint id) {
  uint j = id % S, h = id / S % HEADS, g = id / (S * HEADS);
  if (is_absent(g, j)) return;
  float dk[D], dv[E];
  for (uint c = 0u; c < D; ++c) dk[c] = 0.0;
  for (uint c = 0u; c < E; ++c) dv[c] = 0.0;
  add_key_grad(g, h, j, dk, dv);
  uint k_at = key_at(g, h, j), v_at = value_at(g, h, j);
  for (uint c = 0u; c < D; ++c) store_dkey(k_at + c, dk[c]);
  for (uint c = 0u; c < E; ++c) store_dvalue(v_at + c, dv[c]);
}

#ifdef WINDOWS
// The pad is the key and value of all absent tokens, whose queries nobody asks for.
void store_pad_grad(uint id) {
  uint h = id % HEADS, g = id / HEADS, to = (g * 3u * HEADS + h) * D;
  float dk[D], dv[D];
  for (uint c = 0u; c < D; ++c) dk[c] = 0.0;
  for (uint c = 0u; c < D; ++c) dv[c] = 0.0;
  for (uint j = 0u; j < S; ++j) {
    if (is_absent(g, j)) add_key_grad(g, h, j, dk, dv);
  }
  for (uint c = 0u; c < D; ++c) store_dpad(to + c, 0.0);
  for (uint c = 0u; c < D; ++c) store_dpad(to + HEADS * D + c, dk[c]);
  for (uint c = 0u; c < D; ++c) store_dpad(to + 2u * HEADS * D + c, dv[c]);
}
#endif

// Adds a row's ds of keys [first, last) to their sums; all keys have one sum where the bias is broadcast along them.
void add_bias_row(uint g, uint h, uint i, uint first, uint last, inout float sum[COLUMNS]) {
  if (is_absent(g, i)) return;
  uint from = query_at(g, h, i), y = y_at(g, h, i);
  float q[D], dy[E];
  for (uint c = 0u; c < D; ++c) q[c] = load_query(from + c);
  for (uint c = 0u; c < E; ++c) dy[c] = load_dy(y + c);
  float lse = load_lse(y / E), delta = load_delta(y / E);
  for (uint j = first; j < min(last, count_seen(i)); ++j) {
    uint k = key_at(g, h, j), v = value_at(g, h, j);
    float product = 0.0, d = 0.0;
    for (uint c = 0u; c < D; ++c) product += q[c] * load_key(k + c);
    for (uint c = 0u; c < E; ++c) d += dy[c] * load_value(v + c);
    float ds = exp_(finish_score(product, g, h, i, j) - lse) * (d - delta);
    sum[BIAS_COLUMN != 0u ? j - first : 0u] += ds;
  }
}

void store_bias_grad(uint id) {
  uint row = id % BIAS_ROWS, column = id / BIAS_ROWS % ((BIAS_COLUMNS + COLUMNS - 1u) / COLUMNS) * COLUMNS;
  uint head = id / (BIAS_ROWS * ((BIAS_COLUMNS + COLUMNS - 1u) / COLUMNS));
  uint batch = head / BIAS_HEADS % BIAS_COUNT, part = head / (BIAS_HEADS * BIAS_COUNT);
  head %= BIAS_HEADS;
  uint last = BIAS_COLUMN != 0u ? min(column + COLUMNS, S) : S;
  uint outer = G / BIAS_COUNT, share = (outer + PARTS - 1u) / PARTS;
  float sum[COLUMNS];
  for (uint c = 0u; c < COLUMNS; ++c) sum[c] = 0.0;
  for (uint o = part * share; o < min((part + 1u) * share, outer); ++o) {
    for (uint h = head; h < HEADS; h += BIAS_HEADS) {
      for (uint i = row; i < L; i += BIAS_ROWS) add_bias_row(o * BIAS_COUNT + batch, h, i, column, last, sum);
    }
  }
  uint to = (part * BIAS_COUNT + batch) * BIAS_BATCH + head * BIAS_HEAD + row * BIAS_ROW;
  for (uint c = column; c < min(column + COLUMNS, BIAS_COLUMNS); ++c) store_dbias(to + c, sum[c - column]);
}

void kernel_main(uint id) {
  const uint QUERIES = G * HEADS * L, KEYS = G * HEADS * S;
  if (id < QUERIES) {
    store_query_grad(id);
  } else if (id < QUERIES + KEYS) {
    store_key_grad(id - QUERIES);
#ifdef WINDOWS
  } else if (id < QUERIES + KEYS + PADS) {
    store_pad_grad(id - QUERIES - KEYS);
#endif
  } else if (PARTS != 0u) {
    store_bias_grad(id - QUERIES - KEYS - PADS);
  }
}

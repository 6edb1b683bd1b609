// Where attention finds its numbers, by strides of the layout. Batch g, head h, query i, key j, channel c:
//   query, key, value, y   g BATCH + h HEAD + (i or j) ROW + AT + c
//   lse, delta             one number a row of y: the place of the row's first channel by E
//   bias, mask             g % COUNT BATCH + h HEAD + i ROW + j COLUMN, strides of broadcast axes are 0
// Of absent tokens, which only windows have, there is no y.
// G batches, HEADS heads, L queries, S keys; D channels of a query and a key, E of a value.
const float LOWEST = -3.4028234e38;
const float MASKED = 3e38; // log-sum-exp of a row without any key: its probabilities come out 0

#ifdef WINDOWS
#include "attention/windows.glsl"
#else
bool is_absent(uint g, uint i) { return false; }

uint query_at(uint g, uint h, uint i) {
  return g * QUERY_BATCH + h * QUERY_HEAD + i * QUERY_ROW + QUERY_AT;
}

uint key_at(uint g, uint h, uint j) {
  return g * KEY_BATCH + h * KEY_HEAD + j * KEY_ROW + KEY_AT;
}

uint value_at(uint g, uint h, uint j) {
  return g * VALUE_BATCH + h * VALUE_HEAD + j * VALUE_ROW + VALUE_AT;
}

uint y_at(uint g, uint h, uint i) {
  return g * Y_BATCH + h * Y_HEAD + i * Y_ROW + Y_AT;
}
#endif

// SCALE q k + bias + mask of a product q k.
float finish_score(float product, uint g, uint h, uint i, uint j) {
  float bias = load_bias(g % BIAS_COUNT * BIAS_BATCH + h * BIAS_HEAD + i * BIAS_ROW + j * BIAS_COLUMN);
  float mask = load_mask(g % MASK_COUNT * MASK_BATCH + h * MASK_HEAD + i * MASK_ROW + j * MASK_COLUMN);
  return product * SCALE + bias + mask;
}

// Keys that query i sees.
uint count_seen(uint i) {
  return CAUSAL != 0u ? min(S, i + 1u) : S;
}

// Gradients of attention in the one tensor that holds queries, keys and values, and in the bias.
float load_query(uint element) { return load_qkv(element); }
float load_key(uint element) { return load_qkv(element); }
float load_value(uint element) { return load_qkv(element); }
void store_dquery(uint element, float x) { store_dqkv(element, x); }
void store_dkey(uint element, float x) { store_dqkv(element, x); }
void store_dvalue(uint element, float x) { store_dqkv(element, x); }

#include "attention/attention_grad.glsl"

// Attention of queries, keys and values that lie in one tensor.
float load_query(uint element) { return load_qkv(element); }
float load_key(uint element) { return load_qkv(element); }
float load_value(uint element) { return load_qkv(element); }

#include "attention/attention.glsl"

// Attention of queries, keys and values in three tensors.
#include "attention/attention.glsl"

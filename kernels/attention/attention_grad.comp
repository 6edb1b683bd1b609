// Gradients of attention in the three tensors of queries, keys and values, and in the bias.
#include "attention/attention_grad.glsl"

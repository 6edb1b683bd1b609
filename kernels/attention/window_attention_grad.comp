// Gradients of attention inside windows of token maps, in the bias, and in the pad by window.
void store_dquery(uint element, float x) { store_dqkv(element, x); }
void store_dkey(uint element, float x) { store_dqkv(element, x); }
void store_dvalue(uint element, float x) { store_dqkv(element, x); }

#define WINDOWS
#include "attention/attention_grad.glsl"

// Attention inside windows of token maps.
#define WINDOWS
#include "attention/attention.glsl"

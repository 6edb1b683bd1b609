// Elementary functions whose GLSL built-ins differ from C where it matters: NaN in min and max, negative bases of pow,
// overflow in tanh and the logistic function.
float min_(float a, float b) { return isnan(a) ? a : isnan(b) ? b : min(a, b); }
float max_(float a, float b) { return isnan(a) ? a : isnan(b) ? b : max(a, b); }
float sigmoid_(float x) { return x >= 0.0 ? 1.0 / (1.0 + exp(-x)) : exp(x) / (1.0 + exp(x)); }

// A polynomial near 0 keeps small arguments accurate; beyond 9 the result is 1 in single precision.
float tanh_(float x) {
  if (isnan(x)) return x;
  float a = abs(x);
  if (a < 0.25) {
    float s = x * x;
    return x * (1.0 + s * (-0.333333333 + s * (0.133333333 + s * (-0.0539682540 + s * 0.0218694885))));
  }
  if (a > 9.0) return x > 0.0 ? 1.0 : -1.0;
  float e = exp(-2.0 * a);
  float t = (1.0 - e) / (1.0 + e);
  return x < 0.0 ? -t : t;
}

// Built-in pow is undefined for negative bases and for 0 with an exponent of 0 or less.
float pow_(float x, float y) {
  if (y == 0.0) return 1.0;
  if (y == 1.0) return x;
  if (y == 2.0) return x * x;
  if (x == 0.0) return y > 0.0 ? 0.0 : uintBitsToFloat(0x7F800000u);
  if (x > 0.0) return pow(x, y);
  if (y != floor(y)) return uintBitsToFloat(0x7FC00000u);
  float p = pow(-x, y);
  return mod(y, 2.0) == 0.0 ? p : -p;
}

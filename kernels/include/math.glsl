// Elementary functions whose GLSL built-ins differ from C where it matters: NaN in min and max, NaN and infinity in exp
// and log (SwiftShader makes numbers of them), negative bases of pow, overflow in tanh and the logistic function,
// cancellation in exp(x) - 1 and log(1 + x). NaN is told by its bits: drivers may take isnan for false.
bool isnan_(float x) { return (floatBitsToUint(x) & 0x7FFFFFFFu) > 0x7F800000u; }
float min_(float a, float b) { return isnan_(a) ? a : isnan_(b) ? b : min(a, b); }
float max_(float a, float b) { return isnan_(a) ? a : isnan_(b) ? b : max(a, b); }
float exp_(float x) { return isnan_(x) ? x : exp(x); }
float sigmoid_(float x) { return x >= 0.0 ? 1.0 / (1.0 + exp(-x)) : exp_(x) / (1.0 + exp(x)); }

float log_(float x) {
  uint bits = floatBitsToUint(x);
  if (bits - 1u < 0x7F7FFFFFu) return log(x); // above 0 and finite
  if ((bits & 0x7FFFFFFFu) == 0u) return uintBitsToFloat(0xFF800000u);
  return bits == 0x7F800000u || isnan_(x) ? x : uintBitsToFloat(0x7FC00000u);
}

// A polynomial near 0 keeps small arguments accurate; beyond 9 the result is 1 in single precision.
float tanh_(float x) {
  if (isnan_(x)) return x;
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

// Built-in pow is undefined for negative bases and for 0 with an exponent of 0 or less; what is not finite goes as in C.
float pow_(float x, float y) {
  if (y == 0.0 || x == 1.0) return 1.0;
  if (isnan_(x) || isnan_(y)) return uintBitsToFloat(0x7FC00000u);
  if (y == 1.0) return x;
  if (y == 2.0) return x * x;
  if (x > 0.0) return pow(x, y);
  bool is_odd = abs(y) < 16777216.0 && mod(abs(y), 2.0) == 1.0;
  float infinity = uintBitsToFloat(0x7F800000u);
  if (x != 0.0 && x != -infinity && y != floor(y)) return uintBitsToFloat(0x7FC00000u);
  float p = x == 0.0 ? (y > 0.0 ? 0.0 : infinity) : x == -1.0 ? 1.0 : pow(-x, y);
  return is_odd && (floatBitsToUint(x) & 0x80000000u) != 0u ? -p : p;
}

// Near 0 2 t / (1 - t), t = tanh(x / 2), which cancels nothing.
float expm1_(float x) {
  if (!(abs(x) < 0.5)) return exp_(x) - 1.0;
  float t = tanh_(0.5 * x);
  return 2.0 * t / (1.0 - t);
}

// Near 0 the series of 2 artanh(s), s = x / (2 + x).
float log1p_(float x) {
  if (!(x > -0.3 && x < 0.42)) return log_(1.0 + x);
  float s = x / (2.0 + x), q = s * s;
  return 2.0 * (s + s * q * (0.333333333 + q * (0.2 + q * (0.142857143 + q * 0.111111111))));
}

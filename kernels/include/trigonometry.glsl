// Trigonometry to a few units in the last place: of the built-in functions Vulkan asks 2^-11 (sin, cos) and 4096 units
// (atan, asin, acos) only. Quarter turns are taken off after Cody and Waite, beyond 8192 after Payne and Hanek; the
// polynomials are minimax ones.

// x = n quarter turns + r. 64 of the bits of x 2/pi, two before the point, from those of 2/pi that matter.
float trig_reduce_far_(float x, out int n) {
  const uint BITS[8] = uint[8](
    0u, 0xA2F9836Eu, 0x4E441529u, 0xFC2757D1u, 0xF534DDC0u, 0xDB629599u, 0x3C439041u, 0xFE5163ABu);
  uint bits = floatBitsToUint(abs(x)), m = (bits & 0x7FFFFFu) | 0x800000u, first = (bits >> 23) - 120u;
  uint at = first >> 5, low = first & 31u, high = 31u - low;
  uint w0 = BITS[at] << low | BITS[at + 1u] >> 1 >> high;
  uint w1 = BITS[at + 1u] << low | BITS[at + 2u] >> 1 >> high;
  uint w2 = BITS[at + 2u] << low | BITS[at + 3u] >> 1 >> high;
  uint high1, low1, high2, low2, carry;
  umulExtended(m, w1, high1, low1);
  umulExtended(m, w2, high2, low2);
  uint next = uaddCarry(low1, high2, carry), top = m * w0 + high1 + carry;
  int part = int(top << 2 | next >> 30);
  n = int(top >> 30) + (part < 0 ? 1 : 0);
  float r = (float(part) * 2.32830644e-10 + float(next << 2) * 5.42101086e-20) * 1.57079633;
  n = x < 0.0 ? -n : n;
  return x < 0.0 ? -r : r;
}
float trig_reduce_(float x, out int n) {
  if (abs(x) > 8192.0 && abs(x) < 3.4e38) return trig_reduce_far_(x, n);
  precise float k = roundEven(x * 0.636619772);
  precise float r = x - k * 1.5703125;
  r = r - k * 4.837512969970703125e-4;
  r = r - k * 7.54978995489188216e-8;
  n = int(k);
  return r;
}
float trig_sine_(float x, int quarter) {
  int n;
  float r = trig_reduce_(x, n);
  n += quarter;
  float q = r * r;
  float sine = r + r * q * (-0.166666667 + q * (8.33333333e-3 + q * (-1.98412698e-4 + q * 2.75573192e-6)));
  float cosine = 1.0 - 0.5 * q
    + q * q * (4.16666667e-2 + q * (-1.38888889e-3 + q * (2.48015873e-5 - q * 2.75573192e-7)));
  float y = (n & 1) != 0 ? cosine : sine;
  return (n & 2) != 0 ? -y : y;
}
// Infinities and NaN have no angle.
float trig_checked_(float x, float y) {
  return (floatBitsToUint(x) & 0x7F800000u) == 0x7F800000u ? uintBitsToFloat(0x7FC00000u) : y;
}
float sin_(float x) { return trig_checked_(x, trig_sine_(x, 0)); }
float cos_(float x) { return trig_checked_(x, trig_sine_(x, 1)); }
float tan_(float x) { return trig_checked_(x, trig_sine_(x, 0) / trig_sine_(x, 1)); }

// Of 0 to infinity.
float trig_arc_(float x) {
  float first = 0.0, t = x;
  if (x > 2.41421356) {
    first = 1.57079633;
    t = -1.0 / x;
  } else if (x > 0.414213562) {
    first = 0.785398163;
    t = (x - 1.0) / (x + 1.0);
  }
  float q = t * t;
  return first + (t + t * q * (-0.333329492 + q * (0.199777106 + q * (-0.138776856 + q * 0.0805374450))));
}
float atan_(float x) {
  float a = abs(x), y = a > 1e30 ? 1.57079633 : trig_arc_(a);
  return isnan_(x) ? x : x < 0.0 ? -y : y;
}
float atan2_(float y, float x) {
  if (isnan_(x) || isnan_(y)) return uintBitsToFloat(0x7FC00000u);
  float a = abs(x), b = abs(y), low = min(a, b), high = max(a, b);
  float angle = high == 0.0 ? 0.0 : trig_arc_(low == high ? 1.0 : low / high);
  if (b > a) angle = 1.57079633 - angle;
  if ((floatBitsToUint(x) & 0x80000000u) != 0u) angle = 3.14159265 - angle;
  return (floatBitsToUint(y) & 0x80000000u) != 0u ? -angle : angle;
}

// Of 0 to 1/2; beyond, asin(x) = pi/2 - 2 asin(sqrt((1 - x) / 2)).
float trig_arc_sine_(float x) {
  float q = x * x;
  float p = 0.166667524 + q * (0.0749530027 + q * (0.0454700260 + q * (0.0241813110 + q * 0.0421631990)));
  return x + x * q * p;
}
float asin_(float x) {
  float a = abs(x);
  if (!(a <= 1.0)) return uintBitsToFloat(0x7FC00000u);
  float y = a <= 0.5 ? trig_arc_sine_(a) : 1.57079633 - 2.0 * trig_arc_sine_(sqrt(0.5 - 0.5 * a));
  return x < 0.0 ? -y : y;
}
float acos_(float x) {
  float a = abs(x);
  if (!(a <= 1.0)) return uintBitsToFloat(0x7FC00000u);
  if (a <= 0.5) return 1.57079633 - asin_(x);
  float y = 2.0 * trig_arc_sine_(sqrt(0.5 - 0.5 * a));
  return x < 0.0 ? 3.14159265 - y : y;
}

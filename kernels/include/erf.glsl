// The error function to 1.4 units in the last place, also relative to small results: x P(x^2) near 0, else
// 1 - exp(-Q(|x|)) with Q fitted to -log(erfc) on [0.92, 4]; erf(4) rounds to 1. Least squares on Chebyshev nodes.
float erf_(float x) {
  float a = abs(x), s = x * x;
  if (a < 0.925) {
    float p = 8.31153418e-05;
    p = p * s - 0.00081286385;
    p = p * s + 0.00519977124;
    p = p * s - 0.0268588798;
    p = p * s + 0.112836859;
    p = p * s - 0.376126331;
    return x * (p * s + 1.12837917);
  }
  float t = a > 4.0 ? 4.0 : a;
  float q = 2.12689606e-05;
  q = q * t - 0.000436377559;
  q = q * t + 0.00417989465;
  q = q * t - 0.0251415548;
  q = q * t + 0.10831264;
  q = q * t + 0.633318771;
  q = q * t + 1.12952817;
  float r = 1.0 - exp(0.000177305535 - q * t);
  return x < 0.0 ? -r : isnan_(x) ? x : r;
}

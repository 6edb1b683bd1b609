// Layer normalisation over the last axis: y = (x - mean) rstd weight + bias, rstd = 1 / sqrt(var + EPS).
// x, y [BATCH, C]; weight, bias [C]; mean, rstd [BATCH], kept for the gradient.
// One invocation a row; the variance is computed in a second pass around the mean, since E[x^2] - E[x]^2 cancels.
void kernel_main(uint id) {
  uint base = id * C;
  float total = 0.0;
  for (uint i = 0; i < C; ++i) total += load_x(base + i);
  float mean = total / float(C);
  float square = 0.0;
  for (uint i = 0; i < C; ++i) {
    float centred = load_x(base + i) - mean;
    square += centred * centred;
  }
  float rstd = inversesqrt(square / float(C) + EPS);
  for (uint i = 0; i < C; ++i) {
    store_y(base + i, (load_x(base + i) - mean) * rstd * load_weight(i) + load_bias(i));
  }
  store_mean(id, mean);
  store_rstd(id, rstd);
}

// Layer normalisation over the last axis: y = (x - mean) rstd weight + bias, rstd = 1 / sqrt(var + EPS).
// x, y [BATCH, C]; weight, bias [C]; mean, rstd [BATCH], kept for the gradient.
// The variance is computed in a second pass around the mean, since E[x^2] - E[x]^2 cancels.
void kernel_main(uint row, uint lane) {
  uint base = row * C;
  float total = 0.0;
  for (uint i = lane; i < C; i += LANES) total += load_x(base + i);
  float mean = lanes_sum(total) / float(C);
  float square = 0.0;
  for (uint i = lane; i < C; i += LANES) {
    float centred = load_x(base + i) - mean;
    square += centred * centred;
  }
  float rstd = inversesqrt(lanes_sum(square) / float(C) + EPS);
  for (uint i = lane; i < C; i += LANES) {
    store_y(base + i, (load_x(base + i) - mean) * rstd * load_weight(i) + load_bias(i));
  }
  if (lane == 0u) {
    store_mean(row, mean);
    store_rstd(row, rstd);
  }
}

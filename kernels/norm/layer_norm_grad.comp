// Gradient of layer normalisation in x: with n = (x - mean) rstd and g = dy weight,
//   dx = rstd (g - mean(g) - n mean(g n)), means over the row.
// dy, x, dx [BATCH, C]; weight [C]; mean, rstd [BATCH].
void kernel_main(uint row, uint lane) {
  uint base = row * C;
  float mean = load_mean(row), rstd = load_rstd(row);
  float sum_g = 0.0, sum_gn = 0.0;
  for (uint i = lane; i < C; i += LANES) {
    float g = load_dy(base + i) * load_weight(i);
    sum_g += g;
    sum_gn += g * (load_x(base + i) - mean) * rstd;
  }
  sum_g = lanes_sum(sum_g) / float(C);
  sum_gn = lanes_sum(sum_gn) / float(C);
  for (uint i = lane; i < C; i += LANES) {
    float n = (load_x(base + i) - mean) * rstd;
    store_dx(base + i, rstd * (load_dy(base + i) * load_weight(i) - sum_g - n * sum_gn));
  }
}

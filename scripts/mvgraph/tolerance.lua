-- Tolerances of operator tests, relative to the larger of the compared numbers and 1.
return {
  device = { map = 2e-5, view = 0, reduce = 1e-5, kernel = 2e-5, host = 0 }, -- f32 on the device against f64
  gradient = 5e-5, -- gradient on the device against the gradient of the reference in f64
  difference = 1e-5, -- gradient of the reference against central differences, both in f64
  example = 1e-5, -- worked examples
}

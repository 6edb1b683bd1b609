-- Activations and robust penalties, as PyTorch and the papers define them.
local elementwise = require "mvgraph.ops.elementwise"
local tensor = require "mvgraph.tensor"

local activation = {}
local methods = tensor.methods
local unary = elementwise.into(activation)

-- the gradient at 0 is 0
unary("relu", "x <= 0 ? 0 : x", { examples = { { x = { -1, 0, 2 }, y = { 0, 0, 2 } } }, check = { avoid = { 0 } } })
unary("leaky_relu", "x <= 0 ? negative_slope * x : x", {
  attributes = { "negative_slope = 0.01" },
  examples = { { x = { -1, 0, 2 }, y = { -0.01, 0, 2 } }, { x = { -1, 2 }, args = { 0.2 }, y = { -0.2, 2 } } },
  check = { avoid = { 0 } },
})
-- the gradient at the bounds is 0
unary("hardtanh", "x <= min_val ? min_val : (x >= max_val ? max_val : x)", {
  attributes = { "min_val = -1.0", "max_val = 1.0" },
  examples = { { x = { -2, 0.5, 3 }, y = { -1, 0.5, 1 } }, { x = { -2, 9 }, args = { 0, 6 }, y = { 0, 6 } } },
  check = { avoid = { -1, 1 } },
})
unary("relu6", "x <= 0 ? 0 : (x >= 6 ? 6 : x)", {
  examples = { { x = { -2, 0.5, 7 }, y = { 0, 0.5, 6 } } }, check = { low = -3, high = 9, avoid = { 0, 6 } },
})
unary("hardsigmoid", "x <= -3 ? 0 : (x >= 3 ? 1 : x / 6 + 0.5)", {
  examples = { { x = { -4, 0, 1.5, 3 }, y = { 0, 0.5, 0.75, 1 } } }, check = { low = -5, high = 5, avoid = { -3, 3 } },
})
unary("hardswish", "x <= -3 ? 0 : (x >= 3 ? x : x * (x + 3) / 6)", {
  examples = { { x = { -4, 0, 1, 5 }, y = { 0, 0, 2 / 3, 5 } } }, check = { low = -5, high = 5, avoid = { -3, 3 } },
})
unary("elu", "x > 0 ? x : alpha * expm1(x)", {
  attributes = { "alpha = 1.0" },
  examples = { { x = { 2, 0, -1 }, y = { 2, 0, -0.6321205588 } }, { x = { -50 }, args = { 0.5 }, y = { -0.5 } } },
  check = { avoid = { 0 }, shapes = { { x = { 3, 5 } }, { x = { 7, 1 }, args = { 0.3 } } } },
})
unary("celu", "x > 0 ? x : alpha * expm1(x / alpha)", {
  attributes = { "alpha = 1.0" },
  examples = { { x = { 2, 0, -1 }, args = { 2 }, y = { 2, 0, -0.7869386806 } } },
  check = { shapes = { { x = { 3, 5 } }, { x = { 7, 1 }, args = { 0.3 } } }, avoid = { 0 } },
})
-- alpha and scale keep mean 0 and variance 1 (Klambauer et al. 2017)
unary("selu", "1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * expm1(x))", {
  examples = { { x = { 1, 0, -50 }, y = { 1.0507009874, 0, -1.7580993408 } } }, check = { avoid = { 0 } },
})
unary("gelu", "0.5 * x * (1 + erf(x * 0.70710678118654752))", {
  examples = { { x = { 0, 1, -10 }, y = { 0, 0.8413447461, 0 } } },
})
-- PyTorch's approximate = "tanh"
unary("gelu_tanh", "0.5 * x * (1 + tanh(0.79788456080286536 * (x + 0.044715 * x * x * x)))", {
  examples = { { x = { 0, 1, -10 }, y = { 0, 0.8411919906, 0 } } },
})
unary("silu", "x * sigmoid(x)", { examples = { { x = { 0, 1 }, y = { 0, 0.7310585786 } } } })
unary("mish", "x * tanh(max(x, 0) + log1p(exp(-abs(x))))", {
  examples = { { x = { 0, 1, -50 }, y = { 0, 0.8650983883, 0 } } },
})
unary("softsign", "x / (1 + abs(x))", { examples = { { x = { 0, 3, -1 }, y = { 0, 0.75, -0.5 } } } })
-- log(1 + exp(beta x)) / beta; x itself where beta x is above the threshold
unary("softplus", "x * beta > threshold ? x : (max(x * beta, 0) + log1p(exp(-abs(x * beta)))) / beta", {
  attributes = { "beta = 1.0", "threshold = 20.0" },
  examples = {
    { x = { 0, 50, -50 }, y = { 0.6931471806, 50, 0 } },
    { x = { 0, 1 }, args = { 2, 1.5 }, y = { 0.3465735903, 1 } },
  },
  vjp = function(dy, x, call)
    local scaled = x * call.options.beta
    return dy * methods.where(methods.gt(scaled, call.options.threshold), 1, methods.sigmoid(scaled))
  end,
  check = { shapes = { { x = { 3, 5 } }, { x = { 2, 1, 7 }, args = { 3 } }, { x = { 11 }, args = { -0.7, 50 } } } },
})
unary("logsigmoid", "min(x, 0) - log1p(exp(-abs(x)))", {
  examples = { { x = { 0, 60, -60 }, y = { -0.6931471806, 0, -60 } } },
})
unary("softshrink", "x > lambd ? x - lambd : (x < -lambd ? x + lambd : x * 0)", {
  attributes = { "lambd = 0.5" },
  examples = { { x = { -2, 0.3, 1 }, y = { -1.5, 0, 0.5 } } }, check = { avoid = { -0.5, 0.5 } },
})
unary("hardshrink", "abs(x) <= lambd ? 0 : x", {
  attributes = { "lambd = 0.5" },
  examples = { { x = { -2, 0.3, 1 }, y = { -2, 0, 1 } } }, check = { avoid = { -0.5, 0.5 } },
})
-- sigma^2 x^2 / (sigma^2 + x^2): quadratic near 0, at most sigma^2 (Geman and McClure 1987, as SMPLify uses it)
unary("geman_mcclure", [[abs(x) < sigma ? x * x / (1 + (x / sigma) * (x / sigma))
  : sigma * sigma / (1 + (sigma / x) * (sigma / x))]], {
  attributes = { "sigma = 1.0" },
  examples = { { x = { 0, 1, -3 }, y = { 0, 0.5, 0.9 } }, { x = { 2, -100 }, args = { 2 }, y = { 2, 3.9984006397 } } },
  check = { shapes = { { x = { 3, 5 } }, { x = { 2, 1, 7 }, args = { 0.4 } } } },
})

return activation

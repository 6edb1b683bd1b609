-- Arithmetic, comparisons and elementary functions of elements. Each is one expression; GLSL, the host's reference and
-- the gradient come from it. Activations, special functions and logic have their own files.
local elementwise = require "mvgraph.ops.elementwise"
local op = require "mvgraph.ops.define"
local tensor = require "mvgraph.tensor"

local map = {}

local unary, binary = elementwise.into(map)
local BROADCAST <const> = elementwise.BROADCAST

binary("add", "a + b", {
  examples = {
    { a = { 1, 2 }, b = { 10, -2 }, y = { 11, 0 } },
    { a = { { 1 }, { 2 } }, b = { 5, 6 }, y = { { 6, 7 }, { 7, 8 } } },
  },
  check = { shapes = BROADCAST },
})
binary("sub", "a - b", {
  examples = { { a = { 1, 2 }, b = { 10, -2 }, y = { -9, 4 } } }, check = { shapes = BROADCAST },
})
binary("mul", "a * b", {
  examples = { { a = { 3, -2 }, b = { 4, 5 }, y = { 12, -10 } } }, check = { shapes = BROADCAST },
})
binary("div", "a / b", {
  examples = { { a = { 1, -9 }, b = { 4, 3 }, y = { 0.25, -3 } } },
  check = { low = 0.5, high = 2, shapes = BROADCAST },
})
-- floored: the sign of the divisor, as in Python
binary("remainder", "a - floor(a / b) * b", {
  examples = { { a = { 5, -5 }, b = { 3, 3 }, y = { 2, 1 } } },
  check = { shapes = { { a = { 4, 3 }, b = { 1 } } }, low = 0.3, high = 0.9 },
})
binary("power", "pow(a, b)", {
  examples = { { a = { 2, 9, 4 }, b = { 3, 0.5, -1 }, y = { 8, 3, 0.25 } } },
  check = { low = 0.3, high = 2, shapes = BROADCAST },
})
binary("maximum", "max(a, b)", {
  examples = { { a = { 1, -3 }, b = { 0, 2 }, y = { 1, 2 } } }, check = { shapes = BROADCAST },
})
binary("minimum", "min(a, b)", {
  examples = { { a = { 1, -3 }, b = { 0, 2 }, y = { 0, -3 } } }, check = { shapes = BROADCAST },
})
binary("atan2", "atan2(a, b)", {
  examples = { { a = { 1, 0, -2 }, b = { 0, 3, 0 }, y = { math.pi / 2, 0, -math.pi / 2 } } },
  check = { low = 0.2, high = 2, shapes = BROADCAST },
})

for name, symbol in pairs { lt = "<", le = "<=", gt = ">", ge = ">=", eq = "==", ne = "!=" } do
  local less, same, more = name:match("^l") or name == "ne", name == "le" or name == "ge" or name == "eq",
    name:match("^g") or name == "ne"
  binary(name, ("a %s b ? 1 : 0"):format(symbol), {
    differentiable = false,
    examples = { { a = { 1, 2, 3 }, b = { 2, 2, 2 }, y = { less and 1 or 0, same and 1 or 0, more and 1 or 0 } } },
  })
end

-- 1 where the condition is not 0
map.where = op.map "where" {
  inputs = { "condition [...]", "a [...]", "b [...]" }, expr = "condition != 0 ? a : b",
  examples = { { condition = { 1, 0 }, a = { 5, 6 }, b = { 7, 8 }, y = { 5, 8 } } },
  check = { shapes = { { condition = { 3, 1 }, a = { 1, 4 }, b = {} } } },
}

unary("neg", "-x", { examples = { { x = { 1, -2 }, y = { -1, 2 } } } })
unary("abs", "abs(x)", { examples = { { x = { -3, 0, 2 }, y = { 3, 0, 2 } } }, check = { avoid = { 0 } } })
unary("sign", "sign(x)", { differentiable = false, examples = { { x = { -3, 0, 2 }, y = { -1, 0, 1 } } } })
unary("floor", "floor(x)", { differentiable = false, examples = { { x = { -1.5, 0, 2.7 }, y = { -2, 0, 2 } } } })
unary("ceil", "ceil(x)", { differentiable = false, examples = { { x = { -1.5, 0, 2.2 }, y = { -1, 0, 3 } } } })
unary("round", "round(x)", { differentiable = false, examples = { { x = { -1.4, 0, 2.7 }, y = { -1, 0, 3 } } } })
unary("square", "x * x", { examples = { { x = { -3, 2 }, y = { 9, 4 } } } })
unary("cube", "x * x * x", { examples = { { x = { -3, 2 }, y = { -27, 8 } } } })
unary("reciprocal", "1 / x", { examples = { { x = { 4, -2 }, y = { 0.25, -0.5 } } }, check = { low = 0.5, high = 2 } })
unary("exp", "exp(x)", { examples = { { x = { 0, 1 }, y = { 1, 2.718281828 } } } })
unary("log", "log(x)", { examples = { { x = { 1, 7.389056099 }, y = { 0, 2 } } }, check = { low = 0.3, high = 3 } })
unary("sqrt", "sqrt(x)", { examples = { { x = { 0, 9 }, y = { 0, 3 } } }, check = { low = 0.3, high = 3 } })
-- square root whose gradient at 0 is 0, for norms
unary("safe_sqrt", "x <= 0 ? 0 : sqrt(x)", {
  examples = { { x = { 0, 9, -1 }, y = { 0, 3, 0 } } }, check = { low = 0.3, high = 3 },
})
unary("rsqrt", "rsqrt(x)", { examples = { { x = { 4, 1 }, y = { 0.5, 1 } } }, check = { low = 0.3, high = 3 } })
unary("sin", "sin(x)", { examples = { { x = { 0, math.pi / 2 }, y = { 0, 1 } } } })
unary("cos", "cos(x)", { examples = { { x = { 0, math.pi }, y = { 1, -1 } } } })
unary("tan", "tan(x)", { examples = { { x = { 0, math.pi / 4 }, y = { 0, 1 } } }, check = { low = -1, high = 1 } })
unary("asin", "asin(x)", {
  examples = { { x = { 0, 1 }, y = { 0, math.pi / 2 } } }, check = { low = -0.8, high = 0.8 },
})
unary("acos", "acos(x)", {
  examples = { { x = { 1, 0 }, y = { 0, math.pi / 2 } } }, check = { low = -0.8, high = 0.8 },
})
unary("atan", "atan(x)", { examples = { { x = { 0, 1 }, y = { 0, math.pi / 4 } } } })
unary("tanh", "tanh(x)", { examples = { { x = { 0, 20 }, y = { 0, 1 } } } })
unary("sigmoid", "sigmoid(x)", { examples = { { x = { 0, 40, -40 }, y = { 0.5, 1, 0 } } } })
unary("erf", "erf(x)", { examples = { { x = { 0, 1, -5 }, y = { 0, 0.8427007929, -1 } } } })
-- the gradient passes at the bounds and is 0 outside
unary("clamp", "x < low ? low : (x > high ? high : x)", {
  attributes = { "low = -inf", "high = inf" },
  examples = {
    { x = { -2, 0.5, 3 }, args = { -1, 1 }, y = { -1, 0.5, 1 } },
    { x = { -2, 3 }, args = { { low = 0 } }, y = { 0, 3 } },
  },
  check = { shapes = { { x = { 3, 5 }, args = { -0.5, 0.7 } } }, avoid = { -0.5, 0.7 } },
})
unary("stop_gradient", "x", { differentiable = false, examples = { { x = { 3, -1 }, y = { 3, -1 } } } })

unary("power_by", "pow(x, exponent)", {
  attributes = { "exponent" },
  examples = { { x = { 2, 9 }, args = { 3 }, y = { 8, 729 } }, { x = { -2, 0 }, args = { 2 }, y = { 4, 0 } } },
  check = { low = 0.3, high = 2, shapes = { { x = { 3, 5 }, args = { 1.7 } }, { x = { 7, 1 }, args = { -0.4 } } } },
})

-- Exact small powers instead of pow, which GLSL leaves undefined for negative bases.
local POWERS <const> = {
  [1] = function(x) return x end, [2] = map.square, [3] = map.cube, [-1] = map.reciprocal, [0.5] = map.sqrt,
  [-0.5] = map.rsqrt,
}

---@param a Tensor|number base
---@param b Tensor|number exponent
---@return Tensor
function map.pow(a, b)
  if type(b) ~= "number" then return map.power(a, b) end
  return POWERS[b] and POWERS[b](a) or map.power_by(a, b)
end
tensor.methods.pow = map.pow

return map

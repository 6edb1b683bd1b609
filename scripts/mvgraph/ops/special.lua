-- Logarithms, exponentials and hyperbolic functions that stay accurate near 0 and do not overflow early; powers of two
-- arguments, blends and rounding.
local elementwise = require "mvgraph.ops.elementwise"
local op = require "mvgraph.ops.define"
local tensor = require "mvgraph.tensor"

local special = {}
local methods = tensor.methods
local unary, binary = elementwise.into(special)
local BROADCAST <const> = elementwise.BROADCAST

unary("log1p", "log1p(x)", {
  examples = { { x = { 0, 1e-6, 1.718281828, -1 }, y = { 0, 1e-6, 1, -math.huge } } }, check = { low = -0.7, high = 3 },
})
unary("expm1", "expm1(x)", { examples = { { x = { 0, 1e-6, 1, -50 }, y = { 0, 1e-6, 1.718281828, -1 } } } })
unary("log2", "log(x) * 1.4426950408889634", {
  examples = { { x = { 1, 8, 0.25 }, y = { 0, 3, -2 } } }, check = { low = 0.3, high = 3 },
})
unary("log10", "log(x) * 0.43429448190325182", {
  examples = { { x = { 1, 1000, 0.1 }, y = { 0, 3, -1 } } }, check = { low = 0.3, high = 3 },
})
unary("exp2", "exp(x * 0.69314718055994531)", { examples = { { x = { 0, 3, -1 }, y = { 1, 8, 0.5 } } } })

-- sinh(x) = (u + u / (u + 1)) / 2 with u = expm1(x)
unary("sinh", "abs(x) < 1 ? 0.5 * (expm1(x) + expm1(x) / (expm1(x) + 1)) : 0.5 * (exp(x) - exp(-x))", {
  examples = { { x = { 0, 1, -2 }, y = { 0, 1.1752011936, -3.6268604078 } } },
  vjp = function(dy, x) return dy * special.cosh(x) end,
})
unary("cosh", "0.5 * (exp(x) + exp(-x))", {
  examples = { { x = { 0, 1, -2 }, y = { 1, 1.5430806348, 3.7621956911 } } },
  vjp = function(dy, x) return dy * special.sinh(x) end,
})
-- of |x|, for the sign: log1p(a + a^2 / (1 + sqrt(a^2 + 1))); far out a^2 would overflow
unary("asinh", [[sign(x) * (abs(x) > 1e8 ? log(abs(x)) + 0.69314718055994531
  : log1p(abs(x) + x * x / (1 + sqrt(x * x + 1))))]], {
  examples = { { x = { 0, 1, -2, 1e10 }, y = { 0, 0.8813735870, -1.4436354752, 23.7189981105 } } },
  vjp = function(dy, x) return dy * methods.rsqrt(x * x + 1) end,
})
unary("acosh", [[x > 1e8 ? log(x) + 0.69314718055994531 : log1p(x - 1 + sqrt(x - 1) * sqrt(x + 1))]], {
  examples = { { x = { 1, 2, 1e10 }, y = { 0, 1.3169578969, 23.7189981105 } } },
  vjp = function(dy, x) return dy * methods.rsqrt(x - 1) * methods.rsqrt(x + 1) end,
  check = { low = 1.2, high = 3 },
})
unary("atanh", "0.5 * (log1p(x) - log1p(-x))", {
  examples = { { x = { 0, 0.5, -0.5, 1 }, y = { 0, 0.5493061443, -0.5493061443, math.huge } } },
  vjp = function(dy, x) return dy / ((1 - x) * (1 + x)) end,
  check = { low = -0.8, high = 0.8 },
})

-- log(exp(a) + exp(b)); equal infinities have no difference
binary("logaddexp", "a == b ? a + 0.69314718055994531 : max(a, b) + log1p(exp(-abs(a - b)))", {
  examples = {
    { a = { 0, 1000, -math.huge }, b = { 0, 0, -math.huge }, y = { 0.6931471806, 1000, -math.huge } },
  },
  vjp = function(dy, a, b) return dy * methods.sigmoid(a - b), dy * methods.sigmoid(b - a) end,
  check = { shapes = BROADCAST },
})
-- a log(b), 0 where a is 0
binary("xlogy", "isnan(b) ? b : (a == 0 ? 0 : a * log(b))", {
  examples = { { a = { 0, 2 }, b = { 0, 1 }, y = { 0, 0 } } },
  check = { low = 0.3, high = 3, shapes = BROADCAST },
})
-- scaled by the larger one, whose square may overflow
binary("hypot", [[max(abs(a), abs(b)) == 0 || max(abs(a), abs(b)) == inf ? max(abs(a), abs(b))
  : max(abs(a), abs(b)) * sqrt(1 + (min(abs(a), abs(b)) / max(abs(a), abs(b)))
    * (min(abs(a), abs(b)) / max(abs(a), abs(b))))]], {
  examples = { { a = { 3, 0, 0, 3e30 }, b = { -4, 2, 0, 4e30 }, y = { 5, 2, 0, 5e30 } } },
  vjp = function(dy, a, b)
    local h = special.hypot(a, b)
    return dy * (a / h), dy * (b / h)
  end,
  check = { low = 0.2, high = 2, shapes = BROADCAST },
})
-- the sign of the dividend, as in C
binary("fmod", "a - (a / b < 0 ? ceil(a / b) : floor(a / b)) * b", {
  examples = { { a = { 5, -5 }, b = { 3, 3 }, y = { 2, -2 } } },
  check = { shapes = { { a = { 4, 3 }, b = { 1 } } }, low = 0.3, high = 0.9 },
})
binary("floor_divide", "floor(a / b)", {
  differentiable = false, examples = { { a = { 5, -5 }, b = { 3, 3 }, y = { 1, -2 } } },
})
unary("trunc", "x < 0 ? ceil(x) : floor(x)", {
  differentiable = false, examples = { { x = { -1.5, 0, 2.7 }, y = { -1, 0, 2 } } },
})
unary("frac", "x < 0 ? x - ceil(x) : x - floor(x)", {
  examples = { { x = { -1.5, 0, 2.75 }, y = { -0.5, 0, 0.75 } } }, check = { avoid = { -2, -1, 0, 1, 2 } },
})

-- a + weight (b - a), from the nearer end so that both ends are met exactly
special.lerp = op.map "lerp" {
  inputs = { "a [...]", "b [...]", "weight [...]" },
  expr = "abs(weight) < 0.5 ? a + weight * (b - a) : b - (1 - weight) * (b - a)",
  examples = { { a = { 1, 1, 1 }, b = { 3, 3, 3 }, weight = { 0, 0.25, 1 }, y = { 1, 1.5, 3 } } },
  check = { shapes = { { a = { 3, 5 }, b = { 3, 1 }, weight = {} }, { a = { 7 }, b = { 2, 1 }, weight = { 7 } } } },
}

return special

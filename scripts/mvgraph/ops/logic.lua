-- Truth values as 1 and 0, finiteness, and conversions of element types.
local elementwise = require "mvgraph.ops.elementwise"
local op = require "mvgraph.ops.define"

local logic = {}
local unary, binary = elementwise.into(logic)

local function truth(declare, name, expr, examples)
  declare(name, expr .. " ? 1 : 0", { differentiable = false, examples = { examples } })
end

-- anything but 0 is true
local PAIRS <const> = { a = { 0, 0, 2, -1 }, b = { 0, 3, 0, 0.5 } }
truth(binary, "logical_and", "a != 0 && b != 0", { a = PAIRS.a, b = PAIRS.b, y = { 0, 0, 0, 1 } })
truth(binary, "logical_or", "a != 0 || b != 0", { a = PAIRS.a, b = PAIRS.b, y = { 0, 1, 1, 1 } })
truth(binary, "logical_xor", "(a != 0) != (b != 0)", { a = PAIRS.a, b = PAIRS.b, y = { 0, 1, 1, 0 } })
truth(unary, "logical_not", "x == 0", { x = { 0, 2, -1 }, y = { 1, 0, 0 } })

local STRANGE <const> = { 0 / 0, math.huge, -math.huge, 1, 0 }
truth(unary, "isnan", "isnan(x)", { x = STRANGE, y = { 1, 0, 0, 0, 0 } })
truth(unary, "isinf", "abs(x) == inf", { x = STRANGE, y = { 0, 1, 1, 0, 0 } })
truth(unary, "isfinite", "abs(x) < inf", { x = STRANGE, y = { 0, 0, 0, 1, 1 } })

unary("nan_to_num", "isnan(x) ? nan : (x == inf ? posinf : (x == -inf ? neginf : x))", {
  attributes = { "nan = 0.0", "posinf = 3.4028234663852886e38", "neginf = -3.4028234663852886e38" },
  examples = {
    { x = STRANGE, args = { 7, 8, -8 }, y = { 7, 8, -8, 1, 0 } },
    { x = { 0 / 0, math.huge, 1 }, y = { 0, 3.4028234663852886e38, 1 } },
  },
})

-- the whole part, as i32: an index
logic.int = op.map "int" {
  inputs = { "x [...]" }, expr = "x < 0 ? ceil(x) : floor(x)", dtype = "i32", differentiable = false,
  examples = { { x = { -1.5, 0, 2.7 }, y = { -1, 0, 2 } } },
  check = { strange = false },
}

return logic

-- Shorthand for declaring maps of one and of two inputs into a family's table.
local op = require "mvgraph.ops.define"

local elementwise = {}

elementwise.BROADCAST = {
  { a = { 3, 5 }, b = { 3, 5 } }, { a = { 2, 1, 7 }, b = { 3, 1 } }, { a = {}, b = { 1, 9 } },
}

---@param family table where the operator goes by its name
---@return fun(name: string, expr: string, fields: table) unary input x
---@return fun(name: string, expr: string, fields: table) binary inputs a and b, which broadcast
function elementwise.into(family)
  local function declare(name, inputs, expr, fields)
    fields.inputs, fields.expr = inputs, expr
    family[name] = op.map(name)(fields)
  end
  return function(name, expr, fields) declare(name, { "x [...]" }, expr, fields) end,
    function(name, expr, fields) declare(name, { "a [...]", "b [...]" }, expr, fields) end
end

return elementwise

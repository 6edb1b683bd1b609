-- Tensors made from nothing: constants, fills and ranges.
local core = require "mvgraph.core"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"

local constant = {}
local methods = tensor.methods

---@param value number|table|userdata a number, nested list or array
---@return Tensor
function constant.constant(value)
  return trace.as_tensor(value, "the constant")
end

---@param shape integer[]
---@param value number
---@return Tensor
function constant.full(shape, value)
  return methods.expand(trace.as_tensor(value), shape)
end

---@param shape integer[]
---@return Tensor
function constant.zeros(shape)
  return constant.full(shape, 0)
end

---@param shape integer[]
---@return Tensor
function constant.ones(shape)
  return constant.full(shape, 1)
end

---@param x Tensor
---@return Tensor
function constant.zeros_like(x)
  return constant.full(trace.as_tensor(x).shape, 0)
end

---@param x Tensor
---@return Tensor
function constant.ones_like(x)
  return constant.full(trace.as_tensor(x).shape, 1)
end

---0, 1, ..., count - 1
---@param count integer
---@return Tensor [count]
function constant.arange(count)
  local values = {}
  for i = 1, count do values[i] = i - 1 end
  return trace.as_tensor(core.array.from(values, { count }))
end

---@param first number
---@param last number inclusive
---@param count integer
---@return Tensor [count]
function constant.linspace(first, last, count)
  local values = {}
  for i = 1, count do values[i] = first + (last - first) * (count > 1 and (i - 1) / (count - 1) or 0) end
  return trace.as_tensor(core.array.from(values, { count }))
end

methods.zeros_like, methods.ones_like = constant.zeros_like, constant.ones_like

return constant

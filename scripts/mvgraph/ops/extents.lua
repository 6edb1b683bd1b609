-- What convolutions, pooling and resizing share: options that are one number or one a dimension, and where the channels
-- are.
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"

local extents = {}
local methods = tensor.methods

---@param value integer|integer[]|nil
---@param d integer dimensions
---@param operator string
---@param what string
---@param default integer
---@param low integer smallest that makes sense
---@return integer[] one entry a dimension
function extents.read(value, d, operator, what, default, low)
  value = value == nil and default or value
  local list = type(value) == "table" and value or {}
  if type(value) ~= "table" then
    for i = 1, d do list[i] = value end
  end
  if #list ~= d then trace.fail("%s: '%s' needs %d numbers, got %d", operator, what, d, #list) end
  for _, size in ipairs(list) do
    if math.type(size) ~= "integer" or size < low then
      trace.fail("%s: '%s' should be integers from %d, got %s", operator, what, low, tostring(size))
    end
  end
  return list
end

---[n, c, sizes...] -> [n, sizes..., c]
---@param x Tensor
---@return Tensor
function extents.channels_last(x)
  local axes = { 0 }
  for axis = 2, #x.shape - 1 do axes[axis] = axis end
  axes[#x.shape] = 1
  return methods.permute(x, axes)
end

---[n, sizes..., c] -> [n, c, sizes...]
---@param x Tensor
---@return Tensor
function extents.channels_first(x)
  local axes = { 0, #x.shape - 1 }
  for axis = 1, #x.shape - 2 do axes[2 + axis] = axis end
  return methods.permute(x, axes)
end

return extents

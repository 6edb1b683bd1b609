-- Tensor handles: a value of the graph being traced, with operators and methods. Methods are filled in by the
-- operators' declarations; nothing here knows what they compute.

---@class Tensor
---@field graph userdata the graph that holds the value
---@field value integer node and output
---@field shape integer[]
---@field dtype string "f32" or "i32"
local Tensor = { __name = "Tensor" }

---Every operator that takes a tensor first is also a method.
---@type table<string, function>
local methods = {}

local tensor = { methods = methods, class = Tensor }

function Tensor:__index(key)
  local method = methods[key]
  if method == nil then
    error(("a tensor has no field or method '%s'"):format(tostring(key)), 2)
  end
  return method
end

---@param graph userdata
---@param value integer
---@return Tensor
function tensor.new(graph, value)
  local dtype, shape = graph:type(value)
  return setmetatable({ graph = graph, value = value, shape = shape, dtype = dtype }, Tensor)
end

function tensor.is_tensor(object)
  return getmetatable(object) == Tensor
end

---Number of elements.
---@param shape integer[]
---@param first integer? axis to begin with, counted from 1; default: the first
---@param last integer? default: the last
---@return integer
function tensor.count(shape, first, last)
  local count = 1
  for axis = first or 1, last or #shape do count = count * shape[axis] end
  return count
end

---"[2, 3]"
---@param shape integer[]
---@return string
function tensor.format_shape(shape)
  return "[" .. table.concat(shape, ", ") .. "]"
end

function Tensor:__tostring()
  return ("Tensor %s %s"):format(self.dtype, tensor.format_shape(self.shape))
end

function Tensor.__add(a, b) return methods.add(a, b) end
function Tensor.__sub(a, b) return methods.sub(a, b) end
function Tensor.__mul(a, b) return methods.mul(a, b) end
function Tensor.__div(a, b) return methods.div(a, b) end
function Tensor.__mod(a, b) return methods.remainder(a, b) end
function Tensor.__pow(a, b) return methods.pow(a, b) end
function Tensor.__unm(a) return methods.neg(a) end

---@return integer rank
function methods.dim(self)
  return #self.shape
end

---@return integer number of elements
function methods.numel(self)
  return tensor.count(self.shape)
end

---A tensor is its own tensor, as a state's is its leaf.
---@return Tensor
function methods.tensor(self)
  return self
end

return tensor

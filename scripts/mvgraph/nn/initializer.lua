-- PyTorch's initialisations on host arrays, drawn from one generator so that a seed makes the same model everywhere.
local core = require "mvgraph.core"

local initializer = {}

local generator

---@param seed integer
function initializer.manual_seed(seed)
  generator = core.generator(seed)
end

---The generator that layers draw from.
---@return userdata
function initializer.generator()
  generator = generator or core.generator(0)
  return generator
end

---@param shape integer[]
---@param bound number half width
---@return userdata
function initializer.uniform(shape, bound)
  local array = core.array(shape)
  initializer.generator():fill_uniform(array, -bound, bound)
  return array
end

---Normal, cut at +-2 as PyTorch's trunc_normal_ by default.
---@param shape integer[]
---@param std number
---@return userdata
function initializer.trunc_normal(shape, std)
  local array = core.array(shape)
  local g = initializer.generator()
  g:fill_normal(array, 0, std)
  if std * 8 < 2 then return array end -- beyond eight deviations nothing is drawn
  for i = 1, #array do
    while math.abs(array[i]) > 2 do array[i] = g:normal(0, std) end
  end
  return array
end

---@param shape integer[]
---@param mean number
---@param std number
---@return userdata
function initializer.normal(shape, mean, std)
  local array = core.array(shape)
  initializer.generator():fill_normal(array, mean, std)
  return array
end

---@param shape integer[]
---@param value number
---@return userdata
function initializer.constant(shape, value)
  local array = core.array(shape)
  array:fill(value)
  return array
end

---kaiming_uniform_ with a = sqrt(5), the default of Linear and Conv2d: bound 1 / sqrt(fan_in).
---@param shape integer[] [O, ...]
---@return userdata
function initializer.kaiming_uniform(shape)
  local fan_in = 1
  for i = 2, #shape do fan_in = fan_in * shape[i] end
  return initializer.uniform(shape, 1 / math.sqrt(fan_in))
end

---xavier_uniform_ of a matrix.
---@param shape integer[] [O, I]
---@param gain number? default 1
---@return userdata
function initializer.xavier_uniform(shape, gain)
  return initializer.uniform(shape, (gain or 1) * math.sqrt(6 / (shape[1] + shape[2])))
end

return initializer

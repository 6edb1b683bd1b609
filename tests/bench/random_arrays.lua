-- Inputs of the benchmark's cases: numbers of one generator, the same in every run.
local mv = require "mvgraph"

local generator = mv.generator(7)

local random_arrays = {}

---@return Array f32, uniform in [low, high)
function random_arrays.uniform(shape, low, high)
  local array = mv.array(shape)
  generator:fill_uniform(array, low, high)
  return array
end

---@return Array f32
function random_arrays.normal(shape, deviation)
  local array = mv.array(shape)
  generator:fill_normal(array, 0, deviation)
  return array
end

---@return Array f32, three quarters 1, the rest 0
function random_arrays.flags(shape)
  local array = mv.array(shape)
  for i = 1, #array do array[i] = generator:uniform(0, 1) < 0.75 and 1 or 0 end
  return array
end

return random_arrays

-- Peaks of heatmaps on the host: local maxima, the highest first, as VoxelPose's proposals.
local op = require "mvgraph.ops.define"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"
local scatter = require "mvgraph.ops.scatter"
local view = require "mvgraph.ops.view"

local peaks = {}
local methods = tensor.methods

---Whether element (z, y, x) is at least as large as its up to 26 neighbours.
local function is_peak(values, first, shape, z, y, x)
  local d, h, w = shape[1], shape[2], shape[3]
  local value = values[first + (z * h + y) * w + x]
  for k = math.max(z - 1, 0), math.min(z + 1, d - 1) do
    for i = math.max(y - 1, 0), math.min(y + 1, h - 1) do
      for j = math.max(x - 1, 0), math.min(x + 1, w - 1) do
        if values[first + (k * h + i) * w + j] > value then return false end
      end
    end
  end
  return true
end

local function is_higher(a, b)
  if a.value ~= b.value then return a.value > b.value end
  return a.index < b.index
end

---Places of the `count` highest local maxima above a threshold, the highest first, as flat indices in a volume; -1
---where there are no more. A maximum is as large as every neighbour (max pooling of 3x3x3 keeps it); of equal peaks the
---first in memory comes first.
---@type fun(x: Tensor, count: integer, threshold: number?): Tensor x [B, D, H, W] -> i32 [B, count]
peaks.local_maxima = op.host "local_maxima" {
  inputs = { "x [b, d, h, w]" }, attributes = { "count", "threshold = -inf" },
  outputs = function(s) return { { name = "y", dtype = "i32", shape = { s.b, s.count } } } end,
  run = function(inputs, outputs, given)
    local b, d, h, w = table.unpack(inputs[1].shape)
    local values, shape = inputs[1]:totable(), { d, h, w }
    for batch = 0, b - 1 do
      local found, first = {}, batch * d * h * w + 1
      for index = 0, d * h * w - 1 do
        local value = values[first + index]
        if value > given.threshold and is_peak(values, first, shape, index // (h * w), index // w % h, index % w) then
          found[#found + 1] = { value = value, index = index }
        end
      end
      table.sort(found, is_higher)
      for i = 1, given.count do outputs[1][batch * given.count + i] = found[i] and found[i].index or -1 end
    end
  end,
  examples = {
    { x = { { { { 1, 3, 2, 5 } } } }, args = { 3 }, y = { { 3, 1, -1 } } },
    { x = { { { { 1, 3 }, { 2, 0 } }, { { 0, 0 }, { 4, 0 } } } }, args = { 2 }, y = { { 6, -1 } } },
    { x = { { { { 9, 0, 4, 0, 4 } } } }, args = { 2, 3.5 }, y = { { 0, 2 } } },
  },
  check = {
    shapes = {
      { x = { 2, 4, 5, 3 }, args = { 6 } }, { x = { 1, 1, 7, 6 }, args = { 4, 0.5 } },
      { x = { 3, 1, 1, 1 }, args = { 2 } },
    },
  },
}

---Voxel coordinates of flat indices; -1 gives (-1, -1, -1).
---@param indices Tensor i32 [B, count]
---@param shape integer[] D, H, W of the volume
---@return Tensor (x, y, z), [B, count, 3]
function peaks.unravel(indices, shape)
  indices = trace.as_tensor(indices, "unravel: the indices")
  local h, w = shape[2], shape[3]
  local is_found = methods.ge(indices, 0)
  local z = methods.floor((indices + 0.5) / (h * w))
  local rest = indices - z * (h * w)
  local y = methods.floor((rest + 0.5) / w)
  local place = view.stack({ rest - y * w, y, z }, 2)
  return methods.where(methods.unsqueeze(is_found, 2), place, -1)
end

---Values of volumes at flat indices, differentiable in the volume; 0 where an index is -1.
---@param x Tensor [B, D, H, W]
---@param indices Tensor i32 [B, count]
---@return Tensor [B, count]
function peaks.values_at(x, indices)
  x = trace.as_tensor(x, "values_at: the volumes")
  local flat = methods.reshape(x, { x.shape[1], -1, 1 })
  return methods.squeeze(scatter.take_rows(flat, indices), 2)
end

return peaks

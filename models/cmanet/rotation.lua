-- How a network says rotations: "6d" (Zhou et al. 2019), as the paper does, or "axis_angle", to compare. Fits, losses
-- and results see 6D either way.

local mv = require "mvgraph"
local options = require "mvgraph.core.options"
local rotations = mv.rotations

local rotation = {}

---@class Rotation
---@field width integer numbers a rotation, W
---@field to_6d fun(x: Tensor): Tensor [..., W] to [..., 6]
---@field from_6d fun(x: Tensor): Tensor [..., 6] to [..., W]
---@field from_6d_values fun(values: number[]): number[] one rotation of 6 numbers as W

local function same(x)
  return x
end

local KINDS <const> = {
  ["6d"] = { width = 6, to_6d = same, from_6d = same, from_6d_values = same },
  axis_angle = {
    width = 3,
    to_6d = function(x) return rotations.matrix_to_rotation_6d(rotations.axis_angle_to_matrix(x)) end,
    from_6d = function(x) return rotations.matrix_to_axis_angle(rotations.rotation_6d_to_matrix(x)) end,
    from_6d_values = function(values)
      return { rotations.host.matrix_to_axis_angle(rotations.host.rotation_6d_to_matrix(values)) }
    end,
  },
}

---@param name string "6d" or "axis_angle"
---@return Rotation
function rotation.get(name)
  return KINDS[name] or error(options.unknown("rotation", name, { "6d", "axis_angle" }), 0)
end

---Rotations of mean parameters in a network's own numbers.
---@param kind Rotation
---@param theta Array [n, 6]
---@return Array [n, W]
function rotation.of_mean(kind, theta)
  local values = {}
  for i = 0, theta.shape[1] - 1 do
    table.move(kind.from_6d_values(theta:row(i):totable()), 1, kind.width, #values + 1, values)
  end
  return mv.array.from(values, { theta.shape[1], kind.width })
end

return rotation

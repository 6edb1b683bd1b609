-- Directions and units of exported files. What is exported comes with y up, in metres; turned to z up, what was towards
-- +z is towards -y.
local linear = require "mvgraph.linear"

local axes = {}

axes.UPS, axes.UNITS = { "y", "z" }, { "m", "cm", "mm" }

local PER_METRE <const> = { m = 1, cm = 100, mm = 1000 }
local TO_Z_UP <const> = { 1, 0, 0, 0, 0, -1, 0, 1, 0 }
local TO_Y_UP <const> = linear.transpose3(TO_Z_UP)

---@class Axes
---@field up string "y" or "z"
---@field unit string "m", "cm" or "mm"
local Axes = {}
Axes.__index = Axes

---@return Axes
function axes.new(up, unit)
  return setmetatable({ up = up, unit = unit, scale = PER_METRE[unit] }, Axes)
end

---@param p number[] metres, y up, [3]
---@return number[] [3]
function Axes:point(p)
  local x, y, z = p[1] * self.scale, p[2] * self.scale, p[3] * self.scale
  if self.up == "z" then return { x, -z, y } end
  return { x, y, z }
end

---A rotation between frames that are both turned.
---@param m number[] [3, 3]
---@return number[] [3, 3]
function Axes:rotation(m)
  return self.up == "z" and linear.multiply3(linear.multiply3(TO_Z_UP, m), TO_Y_UP) or m
end

return axes

-- A reference laid over a prediction, for pictures of both.
local geometry = require "mvgraph.geometry"

local overlay = {}

---The reference moved over a prediction by the similarity that fits best.
---@param reference number[] [R, 3], NaN where unknown
---@param reference_names string[]
---@param points number[] [J, 3]
---@param names string[]
---@return number[]? moved [R, 3]; nil when they have fewer than three joints in common
function overlay.move(reference, reference_names, points, names)
  local column_of, from, to = {}, {}, {}
  for j, name in ipairs(names) do column_of[name] = j - 1 end
  for j, name in ipairs(reference_names) do
    local column = column_of[name]
    if column and geometry.is_finite(reference[3 * j]) and geometry.is_finite(points[3 * column + 1]) then
      for d = 1, 3 do
        from[#from + 1], to[#to + 1] = reference[3 * (j - 1) + d], points[3 * column + d]
      end
    end
  end
  if #from < 9 then return nil end
  local _, scale, rotation, translation = geometry.procrustes(from, to)
  local moved = {}
  for j = 0, #reference_names - 1 do
    for r = 0, 2 do
      local sum = 0
      for c = 1, 3 do sum = sum + rotation[3 * r + c] * reference[3 * j + c] end
      moved[3 * j + r + 1] = scale * sum + translation[r + 1]
    end
  end
  return moved
end

return overlay

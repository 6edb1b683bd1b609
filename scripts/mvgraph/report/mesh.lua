-- Predicted bodies as surfaces: the posed vertices of a sample, and how each view turns them.
local posing = require "mvgraph.body.pose"
local predicted = require "mvgraph.body.predicted"

local mesh = {}

local UNKNOWN <const> = { 0 / 0, 0, 0, 0, 0, 0, 0, 0, 0 } -- of a view that has a body of its own

---The body of all views, or else of the first, with the pelvis at the origin and its orientation left out.
---@param body Body
---@param predictions table<string, Array> that have a body
---@param sample integer zero-based
---@return Array [vertices, 3] metres
function mesh.vertices(body, predictions, sample)
  local shaped = posing.shape(body, predicted.shape(predictions, sample, 0))
  return (shaped:upright(predicted.pose(predictions, sample, 0)))
end

---Orientation of that body in each view's camera, NaN where the view has a body of its own.
---@param predictions table<string, Array>
---@param sample integer zero-based
---@param views integer
---@return number[] [views, 9]
function mesh.orientations(predictions, sample, views)
  local flat = {}
  for view = 0, views - 1 do
    local is_same = view == 0 or #predictions.theta.shape == 3
    table.move(is_same and predicted.orientation(predictions, sample, view) or UNKNOWN, 1, 9, #flat + 1, flat)
  end
  return flat
end

return mesh

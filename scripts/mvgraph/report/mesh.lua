-- Bodies of predicted parameters as surfaces: the posed vertices of chosen samples, and how each view turns them.
local mv = require "mvgraph"
local posing = require "mvgraph.body.pose"

local mesh = {}

local UNKNOWN <const> = { 0 / 0, 0, 0, 0, 0, 0, 0, 0, 0 } -- a view that has no estimate of this body

local function read_rotation(array, row)
  local six = {}
  for d = 1, 6 do six[d] = array[6 * row + d] end
  return mv.rotations.host.rotation_6d_to_matrix(six)
end

-- The first view's where every view has its own.
local function first_view(array, rank)
  return #array.shape > rank and array:row(0) or array
end

---Whether predictions hold SMPL's parameters.
---@param predictions table<string, Array>
function mesh.is_known(predictions)
  local theta, beta = predictions.theta, predictions.beta
  if not theta or not beta or #theta.shape < 3 or theta.shape[#theta.shape] ~= 6 then return false end
  local joints = theta.shape[#theta.shape - 1]
  return beta.shape[#beta.shape] == 10 and (joints == 24 or joints == 23 and predictions.global ~= nil)
end

---Vertices with the pelvis at the origin and its orientation left out.
---@param body Body
---@param predictions table<string, Array> theta [n, 24, 6], [n, V, 24, 6] (the first view's body is taken) or
---  [n, 23, 6] with global [n, V, 6]; beta [n, 10] or [n, V, 10]
---@param sample integer zero-based
---@return Array [vertices, 3] metres
function mesh.vertices(body, predictions, sample)
  local theta = first_view(predictions.theta:row(sample), 2)
  local beta = first_view(predictions.beta:row(sample), 1):totable()
  local skipped = theta.shape[1] - 23
  local rotations = { mv.geometry.IDENTITY }
  for j = 1, 23 do rotations[j + 1] = read_rotation(theta, j - 1 + skipped) end
  return (posing.shape(body, beta):pose(rotations, { 0, 0, 0 }))
end

---Orientation of the body in each view's camera, NaN where the view has a body of its own.
---@param predictions table<string, Array>
---@param sample integer zero-based
---@param views integer
---@return number[] [views, 9]
function mesh.orientations(predictions, sample, views)
  local global = predictions.global and predictions.global:row(sample)
  local own = global or first_view(predictions.theta:row(sample), 2)
  local flat = {}
  for view = 0, views - 1 do
    local rotation = (global or view == 0) and read_rotation(own, view) or UNKNOWN
    table.move(rotation, 1, 9, #flat + 1, flat)
  end
  return flat
end

return mesh

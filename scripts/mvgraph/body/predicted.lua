-- The body that predictions hold, in SMPL's parameters: one for all views with an orientation in each camera, or one a
-- view.
local mv = require "mvgraph"

local predicted = {}

-- Whether each view has a body of its own.
local function is_per_view(predictions)
  return #predictions.theta.shape == 4
end

---What of theta [n, 23, 6] with beta [n, 10] and global orientations [n, V, 6], or theta [n, V, 24, 6] with beta
---[n, V, 10], is there.
---@param predictions table<string, Array>
---@return boolean
function predicted.has_body(predictions)
  local theta, beta, global = predictions.theta, predictions.beta, predictions.global
  if not theta or not beta then return false end
  local shape = theta.shape
  if beta.shape[#beta.shape] ~= 10 then return false end
  if #shape == 4 then return shape[3] == 24 and shape[4] == 6 and #beta.shape == 3 end
  return #shape == 3 and shape[2] == 23 and shape[3] == 6 and #beta.shape == 2 and global ~= nil and #global.shape == 3
end

local function matrix_of(rows, j)
  local six = {}
  for d = 1, 6 do six[d] = rows[6 * j + d] end
  return mv.rotations.host.rotation_6d_to_matrix(six)
end

---@param predictions table<string, Array>
---@param sample integer zero-based
---@param view integer zero-based
---@return number[] matrix from the body to the camera, [9]
function predicted.orientation(predictions, sample, view)
  if is_per_view(predictions) then return matrix_of(predictions.theta:row(sample):row(view), 0) end
  return matrix_of(predictions.global:row(sample), view)
end

---Rotations of the 23 body joints, each relative to its parent.
---@param predictions table<string, Array>
---@param sample integer zero-based
---@param view integer zero-based
---@return number[][] [23][9]
function predicted.pose(predictions, sample, view)
  local theta, first = predictions.theta:row(sample), 0
  if is_per_view(predictions) then theta, first = theta:row(view), 1 end
  local rotations = {}
  for j = 1, 23 do rotations[j] = matrix_of(theta, j - 1 + first) end
  return rotations
end

---@param predictions table<string, Array>
---@param sample integer zero-based
---@param view integer zero-based
---@return number[] beta [10]
function predicted.shape(predictions, sample, view)
  local beta = predictions.beta:row(sample)
  return (is_per_view(predictions) and beta:row(view) or beta):totable()
end

return predicted

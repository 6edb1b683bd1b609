-- What is drawn of a run's samples, the same of one person as of several.
local people_figure = require "mvgraph.people_figure"

local drawn = {}

---@class Drawn
---@field joints Array metres [n, J, 3] or, one row a view, [n, V, J, 3]; x right, y down, z away; NaN where unknown
---@field joint_names string[] [J]; of several people one after the other
---@field reference Array? [n, R, 3], in the frame of joints where there is a space
---@field reference_names string[]? [R]
---@field keypoints Array detected x, y in the pictures' [-1, 1] and confidence, [n, V, K, 3]
---@field keypoint_names string[] [K]
---@field reprojection Array? places in the pictures, [n, V, L, 2]; NaN where unknown
---@field reprojection_names string[]? [L]
---@field images Array u8 [n, V, S, S, 3]
---@field space number[]? metres along x, y and z of the world, y up: the box around the origin that people stand in;
---  nil: a sample is one person, who may be anywhere
---@field error_name string what predictions.error is
---@field error_unit string

-- Names of the detected keypoints, numbers where nobody names them.
local function keypoint_names(results, count)
  local names = results.dataset.skeleton and results.dataset.skeleton.joints or results.joints
  if #names == count then return names end
  names = {}
  for k = 1, count do names[k] = tostring(k) end
  return names
end

local function of_one(predictions, joints, split, names)
  return {
    joints = predictions.joints, joint_names = joints, reference = split.reference,
    reference_names = split.reference_joints, keypoints = split.keypoints, keypoint_names = names,
    reprojection = predictions.reprojection, reprojection_names = names, images = split.images,
    error_name = split.reference and "PA-MPJPE" or "reprojection error",
    error_unit = split.reference and "mm" or "px of the crop",
  }
end

---@param results RunResults
---@return Drawn
function drawn.of(results)
  local predictions, split, shape = results.predictions, results.split, results.split.keypoints.shape
  local names = keypoint_names(results, shape[#shape - 1])
  if not predictions.people then return of_one(predictions, results.joints, split, names) end
  return people_figure.of(predictions, results.joints, results.dataset, split, names)
end

return drawn

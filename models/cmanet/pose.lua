-- Keypoints of estimated bodies, in camera orientation and projected into the crops: what losses and results see.

local mv = require "mvgraph"

local pose = {}

-- The joints that results are judged by: the skeleton's points as they are, or those of a joint regressor.
local function judged_points(shared, beta, body, global, turned)
  if not shared.regressor then return turned end
  return mv.smplify.turn(shared.layer:body_keypoints(beta, body, shared.regressor), global)
end

---Estimates of IRV for every view: keypoints of each view's own body, projected by its own camera.
---@param out table IRV's outputs
---@param crop Tensor [B, N, 3]
---@return table rotation [B, N, 24, 3, 3], points [B, N, J, 3] of shared.joints in camera orientation, projected
---  [B, N, K, 2]
function pose.views(model, out, crop)
  local b, n = out.theta.shape[1], out.theta.shape[2]
  local rotation = mv.rotations.rotation_6d_to_matrix(out.theta)
  local body = rotation:slice(2, 1, 23):reshape { b * n, 23, 3, 3 }
  local points = model.shared.layer:body_keypoints(out.beta:reshape { b * n, 10 }, body, model.shared.skeleton)
  local function single(t, ...)
    return t:reshape { b * n, 1, ... }
  end
  local global = single(rotation:slice(2, 0, 1), 3, 3)
  local projected, turned = mv.smplify.project(points, global, single(out.camera, 3), single(crop, 3))
  local k = points.shape[2]
  local judged = judged_points(model.shared, out.beta:reshape { b * n, 10 }, body, global, turned)
  return {
    rotation = rotation,
    points = judged:reshape { b, n, judged.shape[3], 3 },
    projected = projected:reshape { b, n, k, 2 },
  }
end

---Estimates of IEV: one body, N orientations and cameras.
function pose.body(model, out, crop)
  local body = mv.rotations.rotation_6d_to_matrix(out.theta)
  local global = mv.rotations.rotation_6d_to_matrix(out.global)
  local points = model.shared.layer:body_keypoints(out.beta, body, model.shared.skeleton)
  local projected, turned = mv.smplify.project(points, global, out.camera, crop)
  local judged = judged_points(model.shared, out.beta, body, global, turned)
  return { body = body, global = global, points = judged, projected = projected }
end

return pose

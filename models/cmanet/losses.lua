-- The self-supervised losses of section 3.5: confidence-weighted reprojection, eq. (1) and (4), and distance to the
-- SMPLify fits, eq. (2) and (5), on rotation matrices as SPIN measures them. The paper names no weights; here every
-- term is a mean over joints and samples, those that do not count included, and stage two sums over views.

local mv = require "mvgraph"
local ops = mv.ops

local losses = {}

---Filtered confidences C_Filt: zero below lambda.
---@param keypoints Tensor detections, [B, N, K, 3]
---@param lambda number
---@param is_weighted boolean? false: those that remain count 1
---@return Tensor [B, N, K]
function losses.filter(keypoints, lambda, is_weighted)
  local b, n, k = keypoints.shape[1], keypoints.shape[2], keypoints.shape[3]
  local confidence = keypoints:slice(3, 2, 1):reshape { b, n, k }
  local filtered = ops.where(ops.lt(confidence, lambda), 0, confidence)
  return is_weighted == false and ops.gt(filtered, 0) or filtered
end

---Squared reprojection error weighted by C_Filt, per view.
---@param projected Tensor [B, N, K, 2] in [-1, 1]
---@param keypoints Tensor [B, N, K, 3]
---@param lambda number
---@param is_weighted boolean? as of filter
---@return Tensor sum over joints / K, [B, N]
function losses.reprojection(projected, keypoints, lambda, is_weighted)
  local squared = (projected - keypoints:slice(3, 0, 2)):square():sum { 3 }
  return (losses.filter(keypoints, lambda, is_weighted) * squared):mean { 2 }
end

---Which views are there: a view without a single keypoint of confidence lambda is missing.
---@param keypoints Tensor [B, N, K, 3]
---@param lambda number
---@return Tensor 1 or 0, [B, N]
function losses.present(keypoints, lambda)
  return ops.any(losses.filter(keypoints, lambda), { 2 })
end

---Mean squared difference of rotation matrices; where there is no trusted fit, it is 0.
---@param rotation Tensor predicted, [B, ..., 3, 3]
---@param target Tensor of the fit, same shape
---@param trusted Tensor 1 or 0, broadcastable to [B, ..., 1, 1]
function losses.pose(rotation, target, trusted)
  local squared = (rotation - target):square() * trusted
  return squared:mean()
end

---Keeps the network's scale away from zero: mean of exp(-10 s)^2.
---@param camera Tensor [B, N, 3]
function losses.positive_scale(camera)
  return (camera:slice(2, 0, 1) * -10):exp():square():mean()
end

return losses

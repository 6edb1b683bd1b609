-- Reprojection of every view's pose into every view (CanonPose, eq. 5 to 7; CVSF, eq. 1 and 3). A pose of n seen by m
-- is at [n, m] throughout.

local mv = require "mvgraph"
local canonical = require "canonpose.canonical"
local ops = mv.ops

local losses = {}

---The first two rows of a product with rotations: projection drops the depth, eq. (1).
---@param rotations Tensor [B, 1, V, 3, 3]
---@param poses Tensor [B, V, 1 or V, 3, J]
---@return Tensor [B, V, V, 2, J]
local function project(rotations, poses)
  return ops.matmul(rotations:slice(3, 0, 2), poses)
end

---P_rep of all V^2 combinations of rotations and poses.
---@param poses Tensor X [B, V, 3, J]
---@param rotations Tensor R [B, V, 3, 3]
---@return Tensor [B, V, V, 2, J]
function losses.reprojections(poses, rotations)
  local b, v, j = poses.shape[1], poses.shape[2], poses.shape[4]
  return project(rotations:reshape { b, 1, v, 3, 3 }, poses:reshape { b, v, 1, 3, j })
end

---Rotations from the camera of view n to that of view m, R_m R_n^T.
---@param rotations Tensor R [B, V, 3, 3]
---@return Tensor [B, V, V, 3, 3]
function losses.relative(rotations)
  local b, v = rotations.shape[1], rotations.shape[2]
  return ops.matmul(rotations:reshape { b, 1, v, 3, 3 }, rotations:reshape { b, v, 1, 3, 3 }, { transpose_b = true })
end

---P_rep with the cameras of another sample, which stand where those of this one do: the pose in view n is turned by
---R_m R_n^T of the batch's sample before. An epoch's order is random, so that is a sample at random.
---@param poses Tensor X [B, V, 3, J]
---@param rotations Tensor R [B, V, 3, 3]
---@return Tensor [B, V, V, 2, J]
function losses.shuffled_reprojections(poses, rotations)
  local b, v, j = poses.shape[1], poses.shape[2], poses.shape[4]
  return project(ops.roll(losses.relative(rotations), 1, 0), ops.matmul(rotations, poses):reshape { b, v, 1, 3, j })
end

---|| (P_m - P_(n,m) / |P_(n,m)|) . C_m ||_1, eq. (3), the mean over the batch.
---@param target Tensor canonical poses, [B, V, 2, J]
---@param projected Tensor of any scale, [B, V, V, 2, J]
---@param confidences Tensor [B, V, J]
---@return Tensor [V, V]
function losses.distances(target, projected, confidences)
  local b, v, j = target.shape[1], target.shape[2], target.shape[4]
  local distance = (target:reshape { b, 1, v, 2, j } - canonical.unit(projected)):abs()
  return (distance * confidences:reshape { b, 1, v, 1, j }):sum({ 3, 4 }):mean { 0 }
end

-- Weights of a view's own reprojection, on the diagonal, and of each in another view.
local function pair_weights(views, own, other)
  local array = mv.array { views, views }
  array:fill(other)
  for n = 0, views - 1 do array:put(own, n, n) end
  return ops.constant(array)
end

---CanonPose's losses: a view's own reprojection, view consistency and camera consistency.
---@param lifted { poses: Tensor, rotations: Tensor } X [B, V, 3, J], R [B, V, 3, 3]
---@param seen { poses: Tensor, confidences: Tensor } P [B, V, 2, J], C [B, V, J]
---@param weights { reprojection: number, view: number, camera: number }
---@return Tensor []
function losses.canonpose(lifted, seen, weights)
  local v, j, others = seen.poses.shape[2], seen.poses.shape[4], math.max(seen.poses.shape[2] - 1, 1)
  local function sum(reproject, own, other)
    local distances = losses.distances(seen.poses, reproject(lifted.poses, lifted.rotations), seen.confidences)
    return (distances * pair_weights(v, own, other)):sum()
  end
  local loss = sum(losses.reprojections, weights.reprojection / v, weights.view / others)
  if weights.camera > 0 and v > 1 then
    loss = loss + sum(losses.shuffled_reprojections, 0, weights.camera / others)
  end
  return loss / math.sqrt(2 * j) -- both sides of root mean square 1, and the mean of 2 J numbers, as eq. (5) has it
end

return losses

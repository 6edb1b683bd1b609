-- The losses of section 3.4 over all pairs of views, eq. (3) to (7). Sums over joints, means over the batch.

local canonical = require "canonpose.canonical"
local reprojection = require "canonpose.losses"

local losses = {}

---L_rep, eq. (3), and with refined poses for P L_ref-rep, eq. (5), summed over all pairs of views.
---@param poses Tensor P_inp or P_ref, [B, V, 2, J]
---@param projected Tensor P_rep [B, V, V, 2, J]
---@param confidences Tensor C [B, V, J]
---@return Tensor []
function losses.reprojection(poses, projected, confidences)
  return reprojection.distances(poses, projected, confidences):sum()
end

---L_ref, eq. (4). An argmax has no gradient, so this tells how much was refined and teaches nothing; it is of one view
---on both sides, for poses of two views have nothing to be equal in.
---@param poses Tensor P_inp [B, V, 2, J]
---@param refined Tensor P_ref [B, V, 2, J]
---@param confidences Tensor C [B, V, J]
---@return Tensor []
function losses.refinement(poses, refined, confidences)
  local b, v, j = poses.shape[1], poses.shape[2], poses.shape[4]
  return ((poses - refined):abs() * confidences:reshape { b, v, 1, j }):sum { 1, 2, 3 }:mean()
end

---L_3D, eq. (6), of poses in canonical space, where all have one scale; without it the poses would shrink.
---@param poses Tensor X_2, lifted from refined poses, [B, V, 3, J]
---@return Tensor []
function losses.consistency(poses)
  local b, v, j = poses.shape[1], poses.shape[2], poses.shape[4]
  local unit = canonical.unit(poses)
  return (unit:reshape { b, v, 1, 3, j } - unit:reshape { b, 1, v, 3, j }):abs():sum { 1, 2, 3, 4 }:mean()
end

return losses

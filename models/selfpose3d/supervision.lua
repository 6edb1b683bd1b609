-- What 2D poses of a detector say of projected people: heatmaps rendered from them (eq. 4), and joints matched to them
-- (eq. 5), of which the view that fits worst does not count (eq. 9, 10).

local mv = require "mvgraph"
local space = require "voxelpose.space"
local ops = mv.ops

local supervision = {}

---Heatmaps of projected people, differentiable in them.
---@param places Tensor [B, V, C, K, 2]
---@param is_seen Tensor [B, V, C, K]
---@param is_found Tensor of proposals, [B, C]
---@param size integer[] height and width
---@param sigma number pixels
---@return Tensor [B, V, K, H, W]
function supervision.render(places, is_seen, is_found, size, sigma)
  local b, c = is_found.shape[1], is_found.shape[2]
  local peak = is_seen * is_found:reshape { b, 1, c, 1 }
  return ops.gaussian_heatmap_2d(space.to_pixels(places, size[1], size[2]), size, { sigma = sigma, peak = peak })
    :max { 2 }
end

---Mean absolute error of joints, in pixels of the heatmaps, beside the detector's people that they are matched to, view
---by view (Kuhn 1955: the assignment of least total error).
---@param places Tensor [B, V, C, K, 2]
---@param is_found Tensor [B, C]
---@param keypoints Tensor and whether they count, [B, V, P, K, 3]
---@param affine Tensor [B, V, 2, 3] of the augmented pictures
---@param size integer[] height and width of heatmaps
---@param leaves_worst boolean whether the worst view of each sample, if there are several, does not count
---@return Tensor
function supervision.joints(places, is_found, keypoints, affine, size, leaves_worst)
  local b, v, p, k = table.unpack(keypoints.shape)
  local c = places.shape[3]
  local wanted = space.move(keypoints:slice(4, 0, 2), affine):reshape { b, v, 1, p, k, 2 }
  local counts = keypoints:slice(4, 2, 1):reshape { b, v, 1, p, k }
  local offset = places:reshape { b, v, c, 1, k, 2 } - wanted
  local distance = (ops.abs(offset) * space.half(size[1], size[2])):mean { 5 } -- [B, V, C, P, K]
  local known = counts:sum { 4 } -- [B, V, 1, P]
  local cost = (distance * counts):sum { 4 } / ops.maximum(known, 1) -- [B, V, C, P]
  local may_match = ops.gt(known, 0) * is_found:reshape { b, 1, c, 1 }
  local columns = ops.linear_sum_assignment(
    ops.where(may_match, cost, math.huge):stop_gradient():reshape { b * v, c, p })
  local is_match = ops.eq(columns:reshape { b, v, c, 1 }, ops.arange(p):reshape { 1, 1, 1, p })
  local of_view = (cost * is_match):sum { 2, 3 } / ops.maximum(is_match:sum { 2, 3 }, 1) -- [B, V]
  if not leaves_worst or v == 1 then return of_view:mean() end
  return ((of_view:sum { 1 } - of_view:max { 1 }) / (v - 1)):mean()
end

return supervision

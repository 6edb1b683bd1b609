-- Losses of VoxelPose's three networks, and which true person a proposal is of.

local mv = require "mvgraph"
local space = require "voxelpose.space"
local ops = mv.ops

local losses = {}

losses.NOBODY = 1e3 -- metres: where absent people are, out of reach of any Gaussian

---Heatmaps that 2D poses ask for: a Gaussian round every joint that counts, the highest where people's overlap.
---@param keypoints Tensor places in the pictures and whether they count, [B, V, P, K, 3]
---@param size integer[] height and width of the heatmaps
---@param sigma number pixels of theirs
---@param affine Tensor? [B, V, 2, 3] of augmented pictures
---@return Tensor [B, V, K, H, W]
function losses.heatmaps(keypoints, size, sigma, affine)
  local places, peak = keypoints:slice(4, 0, 2), keypoints:slice(4, 2, 1):squeeze(4)
  if affine then places = space.move(places, affine) end
  local pixels = space.to_pixels(places, size[1], size[2])
  return ops.gaussian_heatmap_2d(pixels, size, { sigma = sigma, peak = peak }):max { 2 }
end

---Mean squared difference of heatmaps or root volumes.
---@param found Tensor
---@param wanted Tensor|number
---@param foreground number? how much more than the rest the peaks of what is wanted count; 0
---@return Tensor
function losses.mse(found, wanted, foreground)
  local squared = ops.square(found - wanted)
  if (foreground or 0) > 0 then squared = squared * (1 + foreground * wanted) end
  return squared:mean()
end

---The true person whose root is nearest to each proposal.
---@param centres Tensor of the proposals, metres, [B, C, 3]
---@param people Tensor true joints and 1 where they are known, [B, P, K, 4]
---@param root integer zero-based joint
---@param reach number metres within which a proposal is of a person
---@return Tensor target joints, metres, [B, C, K, 3]
---@return Tensor weights 1 where a joint counts, [B, C, K]
function losses.match(centres, people, root, reach)
  local b, c, p, k = centres.shape[1], centres.shape[2], people.shape[2], people.shape[3]
  local roots = people:slice(2, root, 1):slice(3, 0, 3):reshape { b, 1, p, 3 }
  local squared = ops.square(centres:reshape { b, c, 1, 3 } - roots):sum { 3 }
  local nearest = squared:min({ 2 }, { keepdim = true })
  local choice = ops.eq(squared, nearest) * ops.lt(nearest, reach * reach) -- [B, C, P]
  local chosen = ops.matmul(choice, people:reshape { b, p, k * 4 }):reshape { b, c, k, 4 }
  return chosen:slice(3, 0, 3), chosen:slice(3, 3, 1):squeeze(3)
end

---Mean distance along an axis, of the joints that count.
---@param joints Tensor metres, [B, C, K, 3]
---@param target Tensor [B, C, K, 3]
---@param weights Tensor [B, C, K]
---@return Tensor metres
function losses.l1(joints, target, weights)
  local distance = ops.abs(joints - target):mean { 3 }
  return (distance * weights):sum() / ops.maximum(weights:sum(), 1)
end

return losses

-- Volumes of space that calibrated views look into: where world points fall in the views' pictures, and what heatmaps
-- of those say at each of them.

local mv = require "mvgraph"
local cameras, ops = mv.cameras, mv.ops

local space = {}

---@class Views
---@field intrinsics Tensor f, ox, oy in half pictures, see datasets/people.lua, [B, V, 3]
---@field extrinsics Tensor world to camera, metres, [B, V, 3, 4]
---@field affine Tensor? t_(r,s): places in the picture to those in the augmented one, [B, V, 2, 3]

---Places moved as an augmentation moved the picture.
---@param places Tensor [B, V, ..., 2]
---@param affine Tensor [B, V, 2, 3]
---@return Tensor [B, V, ..., 2]
function space.move(places, affine)
  local b, v = affine.shape[1], affine.shape[2]
  local moved = ops.matmul(places:reshape { b, v, -1, 2 }, affine:slice(3, 0, 2), { transpose_b = true })
    + affine:slice(3, 2, 1):reshape { b, v, 1, 2 }
  return moved:reshape(places.shape)
end

---Places in the (augmented) pictures, -1 and 1 being their edges, where world points fall.
---@param points Tensor metres, [B, P, 3]
---@param views Views
---@return Tensor places [B, V, P, 2]
---@return Tensor is_seen 1 where a point lies before the camera and within the picture, augmented or not, [B, V, P]
function space.project(points, views)
  local focal, offset = views.intrinsics:slice(2, 0, 1), views.intrinsics:slice(2, 1, 2)
  local b, v = focal.shape[1], focal.shape[2]
  local rotation, translation = views.extrinsics:slice(3, 0, 3), views.extrinsics:slice(3, 3, 1):reshape { b, v, 3 }
  local places, depth = cameras.project_points(points, rotation, translation, ops.concat({ focal, focal }, 2), -offset)
  local function is_within(at) return ops.lt(ops.abs(at):max { 3 }, 1) end
  local is_seen = ops.gt(depth, 0) * is_within(places)
  if views.affine then
    places = space.move(places, views.affine)
    is_seen = is_seen * is_within(places)
  end
  return places, is_seen
end

---The same of people's joints.
---@param people Tensor metres, [B, C, K, 3]
---@param views Views
---@return Tensor places [B, V, C, K, 2]
---@return Tensor is_seen [B, V, C, K]
function space.project_people(people, views)
  local b, c, k = people.shape[1], people.shape[2], people.shape[3]
  local places, is_seen = space.project(people:reshape { b, c * k, 3 }, views)
  local v = places.shape[2]
  return places:reshape { b, v, c, k, 2 }, is_seen:reshape { b, v, c, k }
end

---How many pixels of heatmaps half a picture has.
---@param height integer
---@param width integer
---@return Tensor along x and y, [2]
function space.half(height, width)
  return ops.constant(mv.array.from({ width / 2, height / 2 }, { 2 }))
end

---Pixels of heatmaps at places in the pictures; a pixel's centre is whole.
---@param places Tensor [..., 2]
---@param height integer
---@param width integer
---@return Tensor [..., 2]
function space.to_pixels(places, height, width)
  return (places + 1) * space.half(height, width) - 0.5
end

---What heatmaps say at world points: the mean over the views that see a point (SelfPose3d eq. 1).
---@param maps Tensor [B, V, J, H, W]
---@param points Tensor metres, [B, P, 3]
---@param views Views
---@return Tensor [B, J, P]
function space.unproject(maps, points, views)
  local places, is_seen = space.project(points, views)
  return ops.unproject(maps, space.to_pixels(places, maps.shape[4], maps.shape[5]), is_seen)
end

return space

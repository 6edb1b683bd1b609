-- Cameras as tensors: the network's weak-perspective parameters of a crop, full perspective, and points in crop
-- coordinates, where -1 and 1 are the crop's edges. Camera frame: x right, y down, z away; metres.

local ops = require "mvgraph.ops"

local cameras = {}

local EPSILON <const> = 1e-9
local NEAR <const> = 0.1 -- metres; depths are held above it, so that a projection is always finite

---Translation of a body seen in a crop: (tx, ty, 2 f / (L s)), SPIN's convention.
---@param camera Tensor (s, tx, ty), [..., 3]
---@param focal_over_size number focal length over the crop's side
---@return Tensor metres, [..., 3]
function cameras.weak_perspective_to_translation(camera, focal_over_size)
  local last = #camera.shape - 1
  local depth = 2 * focal_over_size / (camera:slice(last, 0, 1) + EPSILON)
  return ops.concat({ camera:slice(last, 1, 2), depth }, last)
end

---Projects points in the camera's frame to crop coordinates.
---@param points Tensor metres, [..., K, 3]
---@param focal Tensor|number focal length in half crops, broadcastable to [..., K, 1]
---@param offset Tensor|nil the crop's centre from the principal point in half crops, broadcastable to [..., K, 2]
---@return Tensor [..., K, 2]
function cameras.project(points, focal, offset)
  local last = #points.shape - 1
  local depth = ops.maximum(points:slice(last, 2, 1), NEAR)
  local projected = points:slice(last, 0, 2) * focal / depth
  return offset and projected - offset or projected
end

---Turns body points by a view's global orientation, moves them by its translation and projects them.
---@param points Tensor body frame, metres, [B, K, 3]
---@param rotation Tensor [B, 3, 3]
---@param translation Tensor metres, [B, 3]
---@param focal_over_size number focal length over the crop's side
---@return Tensor crop coordinates, [B, K, 2]
function cameras.perspective_projection(points, rotation, translation, focal_over_size)
  local b = points.shape[1]
  local turned = ops.matmul(points, rotation, { transpose_b = true }) + translation:reshape { b, 1, 3 }
  return cameras.project(turned, 2 * focal_over_size)
end

---Crop coordinates to pixels of the picture that the crop was cut from.
---@param points Array [n, K, 2] or more columns, changed in place: columns 1 and 2
---@param crop Array centre x, y and side in pixels, [n, 3]
function cameras.crop_to_image(points, crop)
  local n, k, columns = points.shape[1], points.shape[2], points.shape[3]
  for i = 0, n - 1 do
    local half = crop[3 * i + 3] / 2
    for j = 0, k - 1 do
      local at = (i * k + j) * columns
      points[at + 1] = points[at + 1] * half + crop[3 * i + 1]
      points[at + 2] = points[at + 2] * half + crop[3 * i + 2]
    end
  end
  return points
end

return cameras

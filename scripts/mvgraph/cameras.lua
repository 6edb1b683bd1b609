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

---Places of calibrated cameras' pictures where world points fall, with OpenCV's radial and tangential distortion.
---Points at or behind a camera's plane get finite, meaningless places; their depth says so.
---@param points Tensor world, [N, P, 3]
---@param rotation Tensor world to camera, [N, V, 3, 3]
---@param translation Tensor x_camera = R x_world + t, in the points' unit, [N, V, 3]
---@param focal Tensor pixels, [N, V, 2]
---@param centre Tensor principal point, pixels, [N, V, 2]
---@param radial Tensor? k1, k2, k3, [N, V, 3]
---@param tangential Tensor? p1, p2, [N, V, 2]
---@return Tensor pixels [N, V, P, 2]
---@return Tensor depth in the points' unit, [N, V, P]
function cameras.project_points(points, rotation, translation, focal, centre, radial, tangential)
  local n, p, v = points.shape[1], points.shape[2], rotation.shape[2]
  local own = ops.matmul(points:reshape { n, 1, p, 3 }, rotation, { transpose_b = true })
    + translation:reshape { n, v, 1, 3 }
  local depth = own:slice(3, 2, 1)
  local y = own:slice(3, 0, 2) / ops.where(ops.gt(depth, 0), depth, 1)
  local function coefficient(list, i) return list:slice(2, i, 1):reshape { n, v, 1, 1 } end
  local distorted = y
  local squared = ops.square(y):sum({ 3 }, { keepdim = true })
  if radial then
    local k1, k2, k3 = coefficient(radial, 0), coefficient(radial, 1), coefficient(radial, 2)
    distorted = y * (1 + squared * (k1 + squared * (k2 + squared * k3)))
  end
  if tangential then
    local p1, p2 = coefficient(tangential, 0), coefficient(tangential, 1)
    local shear = p1 * y:slice(3, 1, 1) + p2 * y:slice(3, 0, 1)
    distorted = distorted + 2 * y * shear + ops.flip(tangential, 2):reshape { n, v, 1, 2 } * squared
  end
  return distorted * focal:reshape { n, v, 1, 2 } + centre:reshape { n, v, 1, 2 }, ops.squeeze(depth, 3)
end

---1 where a projected point lies in front of its camera and within its picture, else 0.
---@param pixels Tensor [N, V, P, 2]
---@param depth Tensor [N, V, P]
---@param width number pixels
---@param height number
---@return Tensor [N, V, P]
function cameras.sees(pixels, depth, width, height)
  local x, y = ops.select(pixels, 3, 0), ops.select(pixels, 3, 1)
  return ops.gt(depth, 0) * ops.ge(x, 0) * ops.ge(y, 0) * ops.lt(x, width) * ops.lt(y, height)
end

-- (x, y, z) of a list as a constant of the graph
local function triple(list)
  return ops.constant(require("mvgraph").array.from(list, { 3 }))
end

---Centres of the voxels of boxes, the outermost ones on their faces; x runs fastest, then y, then z, which is the order
---of a volume [D, H, W].
---@param centre Tensor of the boxes, [N, 3]
---@param size number[] extent along x, y, z
---@param bins integer[] voxels along x, y, z
---@return Tensor [N, z y x voxels, 3]
function cameras.voxel_grid(centre, size, bins)
  local shape, axes = { bins[3], bins[2], bins[1] }, {}
  for i = 1, 3 do
    local along = { 1, 1, 1 }
    along[4 - i] = bins[i]
    axes[i] = ops.linspace(-size[i] / 2, size[i] / 2, bins[i]):reshape(along):expand(shape)
  end
  return ops.stack(axes, 3):reshape { 1, -1, 3 } + centre:reshape { -1, 1, 3 }
end

---World points of voxel coordinates (x, y, z) in such a grid, as soft_argmax_3d and unravel give them.
---@param voxels Tensor [N, K, 3]
---@param centre Tensor [N, 3]
---@param size number[] extent along x, y, z
---@param bins integer[] voxels along x, y, z; more than 1
---@return Tensor [N, K, 3]
function cameras.voxel_to_world(voxels, centre, size, bins)
  local steps, corner = {}, {}
  for i = 1, 3 do steps[i], corner[i] = size[i] / (bins[i] - 1), -size[i] / 2 end
  return voxels * triple(steps) + (triple(corner) + centre):reshape { -1, 1, 3 }
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

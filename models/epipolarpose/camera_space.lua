-- Between V, a pose in the volume of a crop, and metres in the frame of its camera (x right, y down, z away). V is from
-- -0.5 to 0.5: x and y across the crop, z the depth beside the root's, of 2 metres. Eq. (1) with known intrinsics says
-- where a joint lies, but for the root's depth: that follows from how long bones are.

local mv = require "mvgraph"
local ops = mv.ops

local camera_space = {}

local DEPTH <const> = 2 -- metres
local TINY <const> = 1e-9

-- A row of weights a list of joints: [rows, K].
local function joint_matrix(rows, count)
  local matrix = mv.array { #rows, count }
  for i, weights in ipairs(rows) do
    for joint, weight in pairs(weights) do matrix[(i - 1) * count + joint + 1] = weight end
  end
  return ops.constant(matrix:reshape { 1, #rows, count })
end

local function root_matrix(anatomy)
  local weights = {}
  for _, joint in ipairs(anatomy.root) do weights[joint] = 1 / #anatomy.root end
  return joint_matrix({ weights }, #anatomy.joints)
end

-- Ends of the bones, the one less the other, and the sum of their squared lengths.
local function bone_matrix(anatomy)
  local rows, squared = {}, 0
  for i, bone in ipairs(anatomy.bones) do
    rows[i] = { [bone[1]] = 1, [bone[2]] = -1 }
    squared = squared + bone[3]
  end
  return joint_matrix(rows, #anatomy.joints), squared
end

local function sum(x)
  return x:sum({ 1, 2 }, { keepdim = true })
end

---Poses in metres. With rays r, depths d beside the root's and the root at Z, a bone is (a Z + b, d_i - d_j), where
---a = r_i - r_j and b = r_i d_i - r_j d_j: its squared lengths sum to those of an average body at one Z, the root of
---A Z^2 + 2 B Z + C.
---@param volume Tensor V, [n, K, 3]
---@param intrinsics Tensor focal length and offset of the crop in half crops, [n, 3]
---@param anatomy Anatomy
---@return Tensor joints beside the root, metres, [n, K, 3]
---@return Tensor root in the camera's frame, metres, [n, 1, 3]
function camera_space.to_metres(volume, intrinsics, anatomy)
  local n = volume.shape[1]
  local focal, offset = intrinsics:slice(1, 0, 1):reshape { n, 1, 1 }, intrinsics:slice(1, 1, 2):reshape { n, 1, 2 }
  local bones, squared = bone_matrix(anatomy)
  local root = root_matrix(anatomy)
  local rays = (2 * volume:slice(2, 0, 2) + offset) / focal -- [n, K, 2]
  local depth = volume:slice(2, 2, 1) * DEPTH
  depth = depth - ops.matmul(root, depth) -- [n, K, 1]
  local a, b = ops.matmul(bones, rays), ops.matmul(bones, rays * depth)
  local a2, ab = sum(a:square()), sum(a * b)
  local c = sum(b:square()) + sum(ops.matmul(bones, depth):square()) - squared
  local z = (ops.safe_sqrt(ops.maximum(ab:square() - a2 * c, 0)) - ab) / ops.maximum(a2, TINY)
  z = ops.maximum(z, DEPTH / 2) -- whatever the volume holds lies in front of the camera
  local own = depth + z
  local points = ops.concat({ rays * own, own }, 2)
  local place = ops.matmul(root, points)
  return points - place, place
end

---The target of one view, as augmentation moves it. Joints that are unknown have weight 0, and so have all of a view
---whose root is unknown.
---@param points number[] metres in the camera's frame, NaN where unknown, [K, 3]
---@param intrinsics number[] [3]
---@param anatomy Anatomy
---@param into Array x, y in the crop from -1 to 1, depth beside the root's in metres, weight, [K, 4]
function camera_space.to_target(points, intrinsics, anatomy, into)
  local depth, known = 0, 0
  for _, joint in ipairs(anatomy.root) do
    local z = points[3 * joint + 3]
    if z == z then depth, known = depth + z, known + 1 end
  end
  for j = 0, #anatomy.joints - 1 do
    local x, y, z = points[3 * j + 1], points[3 * j + 2], points[3 * j + 3]
    if known > 0 and z == z and z > 0 then
      into[4 * j + 1] = intrinsics[1] * x / z - intrinsics[2]
      into[4 * j + 2] = intrinsics[1] * y / z - intrinsics[3]
      into[4 * j + 3], into[4 * j + 4] = z - depth / known, 1
    end
  end
end

---@param targets Tensor of to_target, [..., K, 4]
---@return Tensor V, [..., K, 3]
---@return Tensor weights, 0 for what lies outside of the volume, [..., K, 1]
function camera_space.to_volume(targets)
  local last = #targets.shape - 1
  local volume = targets:slice(last, 0, 3) * ops.constant(mv.array.from({ 0.5, 0.5, 1 / DEPTH }, { 3 }))
  local farthest = volume:abs():max(last, { keepdim = true })
  return volume, targets:slice(last, 3, 1) * ops.lt(farthest, 0.5)
end

return camera_space

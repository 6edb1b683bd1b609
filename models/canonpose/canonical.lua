-- From a detector's keypoints to what a lifting network sees: the joints it lifts, and canonical space, in which poses
-- are centred on the root and of unit norm, so that nothing but rotations is between views (CVSF, section 3.1).

local mv = require "mvgraph"
local posing = require "mvgraph.body.pose"
local ops = mv.ops

local canonical = {}

-- The joints of Human3.6M but the spine, which no detector finds: 16, the root first.
local LIFTED <const> = { "pelvis", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
  "thorax", "nose", "head_top", "left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow",
  "right_wrist" }
-- What lies between two keypoints where a detector has no name for it.
local MIDDLES <const> = { pelvis = { "left_hip", "right_hip" }, thorax = { "left_shoulder", "right_shoulder" } }
local LEAST_NORM <const> = 1e-6

-- Keypoints whose mean is the joint; nil where the detector does not find it.
local function sources_of(skeleton, joint)
  local own = skeleton.index[joint] or joint == "pelvis" and skeleton.index.mid_hip
  if own then return { own } end
  local first, second = table.unpack(MIDDLES[joint] or {})
  first, second = skeleton.index[first], skeleton.index[second]
  return first and second and { first, second } or nil
end

---@class LiftedJoints
---@field names string[] [J], the root first
---@field shares Array of keypoints in joints, [J, K]
---@field keypoints integer[] the zero-based keypoint that a joint is, -1 where it is none, [J]

---The joints that are lifted of a detector's skeleton: those of 16 that it finds.
---@param skeleton Skeleton with K keypoints
---@return LiftedJoints
function canonical.joints(skeleton)
  local names, rows, keypoints = {}, {}, {}
  for _, name in ipairs(LIFTED) do
    local sources = sources_of(skeleton, name)
    if sources then
      local row = {}
      for k = 1, #skeleton.joints do row[k] = 0 end
      for _, k in ipairs(sources) do row[k + 1] = 1 / #sources end
      names[#names + 1], rows[#rows + 1] = name, row
      keypoints[#names] = #sources == 1 and sources[1] or -1
    end
  end
  return { names = names, shares = mv.array.from(rows, { #rows, #skeleton.joints }), keypoints = keypoints }
end

---Keypoints in canonical space. A missing joint lies on the root, and its confidence is 0.
---@param keypoints Tensor x, y in the crop, confidence (0: missing), [B, V, K, 3]
---@param shares Tensor [J, K]
---@return { poses: Tensor, confidences: Tensor, root: Tensor, norm: Tensor } poses P [B, V, 2, J], confidences C
---  [B, V, J], root [B, V, 2, 1] and norm [B, V, 1, 1] in crop coordinates
function canonical.normalise(keypoints, shares)
  local b, v, j = keypoints.shape[1], keypoints.shape[2], shares.shape[1]
  local seen = keypoints:permute { 0, 1, 3, 2 } -- [B, V, 3, K]
  local confidence = seen:slice(2, 2, 1)
  local is_found = ops.gt(confidence, 0)
  local function of_joints(x) return ops.matmul(x, shares, { transpose_b = true }) end
  local share = of_joints(is_found)
  local places = of_joints(seen:slice(2, 0, 2) * is_found) / ops.maximum(share, LEAST_NORM)
  local root = places:slice(3, 0, 1)
  local offsets = ops.where(ops.gt(share, 0), places - root, 0)
  local squared = offsets:square():sum({ 2, 3 }, { keepdim = true })
  local norm = ops.sqrt(ops.maximum(squared, LEAST_NORM * LEAST_NORM))
  return { poses = offsets / norm, confidences = of_joints(confidence):reshape { b, v, j }, root = root, norm = norm }
end

---Poses with a Euclidean norm of 1.
---@param poses Tensor [..., D, J]
---@return Tensor
function canonical.unit(poses)
  local rank = #poses.shape
  local squared = poses:square():sum({ rank - 2, rank - 1 }, { keepdim = true })
  return poses * ops.rsqrt(ops.maximum(squared, LEAST_NORM * LEAST_NORM))
end

---The norm of the project's mean body at rest, its root at the origin: what says metres of poses without a scale.
---@param names string[] joints, the root first
---@return number metres
function canonical.body_norm(names)
  local shaped = posing.shape(mv.body.generate())
  local vertices, positions = shaped:upright()
  local points, squared = shaped:points(vertices, positions, names), 0
  for _, point in ipairs(points) do
    for d = 1, 3 do squared = squared + (point[d] - points[1][d]) ^ 2 end
  end
  return math.sqrt(squared)
end

return canonical

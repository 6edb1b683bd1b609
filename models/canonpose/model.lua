-- A lifting network with what surrounds it: the detector's joints that it lifts, and which of two mirror images it
-- speaks of.

local mv = require "mvgraph"
local Lifter = require "canonpose.lifter"
local canonical = require "canonpose.canonical"
local ops = mv.ops

local MOMENTUM <const> = 0.01 -- of the running mean of a batch's votes

---@class CanonPose: Module
---@field lifter Lifter
---@field joints LiftedJoints
---@field handedness State running mean of votes, below 0 where the network's world is mirrored, []
local CanonPose = mv.nn.class("CanonPose", mv.nn.Module)

---@param config table hidden
---@param skeleton Skeleton of the detector
function CanonPose:__init(config, skeleton)
  self.joints = canonical.joints(skeleton)
  self.lifter = Lifter(#self.joints.names, config.hidden)
  self.handedness = mv.buffer("handedness", mv.array {})
  self.metres = canonical.body_norm(self.joints.names)
end

---@param keypoints Tensor [B, V, K, 3]
---@return table as canonical.normalise
function CanonPose:see(keypoints)
  return canonical.normalise(keypoints, ops.constant(self.joints.shares))
end

-- Which way noses and knees point off the body's plane: above 0 is forward, [B, V].
local function votes(poses, index)
  local b, v = poses.shape[1], poses.shape[2]
  local function at(name) return poses:slice(3, index[name], 1):reshape { b, v, 3 } end
  local right = at "right_hip" - at "left_hip" + at "right_shoulder" - at "left_shoulder"
  local forward = ops.cross(right, at "pelvis" - at "thorax")
  local ahead = 2 * (at "nose" - at "thorax")
  for _, side in ipairs { "left_", "right_" } do
    ahead = ahead + at(side .. "knee") * 2 - at(side .. "hip") - at(side .. "ankle")
  end
  return ops.sign((forward * ahead):sum { 2 })
end

---Without perspective, a pose and its mirror image in depth look the same in any number of views, and training ends in
---either. Poses of a batch vote: noses point forward, and so do bent knees.
---@param poses Tensor X [B, V, 3, J]
function CanonPose:watch(poses)
  local index = {}
  for i, name in ipairs(self.joints.names) do index[name] = i - 1 end
  local vote = votes(ops.stop_gradient(poses), index):mean()
  mv.assign(self.handedness, self.handedness:tensor() * (1 - MOMENTUM) + vote * MOMENTUM)
end

---Poses as each camera sees them, of the project's mean body's size, in the image that is not mirrored.
---@param lifted { poses: Tensor, rotations: Tensor }
---@return Tensor metres, the root at the origin, [B, V, J, 3]
function CanonPose:camera_poses(lifted)
  local seen = ops.matmul(lifted.rotations, lifted.poses)
  seen = canonical.unit(seen - seen:slice(3, 0, 1)) * self.metres
  local depth = ops.where(ops.lt(self.handedness:tensor(), 0), -1, 1)
  return ops.concat({ seen:slice(2, 0, 2), seen:slice(2, 2, 1) * depth }, 2):permute { 0, 1, 3, 2 }
end

return CanonPose

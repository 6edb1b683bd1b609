-- The lifting network (CanonPose, section 3): a 2D pose with the detector's confidences becomes a 3D pose in canonical
-- space and the rotation that turns it into the camera's frame. Modules have the names of the published code.

local mv = require "mvgraph"
local nn, ops = mv.nn, mv.ops

local Block = nn.class("ResidualBlock", nn.Module)

function Block:__init(width)
  self.l1, self.l2 = nn.Linear(width, width), nn.Linear(width, width)
end

---@param x Tensor [n, W]
---@return Tensor [n, W]
function Block:forward(x)
  return ops.leaky_relu(x + ops.leaky_relu(self.l2(ops.leaky_relu(self.l1(x)))))
end

---@class Lifter: Module
local Lifter = nn.class("Lifter", nn.Module)

---@param joints integer J
---@param width integer of all layers, W
function Lifter:__init(joints, width)
  self.joints = joints
  self.upscale, self.res_common = nn.Linear(3 * joints, width), Block(width)
  self.res_pose1, self.res_pose2, self.pose3d = Block(width), Block(width), nn.Linear(width, 3 * joints)
  self.res_cam1, self.res_cam2, self.enc_rot = Block(width), Block(width), nn.Linear(width, 3)
end

---@param poses Tensor x of all joints, then y, in canonical space, [B, V, 2, J]
---@param confidences Tensor [B, V, J]
---@return { poses: Tensor, rotations: Tensor } X [B, V, 3, J], R [B, V, 3, 3]
function Lifter:forward(poses, confidences)
  local b, v, j = confidences.shape[1], confidences.shape[2], self.joints
  local x = ops.concat({ poses:reshape { b * v, 2 * j }, confidences:reshape { b * v, j } }, 1)
  x = self.res_common(self.upscale(x))
  local pose = self.pose3d(self.res_pose2(self.res_pose1(x)))
  local axes = self.enc_rot(self.res_cam2(self.res_cam1(x)))
  return { poses = pose:reshape { b, v, 3, j },
    rotations = mv.rotations.axis_angle_to_matrix(axes):reshape { b, v, 3, 3 } }
end

return Lifter

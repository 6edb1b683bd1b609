-- VoxelPose's three networks: one for pictures, two for space.

local mv = require "mvgraph"
local PoseNet = require "voxelpose.pose_net"
local RootNet = require "voxelpose.root_net"
local options = require "mvgraph.core.options"

---@class VoxelPose: Module
local VoxelPose = mv.nn.class("VoxelPose", mv.nn.Module)

function VoxelPose:__init(config, dataset)
  options.choose("root_joints", config.root_joints, { "all", "root" })
  local encoder, skeleton = config.encoder, dataset.skeleton
  local joints = #skeleton.joints
  self.root, self.sees_root_alone = skeleton.index[skeleton.root], config.root_joints == "root"
  self.heatmap_net = mv.nn.PoseResNet(joints, { block = encoder.block, layers = encoder.layers,
    width = encoder.width, pool = encoder.pool, channels = config.deconvolutions,
    replace_stride_with_dilation = { false, false, encoder.dilate } })
  self.root_net = RootNet(config.root, self.sees_root_alone and 1 or joints, dataset.space, config.proposals)
  self.pose_net = PoseNet(config.pose, joints)
end

---The heatmaps that tell where people are.
---@param maps Tensor [B, V, J, H, W]
---@return Tensor [B, V, 1 or J, H, W]
function VoxelPose:root_maps(maps)
  return self.sees_root_alone and maps:slice(2, self.root, 1) or maps
end

return VoxelPose

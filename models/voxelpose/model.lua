-- VoxelPose's three networks: one for pictures, two for space.

local mv = require "mvgraph"
local PoseNet = require "voxelpose.pose_net"
local RootNet = require "voxelpose.root_net"
local options = require "mvgraph.core.options"

---@class VoxelPose: Module
local VoxelPose = mv.nn.class("VoxelPose", mv.nn.Module)

---A network from pictures to maps of the heatmaps' size.
---@param config table the experiment's configuration
---@param given table block, layers and width of the ResNet
---@param joints integer maps J
---@return PoseResNet
function VoxelPose.picture_net(config, given, joints)
  local encoder = config.encoder
  return mv.nn.PoseResNet(joints, { block = given.block, layers = given.layers, width = given.width,
    pool = encoder.pool, replace_stride_with_dilation = { false, false, encoder.dilate },
    channels = config.deconvolutions })
end

function VoxelPose:__init(config, dataset)
  options.choose("root_joints", config.root_joints, { "all", "root" })
  local skeleton = dataset.skeleton
  local joints = #skeleton.joints
  self.root, self.sees_root_alone = skeleton.index[skeleton.root], config.root_joints == "root"
  self.heatmap_net = VoxelPose.picture_net(config, config.encoder, joints)
  self.root_net = RootNet(config.root, self.sees_root_alone and 1 or joints, dataset.space, config.proposals)
  self.pose_net = PoseNet(config.pose, joints)
end

---What a network for pictures says of every view's.
---@param network Module
---@param images Tensor [B, V, 3, S, S]
---@return Tensor [B, V, J, H, W]
function VoxelPose:each_view(network, images)
  local b, v, c, h, w = table.unpack(images.shape)
  local maps = network(images:reshape { b * v, c, h, w })
  return maps:reshape { b, v, maps.shape[2], maps.shape[3], maps.shape[4] }
end

---The heatmaps that tell where people are.
---@param maps Tensor [B, V, J, H, W]
---@return Tensor [B, V, 1 or J, H, W]
function VoxelPose:root_maps(maps)
  return self.sees_root_alone and maps:slice(2, self.root, 1) or maps
end

return VoxelPose

-- VoxelPose's networks and one that says which parts of pseudo labels to believe.

local mv = require "mvgraph"
local VoxelPose = require "voxelpose.model"

---@class SelfPose3d: VoxelPose
local SelfPose3d = mv.nn.class("SelfPose3d", VoxelPose)

function SelfPose3d:__init(config, dataset)
  if config.root_joints == "all" then
    error('selfpose3d: root_joints is "root", since the points of eq. (2) have no other joints', 0)
  end
  VoxelPose.__init(self, config, dataset)
  local attention = config.attention
  self.attention_net = mv.nn.PoseResNet(#dataset.skeleton.joints, { block = attention.block,
    layers = attention.layers, width = attention.width, pool = config.encoder.pool,
    replace_stride_with_dilation = { false, false, config.encoder.dilate }, channels = config.deconvolutions })
end

---How much each pixel of each joint's heatmap counts (section 3.5, soft attention).
---@param images Tensor [B, V, 3, S, S]
---@return Tensor A between 0 and 1, [B, V, J, H, W]
function SelfPose3d:attention(images)
  local b, v, _, h, w = table.unpack(images.shape)
  local maps = mv.ops.sigmoid(self.attention_net(images:reshape { b * v, 3, h, w }))
  return maps:reshape { b, v, maps.shape[2], maps.shape[3], maps.shape[4] }
end

return SelfPose3d

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
  self.attention_net = VoxelPose.picture_net(config, config.attention, #dataset.skeleton.joints)
end

---How much each pixel of each joint's heatmap counts (section 3.5, soft attention).
---@param images Tensor [B, V, 3, S, S]
---@return Tensor A between 0 and 1, [B, V, J, H, W]
function SelfPose3d:attention(images)
  return mv.ops.sigmoid(self:each_view(self.attention_net, images))
end

return SelfPose3d

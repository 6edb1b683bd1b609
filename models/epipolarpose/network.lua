-- One branch: ResNet, three transposed convolutions and a volumetric heatmap a joint, whose soft-argmax is the pose.

local mv = require "mvgraph"
local nn, ops = mv.nn, mv.ops

---@class PoseBranch: PoseResNet
local PoseBranch = nn.class("PoseBranch", nn.PoseResNet)

---@param config table the experiment's configuration
---@param joints integer K
function PoseBranch:__init(config, joints)
  local encoder = config.encoder
  nn.PoseResNet.__init(self, joints * config.depth, { block = encoder.block, layers = encoder.layers,
    width = encoder.width, pool = encoder.pool, channels = config.deconvolutions })
  self.joints, self.depth, self.beta = joints, config.depth, config.beta
end

---@param images Tensor [n, 3, S, S], ImageNet-normalised
---@return Tensor V in (-0.5, 0.5): x and y across the picture, then depth, [n, K, 3]
function PoseBranch:forward(images)
  local maps = nn.PoseResNet.forward(self, images) -- [n, K * D, S/4, S/4]
  local n, side = maps.shape[1], maps.shape[3]
  local voxels = ops.soft_argmax_3d(maps:reshape { n, self.joints, self.depth, side, maps.shape[4] },
    { beta = self.beta })
  local size = ops.constant(mv.array.from({ maps.shape[4], side, self.depth }, { 3 }))
  return (voxels + 0.5) / size - 0.5 -- a voxel's centre is whole
end

return PoseBranch

-- What poses people are in (VoxelPose's pose regression network, SelfPose3d's pose_net): the heatmaps of all views, in
-- a fine cube round each proposal, become a volume a joint, whose soft-argmax is the joint.

local mv = require "mvgraph"
local V2V = require "voxelpose.v2v"
local space = require "voxelpose.space"
local cameras, nn, ops = mv.cameras, mv.nn, mv.ops

---@class PoseNet: Module
local PoseNet = nn.class("PoseNet", nn.Module)

---@param config { size: number, bins: integer, width: integer, beta: number } size of the cube, metres; bins along each
---  side; width: of V2V; beta: of the soft-argmax
---@param joints integer J
function PoseNet:__init(config, joints)
  self.size, self.bins, self.beta = { config.size, config.size, config.size }, config.bins, config.beta
  self.v2v = V2V(joints, joints, config.width)
end

---@param maps Tensor heatmaps, [B, V, J, H, W]
---@param centres Tensor of the proposals, metres, [B, C, 3]
---@param views Views
---@return Tensor joints metres in the world, [B, C, J, 3]
function PoseNet:forward(maps, centres, views)
  local b, c, j, n = centres.shape[1], centres.shape[2], maps.shape[3], self.bins
  local bins, flat = { n, n, n }, centres:reshape { b * c, 3 }
  local grid = cameras.voxel_grid(flat, self.size, bins)
  local seen = space.unproject(maps, grid:reshape { b, c * n * n * n, 3 }, views):reshape { b, j, c, -1 }
  local volume = self.v2v(seen:transpose(1, 2):reshape { b * c, j, n, n, n })
  local voxels = ops.soft_argmax_3d(volume, { beta = self.beta })
  return cameras.voxel_to_world(voxels, flat, self.size, bins):reshape { b, c, j, 3 }
end

return PoseNet

-- Where people are (VoxelPose's cuboid proposal network, SelfPose3d's root_net): heatmaps of all views, carried into a
-- coarse grid over the whole space, become a volume that is high at people's roots; its peaks are the proposals.

local mv = require "mvgraph"
local V2V = require "voxelpose.v2v"
local space = require "voxelpose.space"
local cameras, nn, ops = mv.cameras, mv.nn, mv.ops

---@class RootNet: Module
local RootNet = nn.class("RootNet", nn.Module)

---@param config { bins: integer[], width: integer, sigma: number, threshold: number } bins: voxels along x, y and z;
---  width: of V2V; sigma of the Gaussian round a root, metres; threshold: least value of a proposal
---@param channels integer joints whose heatmaps it sees
---@param box { centre: number[], size: number[] } the space, metres along x, y and z of the world
---@param people integer proposals C of a frame
function RootNet:__init(config, channels, box, people)
  self.config, self.box, self.people = config, box, people
  self.v2v = V2V(channels, 1, config.width)
end

function RootNet:centre()
  return ops.constant(mv.array.from(self.box.centre, { 1, 3 }))
end

---@param maps Tensor heatmaps, [B, V, J, H, W]
---@param views Views
---@return Tensor root volume G, [B, z, y, x]
function RootNet:forward(maps, views)
  local bins, b = self.config.bins, maps.shape[1]
  local grid = cameras.voxel_grid(self:centre(), self.box.size, bins)
  local volume = space.unproject(maps, grid:expand { b, grid.shape[2], 3 }, views)
  return self.v2v(volume:reshape { b, maps.shape[3], bins[3], bins[2], bins[1] }):squeeze(1)
end

---What G should be: a Gaussian round every root, the highest where they overlap.
---@param roots Tensor metres, [B, P, 3]; nobody is far away
---@return Tensor G*, [B, z, y, x]
function RootNet:target(roots)
  local bins, size, middle = self.config.bins, self.box.size, self.box.centre
  local b, p, product = roots.shape[1], roots.shape[2], nil
  for i = 1, 3 do
    local shape = { 1, 1, 1, 1, 1 }
    shape[6 - i] = bins[i]
    local along = ops.linspace(middle[i] - size[i] / 2, middle[i] + size[i] / 2, bins[i]):reshape(shape)
    local distance = along - roots:slice(2, i - 1, 1):reshape { b, p, 1, 1, 1 }
    local gaussian = ops.exp(ops.square(distance) * (-0.5 / self.config.sigma ^ 2))
    product = product and product * gaussian or gaussian
  end
  return product:max { 1 }
end

---The highest peaks of G: non-maximum suppression among 27 neighbours, then a threshold. Where there are fewer than C,
---the first stands in for the others, and the middle of the space for it.
---@param volume Tensor G, [B, z, y, x]
---@param threshold number? least value of a proposal; the configured one
---@return Tensor centres metres, [B, C, 3]
---@return Tensor scores G there, -1 where there is none, [B, C]
---@return Tensor is_found 1, or 0 where there is none, [B, C]
function RootNet:propose(volume, threshold)
  local bins, b = self.config.bins, volume.shape[1]
  local indices = ops.local_maxima(volume:stop_gradient(), self.people, threshold or self.config.threshold)
  local found = cameras.voxel_to_world(ops.unravel(indices, { bins[3], bins[2], bins[1] }), self:centre(),
    self.box.size, bins)
  local is_found = ops.ge(indices, 0)
  local spare = ops.where(is_found:slice(1, 0, 1):reshape { b, 1, 1 }, found:slice(1, 0, 1),
    self:centre():reshape { 1, 1, 3 })
  local scores = ops.where(is_found, ops.values_at(volume, indices), -1)
  return ops.where(is_found:reshape { b, self.people, 1 }, found, spare), scores, is_found
end

return RootNet

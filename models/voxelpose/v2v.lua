-- V2V: volumes to volumes, an encoder and a decoder of residual blocks joined by skips (Moon et al. 2018,
-- "V2V-PoseNet"; VoxelPose's two networks in space are of this make).

local mv = require "mvgraph"
local initializer = require "mvgraph.nn.initializer"
local nn, ops = mv.nn, mv.ops

local HEAD_STD <const> = 0.001 -- of the last weights: a volume of a new network is about flat

local function convolution(from, to, kernel)
  return { nn.Conv3d(from, to, kernel, { padding = kernel // 2 }), nn.BatchNorm3d(to), nn.ReLU() }
end

local Residual = nn.class("Residual", nn.Module)

function Residual:__init(from, to)
  local layers = convolution(from, to, 3)
  table.move(convolution(to, to, 3), 1, 2, 4, layers)
  self.main = nn.Sequential(layers)
  if from ~= to then self.skip = nn.Sequential { nn.Conv3d(from, to, 1), nn.BatchNorm3d(to) } end
end

---@param x Tensor [B, C, D, H, W]
---@return Tensor [B, C', D, H, W]
function Residual:forward(x)
  return ops.relu(self.main(x) + (self.skip and self.skip(x) or x))
end

local function upsample(from, to)
  return nn.Sequential { nn.ConvTranspose3d(from, to, 2, { stride = 2 }), nn.BatchNorm3d(to), nn.ReLU() }
end

---@class V2V: Module
local V2V = nn.class("V2V", nn.Module)

---@param from integer channels of the volume
---@param to integer channels of what it becomes
---@param width integer? channels of the first layer; 16
function V2V:__init(from, to, width)
  local w = width or 16
  self.front = nn.Sequential { nn.Sequential(convolution(from, w, 7)), Residual(w, 2 * w) }
  self.skip1, self.encoder1 = Residual(2 * w, 2 * w), Residual(2 * w, 4 * w)
  self.skip2, self.encoder2 = Residual(4 * w, 4 * w), Residual(4 * w, 8 * w)
  self.middle, self.decoder2 = Residual(8 * w, 8 * w), Residual(8 * w, 8 * w)
  self.up2, self.decoder1 = upsample(8 * w, 4 * w), Residual(4 * w, 4 * w)
  self.up1, self.head = upsample(4 * w, 2 * w), nn.Conv3d(2 * w, to, 1)
  self.head:load_state_dict { weight = initializer.normal(self.head.weight.shape, 0, HEAD_STD),
    bias = initializer.constant({ to }, 0) }
end

---@param volume Tensor [B, C, D, H, W] with D, H and W multiples of 4
---@return Tensor [B, C', D, H, W]
function V2V:forward(volume)
  local full = self.front(volume) -- [B, 2 w, D, ...]
  local half = self.encoder1(ops.max_pool3d(full, 2)) -- [B, 4 w, D/2, ...]
  local x = self.middle(self.encoder2(ops.max_pool3d(half, 2))) -- [B, 8 w, D/4, ...]
  x = self.up2(self.decoder2(x)) + self.skip2(half)
  x = self.up1(self.decoder1(x)) + self.skip1(full)
  return self.head(x)
end

return V2V

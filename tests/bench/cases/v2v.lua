-- VoxelPose's V2V network on volumes of 48: an encoder and a decoder of residual blocks, joined by skips.
local mv = require "mvgraph"
local random_arrays = require "tests.bench.random_arrays"
local nn, ops = mv.nn, mv.ops

local JOINTS <const>, SIDE <const> = 15, 48

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

local V2V = nn.class("V2V", nn.Module)

function V2V:__init()
  self.front = nn.Sequential { nn.Sequential(convolution(JOINTS, 16, 7)), Residual(16, 32) }
  self.skip1, self.encoder1 = Residual(32, 32), Residual(32, 64)
  self.skip2, self.encoder2 = Residual(64, 64), Residual(64, 128)
  self.middle, self.decoder2 = Residual(128, 128), Residual(128, 128)
  self.up2, self.decoder1 = upsample(128, 64), Residual(64, 64)
  self.up1, self.head = upsample(64, 32), nn.Conv3d(32, JOINTS, 1)
end

---@param volume Tensor [B, J, S, S, S]
---@return Tensor [B, J, S, S, S]
function V2V:forward(volume)
  local full = self.front(volume) -- [B, 32, S, S, S]
  local half = self.encoder1(ops.max_pool3d(full, 2)) -- [B, 64, S/2, ...]
  local x = self.middle(self.encoder2(ops.max_pool3d(half, 2))) -- [B, 128, S/4, ...]
  x = self.up2(self.decoder2(x)) + self.skip2(half)
  x = self.up1(self.decoder1(x)) + self.skip1(full)
  return self.head(x)
end

return function(batch)
  local network = V2V()
  local parameters = network:parameters()
  local shape = { batch, JOINTS, SIDE, SIDE, SIDE }
  return {
    inputs = { volume = random_arrays.uniform(shape, 0, 1), target = random_arrays.uniform(shape, 0, 1) },
    states = network:state_dict(),
    parameters = parameters,
    optimizer = mv.optim.Adam(parameters, { lr = 1e-4 }),
    loss = function(given) return (network(given.volume) - given.target):square():mean() end,
  }
end

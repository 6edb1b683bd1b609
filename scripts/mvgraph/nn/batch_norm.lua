-- Normalisation by statistics of a batch (BatchNorm1d to 3d) or of groups of channels (GroupNorm).
local F = require "mvgraph.F"
local core = require "mvgraph.core"
local initializer = require "mvgraph.nn.initializer"
local module = require "mvgraph.nn.module"
local options = require "mvgraph.core.options"
local state = require "mvgraph.state"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"

---What the three have in common; in training mode the program that runs it also moves the running statistics.
---@class BatchNorm: Module
---@field weight State? [C]
---@field bias State? [C]
---@field running_mean State? [C]
---@field running_var State? [C]
---@field num_batches_tracked State? [] counted in f32
local BatchNorm = module.class("BatchNorm")

---@param num_features integer C
---@param given table? eps 1e-5, momentum 0.1 (false: the average of all batches), affine true,
---  track_running_stats true
function BatchNorm:__init(num_features, given)
  local chosen = options.read(self.name_, given, { eps = 1e-5, affine = true, track_running_stats = true },
    { "momentum" })
  if chosen.momentum == nil then chosen.momentum = 0.1 end
  self.num_features, self.eps, self.momentum = num_features, chosen.eps, chosen.momentum
  if chosen.affine then
    self.weight = state.parameter("weight", initializer.constant({ num_features }, 1))
    self.bias = state.parameter("bias", initializer.constant({ num_features }, 0))
  end
  if chosen.track_running_stats then
    self.running_mean = state.buffer("running_mean", initializer.constant({ num_features }, 0))
    self.running_var = state.buffer("running_var", initializer.constant({ num_features }, 1))
    self.num_batches_tracked = state.buffer("num_batches_tracked", core.array {})
  end
end

---@param x Tensor [N, C, ...]
---@return Tensor of the same shape
function BatchNorm:forward(x)
  if not self.ranks[#x.shape] then
    trace.fail("%s: %s has %d axes", self.name_, tensor.format_shape(x.shape), #x.shape)
  end
  local momentum, tracked = self.momentum, self.num_batches_tracked
  if self.training and tracked then
    local seen = (trace.current().updates[tracked] or tracked:tensor()) + 1
    trace.assign(tracked, seen)
    momentum = momentum or 1 / seen
  end
  return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias,
    { training = self.training or not tracked, momentum = momentum or nil, eps = self.eps })
end

function BatchNorm:extra_repr()
  return ("%d, eps=%g"):format(self.num_features, self.eps)
end

local function class_of(name, ranks)
  local class = module.class(name, BatchNorm)
  class.ranks = ranks
  return class
end

---@class GroupNorm: Module
---@field weight State? [C]
---@field bias State? [C]
local GroupNorm = module.class("GroupNorm")

---@param num_groups integer
---@param num_channels integer C
---@param given {eps: number?, affine: boolean?}? default 1e-5, true
function GroupNorm:__init(num_groups, num_channels, given)
  local chosen = options.read("GroupNorm", given, { eps = 1e-5, affine = true })
  if num_channels % num_groups ~= 0 then
    error(("GroupNorm: %d channels do not divide into %d groups"):format(num_channels, num_groups), 0)
  end
  self.num_groups, self.num_channels, self.eps = num_groups, num_channels, chosen.eps
  if chosen.affine then
    self.weight = state.parameter("weight", initializer.constant({ num_channels }, 1))
    self.bias = state.parameter("bias", initializer.constant({ num_channels }, 0))
  end
end

---@param x Tensor [N, C, ...]
---@return Tensor of the same shape
function GroupNorm:forward(x)
  return F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)
end

function GroupNorm:extra_repr()
  return ("%d, %d, eps=%g"):format(self.num_groups, self.num_channels, self.eps)
end

return {
  BatchNorm1d = class_of("BatchNorm1d", { [2] = true, [3] = true }),
  BatchNorm2d = class_of("BatchNorm2d", { [4] = true }),
  BatchNorm3d = class_of("BatchNorm3d", { [5] = true }), GroupNorm = GroupNorm,
}

-- LayerNorm over the last axis.
local F = require "mvgraph.F"
local initializer = require "mvgraph.nn.initializer"
local module = require "mvgraph.nn.module"
local options = require "mvgraph.core.options"
local state = require "mvgraph.state"

---@class LayerNorm: Module
---@field weight State? [C]
---@field bias State? [C]
local LayerNorm = module.class("LayerNorm")

---@param channels integer C
---@param given {eps: number?, elementwise_affine: boolean?}? default 1e-5, true
function LayerNorm:__init(channels, given)
  local chosen = options.read("LayerNorm", given, { eps = 1e-5, elementwise_affine = true })
  self.channels, self.eps = channels, chosen.eps
  if chosen.elementwise_affine then
    self.weight = state.parameter("weight", initializer.constant({ channels }, 1))
    self.bias = state.parameter("bias", initializer.constant({ channels }, 0))
  end
end

---@param x Tensor [..., C]
---@return Tensor [..., C]
function LayerNorm:forward(x)
  return F.layer_norm(x, self.weight, self.bias, self.eps)
end

function LayerNorm:extra_repr()
  return ("%d, eps=%g"):format(self.channels, self.eps)
end

return { LayerNorm = LayerNorm }

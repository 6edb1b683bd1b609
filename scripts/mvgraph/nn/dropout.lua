-- Dropout and stochastic depth: active in training mode only.
local module = require "mvgraph.nn.module"
local ops = require "mvgraph.ops"

---@class Dropout: Module
local Dropout = module.class("Dropout")

---@param p number? default 0.5
function Dropout:__init(p)
  self.p = p or 0.5
end

---@param x Tensor
---@return Tensor
function Dropout:forward(x)
  if not self.training or self.p == 0 then return x end
  return ops.dropout(x, self.p)
end

function Dropout:extra_repr()
  return ("p=%g"):format(self.p)
end

---Drops a residual branch for whole samples.
---@class StochasticDepth: Module
local StochasticDepth = module.class("StochasticDepth")

---@param p number
function StochasticDepth:__init(p)
  self.p = p
end

---@param x Tensor [B, ...]
---@return Tensor
function StochasticDepth:forward(x)
  if not self.training or self.p == 0 then return x end
  return ops.stochastic_depth(x, self.p)
end

StochasticDepth.extra_repr = Dropout.extra_repr

return { Dropout = Dropout, StochasticDepth = StochasticDepth }

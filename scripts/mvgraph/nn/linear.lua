-- Linear: y = x weight^T + bias.
local F = require "mvgraph.F"
local initializer = require "mvgraph.nn.initializer"
local module = require "mvgraph.nn.module"
local options = require "mvgraph.core.options"
local state = require "mvgraph.state"

---@class Linear: Module
---@field weight State [O, I]
---@field bias State? [O]
local Linear = module.class("Linear")

---@param in_features integer I
---@param out_features integer O
---@param given {bias: boolean?}? default true
function Linear:__init(in_features, out_features, given)
  local chosen = options.read("Linear", given, { bias = true })
  self.in_features, self.out_features = in_features, out_features
  self.weight = state.parameter("weight", initializer.kaiming_uniform { out_features, in_features })
  if chosen.bias then
    self.bias = state.parameter("bias", initializer.uniform({ out_features }, 1 / math.sqrt(in_features)))
  end
end

---@param x Tensor [..., I]
---@return Tensor [..., O]
function Linear:forward(x)
  return F.linear(x, self.weight, self.bias)
end

function Linear:extra_repr()
  return ("%d -> %d%s"):format(self.in_features, self.out_features, self.bias and "" or ", no bias")
end

return { Linear = Linear }

-- Activations as modules.
local module = require "mvgraph.nn.module"
local ops = require "mvgraph.ops"

local activation = {}

for name, operator in pairs {
  ReLU = "relu", GELU = "gelu", SiLU = "silu", Sigmoid = "sigmoid", Tanh = "tanh", Softplus = "softplus",
} do
  local class = module.class(name)
  function class:forward(x) return ops[operator](x) end
  activation[name] = class
end

---@class Identity: Module
activation.Identity = module.class("Identity")

function activation.Identity:forward(x)
  return x
end

---@class LeakyReLU: Module
activation.LeakyReLU = module.class("LeakyReLU")

---@param negative_slope number? default 0.01
function activation.LeakyReLU:__init(negative_slope)
  self.negative_slope = negative_slope or 0.01
end

function activation.LeakyReLU:forward(x)
  return ops.leaky_relu(x, self.negative_slope)
end

---@class Softmax: Module
activation.Softmax = module.class("Softmax")

---@param dim integer? default -1
function activation.Softmax:__init(dim)
  self.dim = dim or -1
end

function activation.Softmax:forward(x)
  return ops.softmax(x, self.dim)
end

return activation

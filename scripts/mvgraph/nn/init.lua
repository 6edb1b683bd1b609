-- Layers under PyTorch's names, defaults and parameter paths.
local initializer = require "mvgraph.nn.initializer"
local module = require "mvgraph.nn.module"

local nn = {
  Module = module.Module, class = module.class,
  manual_seed = initializer.manual_seed, generator = initializer.generator, init = initializer,
}

for _, file in ipairs {
  "linear", "layer_norm", "conv", "pool", "batch_norm", "multihead_attention", "dropout", "embedding", "activation",
  "container", "swin", "resnet", "pose_resnet",
} do
  for name, class in pairs(require("mvgraph.nn." .. file)) do nn[name] = class end
end

return nn

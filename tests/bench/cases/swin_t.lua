-- The encoder alone: torchvision's Swin-T on pictures of 256, its last map held against a target.
local mv = require "mvgraph"
local random_arrays = require "tests.bench.random_arrays"

return function(batch)
  local network = mv.nn.swin_t(256, { num_classes = 0, stochastic_depth_prob = 0 })
  local parameters = network:parameters()
  return {
    inputs = {
      images = random_arrays.uniform({ batch, 3, 256, 256 }, -1, 1),
      target = random_arrays.normal({ batch, 8, 8, 768 }, 1),
    },
    states = network:state_dict(),
    parameters = parameters,
    optimizer = mv.optim.AdamW(parameters, { lr = 1e-4 }),
    loss = function(given) return (network:forward_features(given.images) - given.target):square():mean() end,
  }
end

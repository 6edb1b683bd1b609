-- ResNet-50 with PoseResNet's head of three transposed convolutions: heatmaps of 17 joints, 64 pixels wide. So few
-- pictures make BatchNorm amplify rounding: PyTorch's own losses in two memory formats differ by 4e-4 after four steps
-- at a rate of 1e-5. The rate here keeps that far below the tolerance.
local mv = require "mvgraph"
local random_arrays = require "tests.bench.random_arrays"

return function(batch)
  local network = mv.nn.PoseResNet(17)
  local parameters = network:parameters()
  return {
    inputs = {
      images = random_arrays.uniform({ batch, 3, 256, 256 }, -1, 1),
      target = random_arrays.normal({ batch, 17, 64, 64 }, 1),
    },
    states = network:state_dict(),
    parameters = parameters,
    optimizer = mv.optim.AdamW(parameters, { lr = 2e-7 }),
    loss = function(given) return (network(given.images) - given.target):square():mean() end,
  }
end

-- ResNet-50 with PoseResNet's head of three transposed convolutions: heatmaps of 17 joints, 64 pixels wide. So few
-- pictures make BatchNorm amplify rounding: PyTorch's own losses in two memory formats differ by 4e-4 after four steps
-- at a rate of 1e-5. The rate here keeps that far below the tolerance.
local mv = require "mvgraph"
local random_arrays = require "tests.bench.random_arrays"
local nn = mv.nn

local PoseResNet = nn.class("PoseResNet", nn.Module)

function PoseResNet:__init()
  self.body = nn.resnet50 { num_classes = 0 }
  local layers, from = {}, 2048
  for _ = 1, 3 do
    layers[#layers + 1] = nn.ConvTranspose2d(from, 256, 4, { stride = 2, padding = 1, bias = false })
    layers[#layers + 1] = nn.BatchNorm2d(256)
    layers[#layers + 1] = nn.ReLU()
    from = 256
  end
  layers[#layers + 1] = nn.Conv2d(256, 17, 1)
  self.head = nn.Sequential(layers)
end

---@param images Tensor [B, 3, 256, 256]
---@return Tensor [B, 17, 64, 64]
function PoseResNet:forward(images)
  return self.head(self.body:forward_features(images))
end

return function(batch)
  local network = PoseResNet()
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

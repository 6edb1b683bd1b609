-- Iterative regressor (HMR, Kanazawa et al. 2018): [features, parameters] -> increment, repeated from a start. Several
-- regressors with unshared weights run side by side as one bank of batched layers.

local mv = require "mvgraph"
local nn, ops = mv.nn, mv.ops

---@class Regressor: Module
local Regressor = nn.class("Regressor", nn.Module)

local function uniform(generator, shape, bound)
  local array = mv.array(shape)
  generator:fill_uniform(array, -bound, bound)
  return array
end

---@param settings table
---  banks integer regressors side by side; features integer F; hidden integer; iterations integer; dropout number;
---  mean Array[] parts of the mean parameter vector, concatenated to [P]; or parameters integer P without a mean
function Regressor:__init(settings)
  local g = nn.generator()
  local parameters = settings.parameters
  if settings.mean then
    local mean = {}
    for _, part in ipairs(settings.mean) do
      for i = 1, #part do
        mean[#mean + 1] = part[i]
      end
    end
    parameters = #mean
    self.mean = mv.buffer("mean", mv.array.from(mean, { 1, 1, parameters }))
  end
  local banks, f, h = settings.banks, settings.features, settings.hidden
  self.iterations = settings.iterations
  local bound = 1 / math.sqrt(f + parameters) -- PyTorch's Linear on the concatenated input
  self.fc1_features = mv.parameter("fc1_features", uniform(g, { banks, h, f }, bound))
  self.fc1_parameters = mv.parameter("fc1_parameters", uniform(g, { banks, h, parameters }, bound))
  self.fc1_bias = mv.parameter("fc1_bias", uniform(g, { banks, 1, h }, bound))
  self.fc2_weight = mv.parameter("fc2_weight", uniform(g, { banks, h, h }, 1 / math.sqrt(h)))
  self.fc2_bias = mv.parameter("fc2_bias", uniform(g, { banks, 1, h }, 1 / math.sqrt(h)))
  -- three output heads in one matrix, Xavier with gain 0.01 as in HMR
  local gain = 0.01 * math.sqrt(6 / (h + parameters))
  self.head_weight = mv.parameter("head_weight", uniform(g, { banks, parameters, h }, gain))
  self.head_bias = mv.parameter("head_bias", mv.array { banks, 1, parameters })
  self.dropout = nn.Dropout(settings.dropout)
end

---@param features Tensor [banks, B, F]
---@param start Tensor? [banks, B, P]; default: the mean parameters
---@return Tensor parameters [banks, B, P]
function Regressor:forward(features, start)
  local banks, b = features.shape[1], features.shape[2]
  local transposed = { transpose_b = true }
  local parameters = start or self.mean:tensor():expand { banks, b, self.mean.shape[3] }
  local from_features = ops.matmul(features, self.fc1_features, transposed) + self.fc1_bias
  for _ = 1, self.iterations do
    local x = self.dropout(ops.relu(from_features + ops.matmul(parameters, self.fc1_parameters, transposed)))
    x = self.dropout(ops.relu(ops.matmul(x, self.fc2_weight, transposed) + self.fc2_bias))
    parameters = parameters + ops.matmul(x, self.head_weight, transposed) + self.head_bias
  end
  return parameters
end

return Regressor

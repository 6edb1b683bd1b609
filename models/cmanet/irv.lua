-- Intra-view module (section 3.3): one Swin encoder shared by all views, one iterative regressor a view.

local mv = require "mvgraph"
local Regressor = require "cmanet.regressor"
local options = require "mvgraph.core.options"
local rotation = require "cmanet.rotation"
local nn = mv.nn

---Patch embedding by strided 3x3 convolutions, each halving the map, then LayerNorm: learns from few pictures where a
---single large patch does not (Xiao et al. 2021, "Early convolutions help transformers see better").
---@class ConvStem: Module
local ConvStem = nn.class("ConvStem", nn.Module)

---@param patch integer power of two, the stem's total stride
---@param channels integer
function ConvStem:__init(patch, channels)
  local layers, from = {}, 3
  local steps = math.floor(math.log(patch, 2) + 0.5)
  for i = 1, steps do
    local to = channels >> (steps - i)
    layers[#layers + 1] = nn.Conv2d(from, to, 3, { stride = 2, padding = 1 })
    layers[#layers + 1] = nn.ReLU()
    from = to
  end
  self.layers = nn.Sequential(layers)
  self.norm = nn.LayerNorm(channels)
end

---@param images Tensor [B, 3, S, S]
---@return Tensor [B, S/patch, S/patch, C]
function ConvStem:forward(images)
  return self.norm(self.layers(images):permute { 0, 2, 3, 1 })
end

local FEATURES <const>, STEMS <const> = { "mean", "flatten" }, { "patch", "convolution" }

---@class IRV: Module
local IRV = nn.class("IRV", nn.Module)

---@param config table the experiment's configuration
---@param views integer N
---@param mean table mean parameters: theta [24, 6], beta [10], camera [3]
function IRV:__init(config, views, mean)
  options.choose("features", config.features, FEATURES)
  options.choose("stem", config.stem, STEMS)
  local side = config.image // config.encoder.patch_size
  for _ = 2, #config.encoder.depths do
    side = side // 2
  end
  self.side = side
  self.channels = config.encoder.embed_dim << (#config.encoder.depths - 1)
  self.views = views
  self.rotation = rotation.get(config.rotation)
  self.flatten = config.features == "flatten"
  self.encoder = nn.SwinTransformer(config.image, config.encoder)
  if config.stem == "convolution" then
    self.encoder.features["0"] = ConvStem(config.encoder.patch_size, config.encoder.embed_dim)
  end
  if config.reduce > 0 then
    self.reduce = nn.Linear(self.channels, config.reduce)
  end
  local width = config.reduce > 0 and config.reduce or self.channels
  self.regressors = Regressor {
    banks = views,
    features = self.flatten and side * side * width or width,
    hidden = config.hidden,
    iterations = config.iterations,
    dropout = config.dropout,
    mean = { rotation.of_mean(self.rotation, mean.theta), mean.beta, mean.camera },
  }
end

---Turns feature maps into fixed-length vectors.
---@param map Tensor [n, side, side, C]
---@return Tensor [n, F]
function IRV:vector(map)
  if self.reduce then
    map = self.reduce(map)
  end
  local n, c = map.shape[1], map.shape[4]
  if self.flatten then
    return map:reshape { n, map.shape[2] * map.shape[3] * c }
  end
  return map:mean { 1, 2 }
end

---@param images Tensor [B, N, 3, S, S], ImageNet-normalised
---@return table theta [B, N, 24, 6] (global orientation first), beta [B, N, 10], camera [B, N, 3], map [B, N, h, w, C]
function IRV:forward(images)
  local b, n = images.shape[1], images.shape[2]
  local side = images.shape[4]
  local map = self.encoder:forward_features(images:reshape { b * n, 3, side, side }) -- [B*N, h, w, C]
  local vector = self:vector(map):reshape { b, n, -1 }:permute { 1, 0, 2 } -- [N, B, F]
  local out = self.regressors(vector) -- [N, B, 24 W + 13]
  out = out:permute { 1, 0, 2 } -- [B, N, 24 W + 13]
  local w = self.rotation.width
  return {
    theta = self.rotation.to_6d(out:slice(2, 0, 24 * w):reshape { b, n, 24, w }),
    beta = out:slice(2, 24 * w, 10),
    camera = out:slice(2, 24 * w + 10, 3),
    map = map:reshape { b, n, map.shape[2], map.shape[3], map.shape[4] },
  }
end

return IRV

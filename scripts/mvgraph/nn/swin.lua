-- Swin Transformer (Liu et al. 2021) as torchvision computes it and under its parameter names. Token maps are
-- [B, H, W, C]. A window larger than the map it works on is shrunk to the map.
local Conv2d = require("mvgraph.nn.conv").Conv2d
local LayerNorm = require("mvgraph.nn.layer_norm").LayerNorm
local attention = require "mvgraph.nn.window_attention"
local activation = require "mvgraph.nn.activation"
local container = require "mvgraph.nn.container"
local dropout = require "mvgraph.nn.dropout"
local module = require "mvgraph.nn.module"
local options = require "mvgraph.core.options"
local ops = require "mvgraph.ops"

local Sequential = container.Sequential
local linear, pair = attention.linear, attention.pair

---LayerNorm, shifted-window attention, LayerNorm, MLP; both with a residual.
---@class SwinTransformerBlock: Module
local SwinTransformerBlock = module.class("SwinTransformerBlock")

local BLOCK_DEFAULTS <const> = {
  mlp_ratio = 4, dropout = 0, attention_dropout = 0, stochastic_depth_prob = 0,
}

---@param channels integer C
---@param num_heads integer
---@param given table? window_size 7, shift_size 0, input_size { H, W } when known, mlp_ratio 4, dropout 0,
---  attention_dropout 0, stochastic_depth_prob 0
function SwinTransformerBlock:__init(channels, num_heads, given)
  local chosen = options.read("SwinTransformerBlock", given, BLOCK_DEFAULTS,
    { "window_size", "shift_size", "input_size" })
  self.norm1 = LayerNorm(channels)
  self.attn = attention.ShiftedWindowAttention(channels, num_heads, {
    window_size = chosen.window_size or 7, shift_size = chosen.shift_size or 0, input_size = chosen.input_size,
    dropout = chosen.dropout, attention_dropout = chosen.attention_dropout,
  })
  self.stochastic_depth = dropout.StochasticDepth(chosen.stochastic_depth_prob)
  self.norm2 = LayerNorm(channels)
  local hidden = math.floor(channels * chosen.mlp_ratio)
  self.mlp = Sequential {
    linear(channels, hidden), activation.GELU(), dropout.Dropout(chosen.dropout), linear(hidden, channels),
    dropout.Dropout(chosen.dropout),
  }
end

---@param x Tensor [B, H, W, C]
---@return Tensor [B, H, W, C]
function SwinTransformerBlock:forward(x)
  x = x + self.stochastic_depth(self.attn(self.norm1(x)))
  return x + self.stochastic_depth(self.mlp(self.norm2(x)))
end

---Blocks in a row, the odd ones shifted by half a window.
---@class SwinLayer: Sequential
local SwinLayer = module.class("SwinLayer", Sequential)

---@param channels integer C
---@param given table depth, num_heads, window_size, input_size { H, W }, and the block's options;
---  stochastic_depth_prob may be a list, one a block
function SwinLayer:__init(channels, given)
  local chosen = options.read("SwinLayer", given, { depth = 2, num_heads = 1, mlp_ratio = 4, dropout = 0,
    attention_dropout = 0 }, { "window_size", "input_size", "stochastic_depth_prob" })
  local window = pair(chosen.window_size or 7)
  local blocks = {}
  for i = 1, chosen.depth do
    local prob = chosen.stochastic_depth_prob or 0
    local is_shifted = i % 2 == 0
    blocks[i] = SwinTransformerBlock(channels, chosen.num_heads, {
      window_size = window, shift_size = is_shifted and { window[1] // 2, window[2] // 2 } or 0,
      input_size = chosen.input_size, mlp_ratio = chosen.mlp_ratio, dropout = chosen.dropout,
      attention_dropout = chosen.attention_dropout,
      stochastic_depth_prob = type(prob) == "table" and prob[i] or prob,
    })
  end
  Sequential.__init(self, blocks)
end

---Halves the map: neighbours side by side in the channels, LayerNorm, Linear.
---@class PatchMerging: Module
local PatchMerging = module.class("PatchMerging")

---@param channels integer C
function PatchMerging:__init(channels)
  self.reduction = linear(4 * channels, 2 * channels, { bias = false })
  self.norm = LayerNorm(4 * channels)
end

---@param x Tensor [B, H, W, C]
---@return Tensor [B, ceil(H/2), ceil(W/2), 2C]
function PatchMerging:forward(x)
  local b, h, w, c = table.unpack(x.shape)
  if h % 2 == 1 or w % 2 == 1 then
    x = ops.pad(x, { { 0, 0 }, { 0, h % 2 }, { 0, w % 2 } })
    h, w = h + h % 2, w + w % 2
  end
  -- channel order (0,0), (1,0), (0,1), (1,1) as (row, column): column outermost
  x = x:reshape { b, h // 2, 2, w // 2, 2, c }:permute { 0, 1, 3, 4, 2, 5 }:reshape { b, h // 2, w // 2, 4 * c }
  return self.reduction(self.norm(x))
end

---Patches to tokens: a strided convolution, channels last, LayerNorm. Named as torchvision's Sequential of three.
---@class PatchEmbedding: Module
local PatchEmbedding = module.class("PatchEmbedding")

function PatchEmbedding:__init(in_channels, channels, patch)
  self["0"] = Conv2d(in_channels, channels, patch, { stride = patch })
  self["2"] = LayerNorm(channels)
end

---@param images Tensor [B, 3, S, S]
---@return Tensor [B, S/patch, S/patch, C]
function PatchEmbedding:forward(images)
  return self["2"](self["0"](images):permute { 0, 2, 3, 1 })
end

---@class SwinTransformer: Module
---@field out_channels integer channels of the last map
local SwinTransformer = module.class("SwinTransformer")

local DEFAULTS <const> = {
  embed_dim = 96, mlp_ratio = 4, dropout = 0, attention_dropout = 0, stochastic_depth_prob = 0, num_classes = 0,
  in_channels = 3,
}

-- Stochastic depth rises linearly over all blocks.
local function depth_probabilities(depths, last)
  local total, lists, index = 0, {}, 0
  for _, depth in ipairs(depths) do total = total + depth end
  for stage, depth in ipairs(depths) do
    lists[stage] = {}
    for i = 1, depth do
      lists[stage][i] = last * index / math.max(total - 1, 1)
      index = index + 1
    end
  end
  return lists
end

---@param image_size integer|integer[] side, or { height, width }
---@param given table? patch_size 4, embed_dim 96, depths { 2, 2, 6, 2 }, num_heads { 3, 6, 12, 24 }, window_size 7,
---  mlp_ratio 4, dropout 0, attention_dropout 0, stochastic_depth_prob 0, num_classes 0 (no head), in_channels 3
function SwinTransformer:__init(image_size, given)
  local chosen = options.read("SwinTransformer", given, DEFAULTS, { "patch_size", "depths", "num_heads",
    "window_size" })
  local patch = pair(chosen.patch_size or 4)
  local depths, heads = chosen.depths or { 2, 2, 6, 2 }, chosen.num_heads or { 3, 6, 12, 24 }
  local size = pair(image_size)
  local map = { size[1] // patch[1], size[2] // patch[2] }
  local channels = chosen.embed_dim
  local probabilities = depth_probabilities(depths, chosen.stochastic_depth_prob)
  local layers = { PatchEmbedding(chosen.in_channels, channels, patch) }
  for stage, depth in ipairs(depths) do
    if stage > 1 then
      layers[#layers + 1] = PatchMerging(channels)
      channels, map = channels * 2, { (map[1] + 1) // 2, (map[2] + 1) // 2 }
    end
    layers[#layers + 1] = SwinLayer(channels, {
      depth = depth, num_heads = heads[stage], window_size = chosen.window_size or 7, input_size = map,
      mlp_ratio = chosen.mlp_ratio, dropout = chosen.dropout, attention_dropout = chosen.attention_dropout,
      stochastic_depth_prob = probabilities[stage],
    })
  end
  self.features = Sequential(layers)
  self.out_channels, self.out_size = channels, map
  self.norm = LayerNorm(channels)
  if chosen.num_classes > 0 then self.head = linear(channels, chosen.num_classes) end
end

---@param images Tensor [B, 3, H, W]
---@return Tensor map of the last stage after the final LayerNorm, [B, h, w, C]
function SwinTransformer:forward_features(images)
  return self.norm(self.features(images))
end

---@param map Tensor [B, h, w, C]
---@return Tensor mean feature [B, C], or class scores [B, K] with a head
function SwinTransformer:forward_head(map)
  local mean = map:mean { 1, 2 }
  return self.head and self.head(mean) or mean
end

---@param images Tensor [B, 3, H, W]
---@return Tensor mean feature [B, C], or class scores [B, K] with a head
function SwinTransformer:forward(images)
  return self:forward_head(self:forward_features(images))
end

-- The published sizes under torchvision's names, with 7x7 windows and patches of 4x4.
local SIZES <const> = {
  swin_t = { embed_dim = 96, depths = { 2, 2, 6, 2 }, num_heads = { 3, 6, 12, 24 }, stochastic_depth_prob = 0.2 },
  swin_s = { embed_dim = 96, depths = { 2, 2, 18, 2 }, num_heads = { 3, 6, 12, 24 }, stochastic_depth_prob = 0.3 },
  swin_b = { embed_dim = 128, depths = { 2, 2, 18, 2 }, num_heads = { 4, 8, 16, 32 }, stochastic_depth_prob = 0.5 },
}

---@param name string of the size
---@return fun(image_size: integer|integer[], given: table?): SwinTransformer image_size: side, or { height, width };
---  given: as for SwinTransformer; default: the size's, num_classes 1000
local function published(name)
  return function(image_size, given)
    local chosen = { num_classes = 1000 }
    for _, values in ipairs { SIZES[name], given or {} } do
      for key, value in pairs(values) do chosen[key] = value end
    end
    return SwinTransformer(image_size, chosen)
  end
end

return {
  swin_t = published "swin_t", swin_s = published "swin_s", swin_b = published "swin_b",
  SwinTransformer = SwinTransformer, SwinTransformerBlock = SwinTransformerBlock, SwinLayer = SwinLayer,
  PatchMerging = PatchMerging, ShiftedWindowAttention = attention.ShiftedWindowAttention,
}

-- A residual network whose last map transposed convolutions make large again, for heatmaps of a quarter of the
-- picture's side (Xiao et al. 2018, "Simple Baselines for Human Pose Estimation and Tracking").
local BatchNorm2d = require("mvgraph.nn.batch_norm").BatchNorm2d
local ReLU = require("mvgraph.nn.activation").ReLU
local ResNet = require("mvgraph.nn.resnet").ResNet
local Sequential = require("mvgraph.nn.container").Sequential
local conv = require "mvgraph.nn.conv"
local module = require "mvgraph.nn.module"
local options = require "mvgraph.core.options"

---@class PoseResNet: Module
---@field body ResNet without its head; parameters under torchvision's names
---@field head Sequential
local PoseResNet = module.class("PoseResNet")

---@param outputs integer maps C: joints, or joints times depths
---@param given table? block "Bottleneck", layers { 3, 4, 6, 3 }, width 64, pool true, replace_stride_with_dilation: of
---  the ResNet, here ResNet-50's; channels { 256, 256, 256 } of the transposed convolutions, each of which doubles the
---  map's side
function PoseResNet:__init(outputs, given)
  local chosen = options.read("PoseResNet", given, { block = "Bottleneck", width = 64, pool = true },
    { "layers", "channels", "replace_stride_with_dilation" })
  self.body = ResNet(chosen.block, chosen.layers or { 3, 4, 6, 3 }, { num_classes = 0, width = chosen.width,
    pool = chosen.pool, replace_stride_with_dilation = chosen.replace_stride_with_dilation })
  local layers, from = {}, self.body.out_channels
  for _, channels in ipairs(chosen.channels or { 256, 256, 256 }) do
    layers[#layers + 1] = conv.ConvTranspose2d(from, channels, 4, { stride = 2, padding = 1, bias = false })
    layers[#layers + 1] = BatchNorm2d(channels)
    layers[#layers + 1] = ReLU()
    from = channels
  end
  layers[#layers + 1] = conv.Conv2d(from, outputs, 1)
  self.head = Sequential(layers)
end

---@param images Tensor [B, 3, H, W]
---@return Tensor [B, C, H/4, W/4] with three transposed convolutions
function PoseResNet:forward(images)
  return self.head(self.body:forward_features(images))
end

return { PoseResNet = PoseResNet }

-- Residual networks (He et al. 2016) as torchvision computes them (the stride of a bottleneck is in its 3x3
-- convolution) and under its parameter names.
local BatchNorm2d = require("mvgraph.nn.batch_norm").BatchNorm2d
local Conv2d = require("mvgraph.nn.conv").Conv2d
local Linear = require("mvgraph.nn.linear").Linear
local Sequential = require("mvgraph.nn.container").Sequential
local initializer = require "mvgraph.nn.initializer"
local module = require "mvgraph.nn.module"
local ops = require "mvgraph.ops"
local options = require "mvgraph.core.options"

---A convolution without bias, started as kaiming_normal_ with mode "fan_out".
local function conv(in_channels, out_channels, kernel, given)
  given = given or {}
  local made = Conv2d(in_channels, out_channels, kernel, {
    stride = given.stride or 1, padding = (given.dilation or 1) * (kernel // 2), dilation = given.dilation or 1,
    groups = given.groups or 1, bias = false,
  })
  local fan_out = out_channels * kernel * kernel // (given.groups or 1)
  made.weight:write(initializer.normal(made.weight.shape, 0, math.sqrt(2 / fan_out)))
  return made
end

local BLOCK_DEFAULTS <const> = { stride = 1, groups = 1, base_width = 64, dilation = 1 }

---Two 3x3 convolutions with a residual.
---@class BasicBlock: Module
local BasicBlock = module.class("BasicBlock")
BasicBlock.expansion = 1

---@param in_channels integer
---@param channels integer
---@param given table? stride 1, downsample: a module for the residual
function BasicBlock:__init(in_channels, channels, given)
  local chosen = options.read("BasicBlock", given, BLOCK_DEFAULTS, { "downsample" })
  if chosen.groups ~= 1 or chosen.base_width ~= 64 or chosen.dilation ~= 1 then
    error("BasicBlock: groups, base_width and dilation are for Bottleneck", 0)
  end
  self.conv1 = conv(in_channels, channels, 3, { stride = chosen.stride })
  self.bn1 = BatchNorm2d(channels)
  self.conv2 = conv(channels, channels, 3)
  self.bn2 = BatchNorm2d(channels)
  self.last_norm = "bn2"
  if chosen.downsample then self.downsample = chosen.downsample end
end

---@param x Tensor [B, C, H, W]
---@return Tensor [B, channels, H', W']
function BasicBlock:forward(x)
  local y = self.bn2(self.conv2(ops.relu(self.bn1(self.conv1(x)))))
  return ops.relu(y + (self.downsample and self.downsample(x) or x))
end

---1x1, 3x3 and 1x1 convolutions with a residual; the last has four times the channels.
---@class Bottleneck: Module
local Bottleneck = module.class("Bottleneck")
Bottleneck.expansion = 4

---@param in_channels integer
---@param channels integer
---@param given table? stride 1, groups 1, base_width 64, dilation 1, downsample: a module for the residual
function Bottleneck:__init(in_channels, channels, given)
  local chosen = options.read("Bottleneck", given, BLOCK_DEFAULTS, { "downsample" })
  local width = channels * chosen.base_width // 64 * chosen.groups
  self.conv1 = conv(in_channels, width, 1)
  self.bn1 = BatchNorm2d(width)
  self.conv2 = conv(width, width, 3, { stride = chosen.stride, groups = chosen.groups, dilation = chosen.dilation })
  self.bn2 = BatchNorm2d(width)
  self.conv3 = conv(width, channels * Bottleneck.expansion, 1)
  self.bn3 = BatchNorm2d(channels * Bottleneck.expansion)
  self.last_norm = "bn3"
  if chosen.downsample then self.downsample = chosen.downsample end
end

---@param x Tensor [B, C, H, W]
---@return Tensor [B, 4 channels, H', W']
function Bottleneck:forward(x)
  local y = ops.relu(self.bn1(self.conv1(x)))
  y = ops.relu(self.bn2(self.conv2(y)))
  y = self.bn3(self.conv3(y))
  return ops.relu(y + (self.downsample and self.downsample(x) or x))
end

local BLOCKS <const> = { BasicBlock = BasicBlock, Bottleneck = Bottleneck }

---@class ResNet: Module
---@field out_channels integer channels of the last map
local ResNet = module.class("ResNet")

local DEFAULTS <const> = {
  num_classes = 1000, zero_init_residual = false, groups = 1, width_per_group = 64, in_channels = 3, width = 64,
  pool = true,
}

---@param block "BasicBlock"|"Bottleneck"|table
---@param layers integer[] blocks in each of four stages
---@param given table? num_classes 1000 (0: no head), zero_init_residual false, groups 1, width_per_group 64,
---  replace_stride_with_dilation { false, false, false }, in_channels 3, width 64 of the first stage, pool true: the
---  first stage begins with max pooling; without it the maps of small pictures are twice as large
function ResNet:__init(block, layers, given)
  local chosen = options.read("ResNet", given, DEFAULTS, { "replace_stride_with_dilation" })
  local class = type(block) == "string" and BLOCKS[block] or block
  if type(class) ~= "table" then
    error("ResNet: " .. options.unknown("block", tostring(block), { "BasicBlock", "Bottleneck" }), 0)
  end
  if #layers ~= 4 then error(("ResNet: layers should be four numbers, got %d"):format(#layers), 0) end
  local dilates = chosen.replace_stride_with_dilation or { false, false, false }
  self.block_options = { groups = chosen.groups, base_width = chosen.width_per_group }
  self.in_planes, self.dilation, self.pool = chosen.width, 1, chosen.pool
  self.conv1 = conv(chosen.in_channels, chosen.width, 7, { stride = 2 })
  self.bn1 = BatchNorm2d(chosen.width)
  for i, count in ipairs(layers) do
    local channels = chosen.width << (i - 1)
    self["layer" .. i] = self:make_layer(class, channels, count, i == 1 and 1 or 2, i > 1 and dilates[i - 1])
  end
  self.out_channels = self.in_planes
  if chosen.num_classes > 0 then self.fc = Linear(self.out_channels, chosen.num_classes) end
  if chosen.zero_init_residual then self:zero_residuals() end
end

function ResNet:make_layer(class, channels, count, stride, is_dilated)
  local blocks, previous = {}, self.dilation
  if is_dilated then self.dilation, stride = self.dilation * stride, 1 end
  for i = 1, count do
    local given = {
      stride = i == 1 and stride or 1, dilation = i == 1 and previous or self.dilation,
      groups = self.block_options.groups, base_width = self.block_options.base_width,
    }
    local wide = channels * class.expansion
    if i == 1 and (stride ~= 1 or self.in_planes ~= wide) then
      given.downsample = Sequential { conv(self.in_planes, wide, 1, { stride = stride }), BatchNorm2d(wide) }
    end
    blocks[i] = class(self.in_planes, channels, given)
    self.in_planes = wide
  end
  return Sequential(blocks)
end

-- Each residual branch begins as 0.
function ResNet:zero_residuals()
  for _, entry in ipairs(self:named_modules()) do
    local block = entry[2]
    if rawget(block, "last_norm") then
      local weight = block[block.last_norm].weight
      weight:write(initializer.constant(weight.shape, 0))
    end
  end
end

---@param images Tensor [B, 3, H, W]
---@return Tensor map of the last stage, [B, C, H/32, W/32]; H/16, W/16 without pooling
function ResNet:forward_features(images)
  local x = ops.relu(self.bn1(self.conv1(images))) -- [B, 64, H/2, W/2]
  if self.pool then x = ops.max_pool2d(x, 3, { stride = 2, padding = 1 }) end -- [B, 64, H/4, W/4]
  return self.layer4(self.layer3(self.layer2(self.layer1(x))))
end

---@param map Tensor [B, C, h, w]
---@return Tensor class scores [B, K], or the mean feature [B, C] without a head
function ResNet:forward_head(map)
  local mean = map:mean { 2, 3 }
  return self.fc and self.fc(mean) or mean
end

---@param images Tensor [B, 3, H, W]
---@return Tensor class scores [B, K], or the mean feature [B, C] without a head
function ResNet:forward(images)
  return self:forward_head(self:forward_features(images))
end

---A constructor under torchvision's name; takes ResNet's options.
local function make(block, layers)
  return function(given) return ResNet(block, layers, given) end
end

return {
  ResNet = ResNet, BasicBlock = BasicBlock, Bottleneck = Bottleneck, resnet18 = make(BasicBlock, { 2, 2, 2, 2 }),
  resnet34 = make(BasicBlock, { 3, 4, 6, 3 }), resnet50 = make(Bottleneck, { 3, 4, 6, 3 }),
}

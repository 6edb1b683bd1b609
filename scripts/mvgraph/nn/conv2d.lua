-- Conv2d over [N, C, H, W].
local F = require "mvgraph.F"
local initializer = require "mvgraph.nn.initializer"
local module = require "mvgraph.nn.module"
local options = require "mvgraph.core.options"
local state = require "mvgraph.state"

---@class Conv2d: Module
---@field weight State [O, I, kh, kw]
---@field bias State? [O]
local Conv2d = module.class("Conv2d")

local function pair(value)
  return type(value) == "table" and value or { value, value }
end

---@param in_channels integer I
---@param out_channels integer O
---@param kernel_size integer|integer[]
---@param given {stride: integer|integer[]?, padding: integer|integer[]?, bias: boolean?}? default 1, 0, true
function Conv2d:__init(in_channels, out_channels, kernel_size, given)
  local chosen = options.read("Conv2d", given, { bias = true }, { "stride", "padding" })
  local kernel = pair(kernel_size)
  self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, kernel
  self.stride, self.padding = pair(chosen.stride or 1), pair(chosen.padding or 0)
  self.weight = state.parameter("weight",
    initializer.kaiming_uniform { out_channels, in_channels, kernel[1], kernel[2] })
  if chosen.bias then
    local bound = 1 / math.sqrt(in_channels * kernel[1] * kernel[2])
    self.bias = state.parameter("bias", initializer.uniform({ out_channels }, bound))
  end
end

---@param x Tensor [N, I, H, W]
---@return Tensor [N, O, H', W']
function Conv2d:forward(x)
  return F.conv2d(x, self.weight, self.bias, { stride = self.stride, padding = self.padding })
end

function Conv2d:extra_repr()
  return ("%d -> %d, %dx%d, stride %d"):format(self.in_channels, self.out_channels, self.kernel_size[1],
    self.kernel_size[2], self.stride[1])
end

return { Conv2d = Conv2d }

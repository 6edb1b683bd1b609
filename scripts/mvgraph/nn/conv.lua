-- Convolutions of one to three dimensions and their transposes, over [N, C, sizes...].
local F = require "mvgraph.F"
local initializer = require "mvgraph.nn.initializer"
local module = require "mvgraph.nn.module"
local options = require "mvgraph.core.options"
local state = require "mvgraph.state"

local conv = {}

---@param value integer|integer[]
---@return integer[] one number a dimension
local function each(value, d)
  if type(value) == "table" then return value end
  local list = {}
  for i = 1, d do list[i] = value end
  return list
end

local function join(list)
  return type(list) == "table" and table.concat(list, "x") or tostring(list)
end

---Weight and bias as PyTorch starts them: uniform within 1 / sqrt(fan_in).
local function make_states(self, shape, out_channels, has_bias)
  self.weight = state.parameter("weight", initializer.kaiming_uniform(shape))
  if not has_bias then return end
  local fan_in = 1
  for i = 2, #shape do fan_in = fan_in * shape[i] end
  self.bias = state.parameter("bias", initializer.uniform({ out_channels }, 1 / math.sqrt(fan_in)))
end

local function check_groups(name, groups, in_channels, out_channels)
  if groups < 1 or in_channels % groups ~= 0 or out_channels % groups ~= 0 then
    error(("%s: %d and %d channels do not divide into %d groups"):format(name, in_channels, out_channels, groups), 0)
  end
end

local function describe(self)
  return ("%d -> %d, %s, stride %s%s"):format(self.in_channels, self.out_channels, join(self.kernel_size),
    join(self.stride), self.groups > 1 and (", groups %d"):format(self.groups) or "")
end

-- Options beside stride, padding and dilation, which are numbers or one a dimension.
local DEFAULTS <const> = { bias = true, groups = 1, padding_mode = "zeros" }

---A class of convolutions of d dimensions; a transposed one has weights [I, O / groups, kernel...] and output_padding.
local function make(name, run, d, is_transposed)
  local class = module.class(name)
  local optional = { "stride", "padding", "dilation", is_transposed and "output_padding" or nil }

  ---@param in_channels integer I
  ---@param out_channels integer O
  ---@param kernel_size integer|integer[]
  ---@param given table? stride 1, padding 0, dilation 1, groups 1, bias true, padding_mode "zeros"; padding may
  ---  be "same" or "valid", where it is not transposed; output_padding 0, where it is
  function class:__init(in_channels, out_channels, kernel_size, given)
    local chosen = options.read(name, given, DEFAULTS, optional)
    if chosen.padding_mode ~= "zeros" then
      error(("%s: padding_mode should be 'zeros', got '%s'"):format(name, chosen.padding_mode), 0)
    end
    check_groups(name, chosen.groups, in_channels, out_channels)
    self.in_channels, self.out_channels, self.groups = in_channels, out_channels, chosen.groups
    self.kernel_size, self.stride = each(kernel_size, d), each(chosen.stride or 1, d)
    self.padding, self.dilation = chosen.padding or 0, each(chosen.dilation or 1, d)
    if is_transposed then self.output_padding = chosen.output_padding or 0 end
    local first, second = out_channels, in_channels
    if is_transposed then first, second = in_channels, out_channels end
    local shape = { first, second // chosen.groups }
    make_states(self, table.move(self.kernel_size, 1, d, 3, shape), out_channels, chosen.bias)
  end

  ---@param x Tensor [N, I, sizes...]
  ---@return Tensor [N, O, sizes'...]
  function class:forward(x)
    return F[run](x, self.weight, self.bias, {
      stride = self.stride, padding = self.padding, output_padding = self.output_padding, dilation = self.dilation,
      groups = self.groups,
    })
  end

  class.extra_repr = describe
  conv[name] = class
end

for d = 1, 3 do
  make(("Conv%dd"):format(d), ("conv%dd"):format(d), d, false)
  make(("ConvTranspose%dd"):format(d), ("conv_transpose%dd"):format(d), d, true)
end

return conv

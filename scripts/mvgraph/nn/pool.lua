-- Pooling and resizing as modules; without parameters.
local F = require "mvgraph.F"
local module = require "mvgraph.nn.module"
local options = require "mvgraph.core.options"

local pool = {}

local function join(list)
  return type(list) == "table" and table.concat(list, "x") or tostring(list)
end

---A module that hands its kernel size and options to a function.
local function make_windowed(name, run, defaults, optional)
  local class = module.class(name)

  ---@param kernel_size integer|integer[]
  ---@param given table? stride (default: kernel_size), padding 0, ceil_mode false; max pooling: dilation 1; average
  ---  pooling: count_include_pad true, divisor_override
  function class:__init(kernel_size, given)
    if kernel_size == nil then error(name .. ": argument 'kernel_size' is missing", 0) end
    self.kernel_size, self.options = kernel_size, options.read(name, given, defaults, optional)
  end

  ---@param x Tensor [N, C, sizes...]
  ---@return Tensor [N, C, sizes'...]
  function class:forward(x)
    return F[run](x, self.kernel_size, self.options)
  end

  function class:extra_repr()
    return ("%s, stride %s"):format(join(self.kernel_size), join(self.options.stride or self.kernel_size))
  end

  pool[name] = class
end

local function make_adaptive(name, run)
  local class = module.class(name)

  ---@param output_size integer|integer[]
  function class:__init(output_size)
    if output_size == nil then error(name .. ": argument 'output_size' is missing", 0) end
    self.output_size = output_size
  end

  ---@param x Tensor [N, C, sizes...]
  ---@return Tensor [N, C, output_size...]
  function class:forward(x)
    return F[run](x, self.output_size)
  end

  function class:extra_repr() return join(self.output_size) end

  pool[name] = class
end

for d = 1, 3 do
  make_windowed(("MaxPool%dd"):format(d), ("max_pool%dd"):format(d), { ceil_mode = false },
    { "stride", "padding", "dilation" })
  make_windowed(("AvgPool%dd"):format(d), ("avg_pool%dd"):format(d), { ceil_mode = false, count_include_pad = true },
    { "stride", "padding", "divisor_override" })
  make_adaptive(("AdaptiveAvgPool%dd"):format(d), ("adaptive_avg_pool%dd"):format(d))
end

---@class Upsample: Module
pool.Upsample = module.class("Upsample")

---@param given table size or scale_factor; mode "nearest", align_corners false
function pool.Upsample:__init(given)
  self.options = options.read("Upsample", given, { mode = "nearest", align_corners = false },
    { "size", "scale_factor" })
end

---@param x Tensor [N, C, sizes...]
---@return Tensor [N, C, sizes'...]
function pool.Upsample:forward(x)
  return F.interpolate(x, self.options)
end

function pool.Upsample:extra_repr()
  local chosen = self.options
  local by = chosen.size and "size " .. join(chosen.size) or "scale_factor " .. join(chosen.scale_factor)
  return ("%s, %s"):format(by, chosen.mode)
end

return pool

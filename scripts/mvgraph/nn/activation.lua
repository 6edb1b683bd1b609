-- Activations as modules: those of one operator take its attributes, as numbers in order or as one table by name.
local module = require "mvgraph.nn.module"
local op = require "mvgraph.ops.define"
local ops = require "mvgraph.ops"
local options = require "mvgraph.core.options"

local activation = {}

-- { 0.3 } or { { alpha = 0.3 } } as { alpha = 0.3 }
local function by_name(class, names, given)
  if type(given[1]) == "table" then return given[1] end
  if given.n > #names then error(("%s takes %d numbers, got %d"):format(class, #names, given.n), 0) end
  local found = {}
  for i, name in ipairs(names) do found[name] = given[i] end
  return found
end

local function make(name, operator)
  local class = module.class(name)
  local declaration = op.registry[operator]
  local names = declaration.attribute_names

  function class:__init(...)
    local given = by_name(name, names, table.pack(...))
    for key, value in pairs(options.read(name, given, declaration.attribute_defaults)) do self[key] = value end
  end

  function class:forward(x)
    local arguments = {}
    for i, key in ipairs(names) do arguments[i] = self[key] end
    return ops[operator](x, table.unpack(arguments))
  end

  function class:extra_repr()
    local parts = {}
    for i, key in ipairs(names) do parts[i] = ("%s=%g"):format(key, self[key]) end
    return table.concat(parts, ", ")
  end

  activation[name] = class
end

for name, operator in pairs {
  ReLU = "relu", LeakyReLU = "leaky_relu", ReLU6 = "relu6", Hardtanh = "hardtanh", Hardsigmoid = "hardsigmoid",
  Hardswish = "hardswish", ELU = "elu", CELU = "celu", SELU = "selu", SiLU = "silu", Mish = "mish", Sigmoid = "sigmoid",
  Tanh = "tanh", Softplus = "softplus", Softsign = "softsign", LogSigmoid = "logsigmoid", Softshrink = "softshrink",
  Hardshrink = "hardshrink",
} do
  make(name, operator)
end

---@class Identity: Module
activation.Identity = module.class("Identity")

function activation.Identity:forward(x)
  return x
end

---@class GELU: Module
activation.GELU = module.class("GELU")

local APPROXIMATIONS <const> = { none = "gelu", tanh = "gelu_tanh" }

---@param given {approximate: string?}? "none" (default) or "tanh"
function activation.GELU:__init(given)
  self.approximate = options.read("GELU", given, { approximate = "none" }).approximate
  if not APPROXIMATIONS[self.approximate] then
    error(("GELU: approximate should be 'none' or 'tanh', got '%s'"):format(self.approximate), 0)
  end
end

function activation.GELU:forward(x)
  return ops[APPROXIMATIONS[self.approximate]](x)
end

function activation.GELU:extra_repr()
  return ("approximate='%s'"):format(self.approximate)
end

for name, operator in pairs { Softmax = "softmax", LogSoftmax = "log_softmax" } do
  local class = module.class(name)

  ---@param dim integer? default -1
  function class:__init(dim)
    self.dim = dim or -1
  end

  function class:forward(x)
    return ops[operator](x, self.dim)
  end

  function class:extra_repr()
    return ("dim=%d"):format(self.dim)
  end

  activation[name] = class
end

return activation

-- Containers that only compose: Sequential, ModuleList and MLP. Children are called "0", "1", ...
local module = require "mvgraph.nn.module"
local options = require "mvgraph.core.options"

---@class ModuleList: Module
local ModuleList = module.class("ModuleList")

---@param list Module[]?
function ModuleList:__init(list)
  self.count = 0
  for _, child in ipairs(list or {}) do self:append(child) end
end

---@param child Module
---@return ModuleList self
function ModuleList:append(child)
  if not module.is_module(child) then
    error(("%s: entry %d is a %s, not a module"):format(self.name_, self.count, type(child)), 2)
  end
  self[tostring(self.count)] = child
  rawset(self, "count", self.count + 1)
  return self
end

---@param index integer zero-based; negative from the end
---@return Module
function ModuleList:get(index)
  if index < 0 then index = index + self.count end
  return self[tostring(index)] or error(("%s has no entry %d"):format(self.name_, index), 2)
end

---Iterates as `for index, child in list:each() do`, index zero-based.
function ModuleList:each()
  local index = -1
  return function()
    index = index + 1
    if index < self.count then return index, self[tostring(index)] end
  end
end

---@class Sequential: ModuleList
local Sequential = module.class("Sequential", ModuleList)

---@param ... Module modules in order, or one list of them
function Sequential:__init(...)
  local first = ...
  ModuleList.__init(self, type(first) == "table" and not module.is_module(first) and first or { ... })
end

---@param x any
---@return any
function Sequential:forward(x)
  for _, child in self:each() do x = child(x) end
  return x
end

---Linear layers with an activation and dropout after all but the last, laid out as torchvision's MLP.
---@class MLP: Sequential
local MLP = module.class("MLP", Sequential)

---@param in_channels integer
---@param hidden_channels integer[]
---@param given {activation: table?, dropout: number?, bias: boolean?}? default ReLU, 0, true
function MLP:__init(in_channels, hidden_channels, given)
  local Linear = require("mvgraph.nn.linear").Linear
  local Dropout = require("mvgraph.nn.dropout").Dropout
  local activations = require "mvgraph.nn.activation"
  local chosen = options.read("MLP", given, { dropout = 0, bias = true }, { "activation" })
  local activation = chosen.activation or activations.ReLU
  local layers, width = {}, in_channels
  for i, channels in ipairs(hidden_channels) do
    layers[#layers + 1] = Linear(width, channels, { bias = chosen.bias })
    if i < #hidden_channels then layers[#layers + 1] = activation() end
    layers[#layers + 1] = Dropout(chosen.dropout)
    width = channels
  end
  Sequential.__init(self, layers)
end

return { ModuleList = ModuleList, Sequential = Sequential, MLP = MLP }

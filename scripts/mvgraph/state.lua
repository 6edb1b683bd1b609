-- States: named tensors on the device that outlive a run. Parameters are trained, buffers are not.
local core = require "mvgraph.core"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"

---@class State
---@field name string own name: "weight"
---@field shape integer[]
---@field dtype string
---@field is_parameter boolean
---@field requires_grad boolean a hint for whoever collects parameters; see nn.Module:requires_grad_
---@field owner Module? the first module it was given to
---@field number integer states are numbered from 1 as they are made
local State = { is_state = true, __name = "State" }

local state = {}

local IS_GUARDED <const> = core.getenv "MVGRAPH_GUARD" == "1" -- so that programs find room for their bands

local METHODS <const> = {}

local count = 0 -- made so far

function State:__index(key)
  local own = METHODS[key]
  if own ~= nil then return own end
  return tensor.methods[key]
end

METHODS.is_state = true

---Name with the path of the module that owns it: "encoder.layers.0.weight".
---@return string
function METHODS:path()
  local prefix = self.owner and self.owner:path_below() or ""
  return prefix ~= "" and prefix .. "." .. self.name or self.name
end

---@return userdata array a copy of the values
function METHODS:read()
  return self.handle:read()
end

---@param array userdata of the state's shape and dtype
function METHODS:write(array)
  local given = array.shape
  if tensor.format_shape(given) ~= tensor.format_shape(self.shape) then
    error(("%s is %s, the array written to it %s"):format(self:path(), tensor.format_shape(self.shape),
      tensor.format_shape(given)), 0)
  end
  self.handle:write(array)
end

---The leaf of this state in the program being traced.
---@return Tensor
function METHODS:tensor()
  return trace.current():leaf(self)
end

function State:__tostring()
  return ("%s %s %s"):format(self.is_parameter and "Parameter" or "Buffer", self:path(),
    tensor.format_shape(self.shape))
end

for _, name in ipairs { "__add", "__sub", "__mul", "__div", "__mod", "__pow", "__unm" } do
  State[name] = tensor.class[name]
end

local function new(name, values, shape, dtype, is_parameter)
  count = count + 1
  return setmetatable({
    number = count, name = name, handle = core.state(name, values, IS_GUARDED), shape = shape, dtype = dtype,
    is_parameter = is_parameter, requires_grad = is_parameter,
  }, State)
end

local function make(name, array, is_parameter)
  if type(name) ~= "string" or type(array) ~= "userdata" then
    error(("a %s needs a name and an array, got %s and %s"):format(is_parameter and "parameter" or "buffer",
      type(name), type(array)), 3)
  end
  return new(name, array, array.shape, array.dtype, is_parameter)
end

---@return integer how many states this process has made
function state.count()
  return count
end

---@param name string
---@param array userdata initial values
---@return State
function state.parameter(name, array)
  return make(name, array, true)
end

---@param name string
---@param array userdata initial values
---@return State
function state.buffer(name, array)
  return make(name, array, false)
end

---A buffer that starts as zeros, f32; the host holds no copy.
---@param name string
---@param shape integer[]
---@return State
function state.zeros(name, shape)
  return new(name, shape, table.move(shape, 1, #shape, 1, {}), "f32", false)
end

return state

-- What optimizers share: parameter groups, their named states, saving and loading.
local core = require "mvgraph.core"
local options = require "mvgraph.core.options"
local state = require "mvgraph.state"
local trace = require "mvgraph.trace"

---@class Optimizer
---@field parameters State[] of all groups, in order
---@field lr number the learning rate given; programs are fed the one to use
local Optimizer = {}

local optimizer = { Optimizer = Optimizer }

local function is_options(given)
  return type(given) == "table" and given[1] == nil and given.params == nil
end

local function read_groups(name, params, chosen, defaults)
  local groups = {}
  if type(params) ~= "table" then error(name .. ": the first argument is a list of parameters", 0) end
  if params[1] == nil or params[1].is_state then params = { { params = params } } end
  for i, given in ipairs(params) do
    local own = {}
    for key, value in pairs(given) do
      if key ~= "params" then own[key] = value end
    end
    local group = options.read(("%s: parameter group %d"):format(name, i), own, chosen)
    for key in pairs(defaults) do
      if group[key] == nil then group[key] = chosen[key] end
    end
    group.params = given.params
    groups[i] = group
  end
  return groups
end

---Makes a class of optimizers. Calling it with parameters makes one; calling it with options alone makes a recipe,
---a function of the parameters.
---@param name string
---@param defaults table option -> default value
---@return table class; it must define `prepare(self)` and `update(self, parameter, gradient, lr, group)`
function optimizer.class(name, defaults)
  local class = setmetatable({ name_ = name, defaults = defaults }, { __index = Optimizer })
  local metatable = { __index = class, __name = name }
  local function make(params, given)
    local chosen = options.read(name, given, defaults)
    local self = setmetatable({ lr = chosen.lr, parameters = {}, group_of = {}, names = {}, states = {} }, metatable)
    self.groups = read_groups(name, params, chosen, defaults)
    for _, group in ipairs(self.groups) do
      for _, parameter in ipairs(group.params) do
        if self.group_of[parameter] then error(("%s: %s is given twice"):format(name, parameter:path()), 0) end
        self.parameters[#self.parameters + 1] = parameter
        self.group_of[parameter] = group
      end
    end
    self:prepare()
    return self
  end
  getmetatable(class).__call = function(_, params, given)
    if given == nil and is_options(params) and next(params) ~= nil then
      options.read(name, params, defaults)
      return function(parameters) return make(parameters, params) end
    end
    return make(params, given)
  end
  return class
end

---Adds a state of the optimizer's own, filled with zeros.
---@param name string
---@param shape integer[]
---@return State
function Optimizer:add_state(name, shape)
  local made = state.zeros(name, shape)
  self.names[#self.names + 1] = name
  self.states[name] = made
  return made
end

---Adds the updates of parameters and moments to the program being traced.
---@param gradients Tensor[] in the order of `parameters`
---@param lr Tensor|number learning rate of this run; groups with their own lr keep its ratio to the optimizer's
function Optimizer:step(gradients, lr)
  if #gradients ~= #self.parameters then
    trace.fail("%s: %d gradients for %d parameters", self.name_, #gradients, #self.parameters)
  end
  lr = trace.as_tensor(lr == nil and self.lr or lr)
  trace.with_path("optimizer", function()
    local context = self:begin_step()
    for i, parameter in ipairs(self.parameters) do
      local group = self.group_of[parameter]
      local rate = group.lr == self.lr and lr or lr * (group.lr / self.lr)
      self:update(parameter, gradients[i], rate, group, context)
    end
  end)
end

function Optimizer:begin_step() end

---@return table<string, userdata> arrays by name: "<parameter>.exp_avg", "step"
function Optimizer:state_dict()
  local arrays = {}
  for name, own in pairs(self.states) do arrays[name] = own:read() end
  return arrays
end

---@param arrays table<string, userdata>
function Optimizer:load_state_dict(arrays)
  for name in pairs(arrays) do
    if not self.states[name] then
      error(("%s: %s"):format(self.name_, options.unknown("state", name, self.names)), 0)
    end
  end
  for _, name in ipairs(self.names) do
    if not arrays[name] then error(("%s: state '%s' is missing"):format(self.name_, name), 0) end
    self.states[name]:write(arrays[name])
  end
end

---Forgets moments and the step count.
function Optimizer:reset()
  for _, own in pairs(self.states) do own:write(core.array(own.shape)) end
end

return optimizer

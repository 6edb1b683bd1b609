-- Tracing: what is being built right now (graph, states, origin, module path) and the functions that only make sense
-- while building. Programs, which compile and run what was traced, are in program.lua.
local core = require "mvgraph.core"
local tensor = require "mvgraph.tensor"

local trace = {}

---@class Tracer
---@field name string
---@field graph userdata
---@field is_reference boolean kernel operators build their composed references
---@field calls table<integer, table> how each node was made: operator, inputs, options
---@field states State[] by slot + 1
---@field updates table<State, Tensor> next values
---@field inputs table<string, Tensor>
local Tracer = {}
Tracer.__index = Tracer

local current ---@type Tracer?
local paths = { "" } -- stack of module paths, outermost first
local modules = setmetatable({}, { __mode = "v" }) -- by depth of that stack: the module that runs there
local is_differentiating = false -- hooks build nodes with the origin of the node they differentiate

local library <const> = (debug.getinfo(1, "S").source:match("^(.*)trace%.lua$"))

---The innermost script line outside this library.
---@return string file
---@return integer line
function trace.script_position()
  local outermost, outermost_line
  for level = 2, 200 do
    local info = debug.getinfo(level, "Sl")
    if not info then break end
    if info.currentline > 0 then
      outermost, outermost_line = info.short_src, info.currentline
      if info.source:sub(1, #library) ~= library then return info.short_src, info.currentline end
    end
  end
  return outermost or "?", outermost_line or 0
end

---"model.lua:12 (irv.encoder)": where the script is, for messages.
---@return string
function trace.describe_place()
  local file, line = trace.script_position()
  local path = paths[#paths]
  return ("%s:%d%s"):format(file, line, path ~= "" and " (" .. path .. ")" or "")
end

---Raises an error that names the script line and module path.
function trace.fail(message, ...)
  error(("%s: %s"):format(trace.describe_place(), select("#", ...) > 0 and message:format(...) or message), 0)
end

---The tracer of the program being built; an error outside of one.
---@return Tracer
function trace.current()
  if not current then
    trace.fail("no program is being traced here; tensors exist only inside mv.program's function")
  end
  return current
end

function trace.is_tracing()
  return current ~= nil
end

---Marks the nodes made next with the script's position, unless a gradient rule is making them.
function trace.mark_origin()
  if is_differentiating then return end
  local file, line = trace.script_position()
  current.graph:set_origin(file, line, paths[#paths])
end

local function leave(depth, passed, ...)
  for i = #paths, depth, -1 do paths[i], modules[i] = nil, nil end
  if not passed then error((...), 0) end
  return ...
end

local function run_below(name, module, body, ...)
  local outer, depth = paths[#paths], #paths + 1
  paths[depth] = (outer ~= "" and name ~= "") and outer .. "." .. name or outer .. name
  modules[depth] = module
  return leave(depth, pcall(body, ...))
end

---Runs `body` with `name` pushed on the module path.
---@param name string
---@param body fun(...): any
function trace.with_path(name, body, ...)
  return run_below(name, nil, body, ...)
end

---Runs a module's forward with the module's place on the module path: below the module that calls it.
---@param module Module
function trace.with_module(module, ...)
  local caller
  for depth = #paths, 1, -1 do
    caller = caller or modules[depth]
  end
  return run_below(module:path_below(caller), module, module.forward, module, ...)
end

---Builds a graph by running `body`; the graph is open only while it runs.
---@param name string
---@param body fun(tracer: Tracer): any
---@param options? {reference: boolean?}
---@return Tracer tracer
---@return any result what `body` returned
function trace.build(name, body, options)
  local tracer = setmetatable({
    name = name, graph = core.graph(name), is_reference = options ~= nil and options.reference == true,
    calls = {}, states = {}, slots = {}, leaves = {}, numbers = {}, updates = {}, update_order = {},
    inputs = {}, input_specs = {}, streams = 0,
  }, Tracer)
  local outer = current
  current = tracer
  local passed, result = pcall(body, tracer)
  current = outer
  if not passed then error(result, 0) end
  return tracer, result
end

---Adds a fed leaf.
---@param name string
---@param spec {shape: integer[]?, dtype: string?}
---@return Tensor
function Tracer:input(name, spec)
  local slot = #self.input_specs
  local dtype, shape = spec.dtype or "f32", spec.shape or {}
  self.input_specs[slot + 1] = { name = name, dtype = dtype, shape = shape }
  self.inputs[name] = tensor.new(self.graph, self.graph:leaf("input", name, slot, dtype, shape))
  return self.inputs[name]
end

function Tracer:slot_of(state)
  if not self.slots[state] then
    self.states[#self.states + 1] = state
    self.slots[state] = #self.states - 1
  end
  return self.slots[state]
end

---The leaf of a parameter or buffer in this graph.
---@param state State
---@return Tensor
function Tracer:leaf(state)
  if not self.leaves[state] then
    local slot = self:slot_of(state)
    local value = self.graph:leaf("state", state:path(), slot, state.dtype, state.shape)
    self.leaves[state] = tensor.new(self.graph, value)
  end
  return self.leaves[state]
end

function Tracer:number(value)
  local key = value == value and value or "nan"
  if not self.numbers[key] then self.numbers[key] = tensor.new(self.graph, self.graph:scalar(value)) end
  return self.numbers[key]
end

---Anything that can stand for a tensor, as a tensor of the graph being traced.
---@param object Tensor|State|number|boolean|userdata|table
---@param what string? how a message names it
---@return Tensor
function trace.as_tensor(object, what)
  local tracer = trace.current()
  if tensor.is_tensor(object) then
    if object.graph ~= tracer.graph then
      trace.fail("%s is a tensor of another program; pass values between programs as arrays or states",
        what or "this")
    end
    return object
  end
  local kind = type(object)
  if kind == "number" then return tracer:number(object) end
  if kind == "boolean" then return tracer:number(object and 1 or 0) end
  if kind == "userdata" then return tensor.new(tracer.graph, tracer.graph:const(object)) end
  if kind == "table" and object.is_state then return tracer:leaf(object) end
  if kind == "table" and object[1] ~= nil then
    return tensor.new(tracer.graph, tracer.graph:const(core.array.from(object)))
  end
  trace.fail("%s should be a tensor, parameter, number or array, got %s", what or "this",
    kind == "table" and tostring(object) or kind)
end

---Sets the value that a parameter or buffer takes when the program has run. Reading it in the same program still
---gives the value before the run.
---@param state State
---@param value Tensor|number
function trace.assign(state, value)
  local tracer = trace.current()
  if type(state) ~= "table" or not state.is_state then
    trace.fail("mv.assign needs a parameter or buffer, got %s", tostring(state))
  end
  local given = trace.as_tensor(value, "the value assigned to " .. state:path())
  local expected, got = tensor.format_shape(state.shape), tensor.format_shape(given.shape)
  if expected ~= got then trace.fail("%s is %s, the value assigned to it %s", state:path(), expected, got) end
  if not tracer.updates[state] then
    tracer:slot_of(state)
    tracer.update_order[#tracer.update_order + 1] = state
  end
  tracer.updates[state] = given
end

---Gradients of a scalar with respect to tensors and parameters.
---@param loss Tensor a scalar
---@param wrt (Tensor|State)[]
---@return Tensor[] gradients in the order of `wrt`, each of its shape
function trace.grad(loss, wrt)
  local tracer = trace.current()
  if type(wrt) ~= "table" or tensor.is_tensor(wrt) or wrt.is_state then
    trace.fail("mv.grad needs a list of tensors or parameters as its second argument")
  end
  local values = {}
  for i, object in ipairs(wrt) do values[i] = trace.as_tensor(object, "argument of mv.grad").value end
  loss = trace.as_tensor(loss, "the loss")
  trace.mark_origin()
  local outer = is_differentiating
  is_differentiating = true
  local passed, result = pcall(tracer.graph.backward, tracer.graph, loss.value, values)
  is_differentiating = outer
  if not passed then error(result, 0) end
  local gradients = {}
  for i, value in ipairs(result) do gradients[i] = tensor.new(tracer.graph, value) end
  return gradients
end

---A number that differs for every random operator of the program.
---@return integer
function trace.next_stream()
  local tracer = trace.current()
  tracer.streams = tracer.streams + 1
  return tracer.streams
end

---The leaves that random operators read: a seed and the number of the step, fed at every run.
---@return Tensor seed []
---@return Tensor step []
function trace.random_inputs()
  local tracer = trace.current()
  local seed = tracer.inputs.rng_seed or tracer:input("rng_seed", { shape = {} })
  local step = tracer.inputs.rng_step or tracer:input("rng_step", { shape = {} })
  return seed, step
end

return trace

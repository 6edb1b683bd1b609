-- Programs: a traced function, compiled at its first call and replayed at every call after.
local core = require "mvgraph.core"
local options = require "mvgraph.core.options"
local state = require "mvgraph.state"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"
require "mvgraph.ops" -- tensors get their operators and methods

---@class Program
---@field name string
---@field steps integer runs so far; feeds random operators unless `rng_step` is given
local Program = {}
Program.__index = Program
Program.__name = "Program"

-- What commands set for every program that is made after.
---@class ProgramSettings
---@field is_timed boolean every step is timed, see `mvgraph profile`
---@field is_checked boolean the first step that makes a NaN or an infinity fails the run
---@field is_guarded boolean a kernel that writes outside of its tensors fails the run; set by MVGRAPH_GUARD=1
---@field is_in_shaders boolean no host code stands for shaders, see `mvgraph tune`
---@field on_new fun(made: Program)? sees every program as it is made
local settings = {
  is_timed = false, is_checked = false, is_guarded = core.getenv "MVGRAPH_GUARD" == "1", is_in_shaders = false,
  on_new = nil,
}

-- How long programs have run in this process.
local meter = { seconds = 0 }

local SEED_LIMIT <const> = 1 << 24 -- seeds and steps travel as f32 scalars, exact below this

---Traces the function: inputs in the order of their names, then outputs in the order of theirs, then updates.
function Program:trace()
  if self.tracer then return self.tracer end
  local names = options.names(self.inputs)
  self.tracer = trace.build(self.name, function(tracer)
    local given = {}
    for _, name in ipairs(names) do given[name] = tracer:input(name, self.inputs[name]) end
    local results = self.body(given)
    if results ~= nil and (type(results) ~= "table" or tensor.is_tensor(results)) then
      error(("program '%s' must return a table of named tensors"):format(self.name), 0)
    end
    self.output_names = options.names(results or {})
    for _, name in ipairs(self.output_names) do
      local value = trace.as_tensor(results[name], ("output '%s'"):format(name))
      tracer.graph:target(name, value.value, false, 0)
    end
    for _, updated in ipairs(tracer.update_order) do
      tracer.graph:target(updated:path(), tracer.updates[updated].value, true, tracer.slots[updated])
    end
  end)
  return self.tracer
end

---Traces and compiles, unless that is done.
---@return Program self
function Program:compile()
  if self.compiled then return self end
  local tracer = self:trace()
  local handles = {}
  for i, used in ipairs(tracer.states) do handles[i] = used.handle end
  local given = {
    host_bindings = self.host_bindings and not settings.is_in_shaders, products = self.products,
    is_timed = settings.is_timed, is_checked = settings.is_checked, is_guarded = settings.is_guarded,
  }
  for name, value in pairs(self.passes) do given[name] = value end
  self.compiled = core.compile(tracer.graph, handles, given)
  return self
end

local function to_array(program, spec, value)
  if value == nil then
    error(("program '%s' needs the input '%s' %s"):format(program.name, spec.name,
      tensor.format_shape(spec.shape)), 0)
  end
  if type(value) == "number" then value = core.array.from({ value }, {}, spec.dtype) end
  if type(value) == "table" then value = core.array.from(value, spec.shape, spec.dtype) end
  local expected, got = tensor.format_shape(spec.shape), tensor.format_shape(value.shape)
  if expected ~= got or value.dtype ~= spec.dtype then
    error(("program '%s': input '%s' is %s %s, got %s %s"):format(program.name, spec.name, spec.dtype, expected,
      value.dtype, got), 0)
  end
  return value
end

function Program:random_value(name)
  return name == "rng_seed" and self.seed % SEED_LIMIT or name == "rng_step" and self.steps % SEED_LIMIT or nil
end

---A run under way.
---@class Run
---@field program Program
---@field flags boolean[] which outputs are wanted
---@field began number seconds
---@field busy_seconds number of the host, while it began
local Run = {}
Run.__index = Run

---Begins a run. The device may work on after this returns, while the host prepares the next one.
---@param values table<string, userdata|number|table> one value an input
---@param wanted string[]? outputs to read back; default: all
---@return Run run wait() gives the outputs
function Program:start(values, wanted)
  self:compile()
  values = values or {}
  for name in pairs(values) do
    if not self.tracer.inputs[name] and name ~= "rng_step" and name ~= "rng_seed" then
      error(("program '%s': %s"):format(self.name, options.unknown("input", name, options.names(self.inputs))), 0)
    end
  end
  local arrays = {}
  for i, spec in ipairs(self.tracer.input_specs) do
    local value = values[spec.name]
    if value == nil then value = self:random_value(spec.name) end
    arrays[i] = to_array(self, spec, value)
  end
  local is_wanted, flags = {}, {}
  for _, name in ipairs(wanted or self.output_names) do is_wanted[name] = true end
  for i, name in ipairs(self.output_names) do flags[i] = is_wanted[name] == true end
  local began = core.clock()
  self.compiled:start(arrays)
  self.steps = self.steps + 1
  return setmetatable({ program = self, flags = flags, began = began, busy_seconds = core.clock() - began }, Run)
end

---Waits for the run and reads its outputs; at most once, and before the program's next run.
---@return table<string, userdata> outputs arrays by name
function Run:wait()
  local made, waited = self.program, core.clock()
  local results = made.compiled:finish(self.flags)
  local now = core.clock()
  -- a CPU device computes on the host's own cores: not while the host did something else
  meter.seconds = meter.seconds + (core.device().is_cpu and self.busy_seconds + now - waited or now - self.began)
  local named = {}
  for i, name in ipairs(made.output_names) do
    if self.flags[i] then named[name] = results[i] end
  end
  return named
end

---Runs once: start and wait.
---@param values table<string, userdata|number|table>
---@param wanted string[]?
---@return table<string, userdata> outputs arrays by name
function Program:run(values, wanted)
  return self:start(values, wanted):wait()
end

Program.__call = Program.run

---@return string the plan as text
function Program:plan_text()
  return self:compile().compiled:plan_text()
end

---@param pass string? the graph after this pass; default: as traced
---@return string
function Program:graph_text(pass)
  local graph = self:trace().graph
  return pass and graph:text_after(pass, self.passes) or graph:text()
end

local program = { settings = settings, meter = meter }

---Modules are named by patterns of their paths: "encoder.layers.*.blocks.*", "*" being any one component; "" is all.
---@class ProgramOptions
---@field host_bindings boolean? whether CPU devices may run host code instead of shaders; default true
---@field seed integer? of random operators; default 0
---@field recompute string[]? modules whose activations are computed again for their gradients instead of being held:
---  less memory, more time, the same bits (with halves others: those are rounded where they are stored)
---@field precision string? "f16" or "bf16": how the modules of `halves` store activations and their gradients;
---  arithmetic, sums, parameters and their gradients stay f32; default "f32"
---@field halves string[]? { "" } is all of them; sums, angles and positions are better left out
---@field products string? how shaders multiply matrices on devices with matrix units, which keep sums in f32: "half"
---  rounds an operand to the 16 bits in which the other is stored, "split" takes each as two bf16 parts (about 16 bits
---  of a mantissa) unless both are exact; default "f32": no matrix units
local DEFAULTS <const> = {
  host_bindings = true, seed = 0, recompute = {}, precision = "f32", halves = {}, products = "f32",
}

---@param name string
---@param inputs table<string, {shape: integer[]?, dtype: string?}>
---@param body fun(inputs: table<string, Tensor>): table<string, Tensor>?
---@param given? ProgramOptions
---@return Program
function program.new(name, inputs, body, given)
  local chosen = options.read("mv.program", given, DEFAULTS)
  if chosen.precision ~= "f32" and #chosen.halves == 0 then
    error(("mv.program '%s': precision '%s' needs halves, the modules that store 16 bits; { \"\" } is all of them")
      :format(name, chosen.precision), 2)
  end
  local made = setmetatable({
    name = name, inputs = inputs, body = body, steps = 0, host_bindings = chosen.host_bindings, seed = chosen.seed,
    products = chosen.products,
    passes = { recompute = chosen.recompute, precision = chosen.precision, halves = chosen.halves },
  }, Program)
  if settings.on_new then settings.on_new(made) end
  return made
end

---Every public name of tracing and running.
program.exports = {
  program = program.new, grad = trace.grad, assign = trace.assign, with_path = trace.with_path,
  parameter = state.parameter, buffer = state.buffer,
}

return program

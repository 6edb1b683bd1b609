-- The programs of a script: those it makes itself, or those of the stages of the experiment it returns.
local model_script = require "mvgraph.model_script"
local mv = require "mvgraph"
local options = require "mvgraph.core.options"
local program = require "mvgraph.program"
local state = require "mvgraph.state"

local script_programs = {}

---Options that every command about programs has.
script_programs.options = {
  { "program", "NAME", "only this program" },
  { "preset", "NAME", "which preset of an experiment" },
  { "set", "KEY=VALUE", "override a configuration key; may be repeated", repeated = true },
  { "data", "DIR", "a capture" },
  { "body", "FILE", "a body in SMPL's format", sets = "body" },
}

---@class ScriptStage
---@field name string
---@field programs Program[] made by its setup and its steps
---@field step fun() takes one training step
---@field make_rest fun() makes the programs that only later parts of the stage need

---@class ScriptPrograms
---@field stages ScriptStage[] of an experiment; empty for a plain script
---@field model_states integer? states up to this number are the model's and live in every stage
---@field config table? of an experiment
---@field preset string?

-- What a body makes is appended to a list, too.
local function collect(made, list, body)
  local first = #made + 1
  local result = body()
  table.move(made, first, #made, #list + 1, list)
  return result
end

local function open_stage(runner, stage, made, batch)
  local opened, indices, taken = { name = stage.name, programs = {} }, {}, 0
  for k = 1, batch do indices[k] = (k - 1) % runner.dataset.train.count end
  local object = collect(made, opened.programs, function() return runner:prepare(stage) end)
  function opened.step()
    taken = taken + 1
    collect(made, opened.programs, function()
      local losses = object:step(indices, 1e-4, taken)
      return type(losses) == "function" and losses() or losses
    end)
  end
  function opened.make_rest()
    if object.make_programs then collect(made, opened.programs, function() return object:make_programs() end) end
  end
  opened.step()
  return opened
end

-- Sets up an experiment's stages and takes one step of each, so that every program of the steps has been made.
local function open_experiment(experiment, given, made)
  local progress = require "mvgraph.progress"
  local stages = require "mvgraph.stages"
  experiment:check()
  local values, preset = experiment:resolve({ preset = given.preset, set = given.set, data = given.data },
    mv.device().is_cpu and "tiny" or "paper")
  local quiet = progress.new { write = function() end, clock = mv.clock, is_terminal = false }
  local dataset = mv.named_dataset.open(values, preset, quiet)
  local model = experiment:make(values, dataset)
  local runner = stages.new { experiment = experiment, config = values, dataset = dataset, model = model,
    progress = quiet }
  local found = { stages = {}, config = values, preset = preset, model_states = state.count() }
  for i, stage in ipairs(experiment.stages) do
    local batch = type(stage.batch) == "function" and stage.batch(values) or stage.batch or values.batch or 1
    found.stages[i] = open_stage(runner, stage, made, batch)
  end
  return found
end

---Runs a script and hands on its programs; an experiment's stages have taken one step each. Failures of the script are
---raised as they are, so that they keep their line.
---@param path string
---@param given table preset, set, data as on the command line
---@param body fun(programs: Program[], about: ScriptPrograms): any
---@return any what body returned
function script_programs.with(path, given, body)
  local made, outer = {}, program.settings.on_new
  program.settings.on_new = function(new) made[#made + 1] = new end
  local result = model_script.with(path, function(returned)
    local about = { stages = {} }
    if #made == 0 and type(returned) == "table" and returned.stages then
      about = open_experiment(returned, given, made)
    end
    if #made == 0 then
      error(("%s: the script makes no program; mv.program(name, inputs, body) does, or an experiment's stage"):format(
        path), 0)
    end
    return body(made, about)
  end)
  program.settings.on_new = outer
  return result
end

---The programs that --program chooses.
---@param programs Program[]
---@param name string? default: all
---@return Program[]
function script_programs.choose(programs, name)
  local chosen, names = {}, {}
  for i, candidate in ipairs(programs) do
    names[i] = candidate.name
    if not name or candidate.name == name then chosen[#chosen + 1] = candidate end
  end
  if #chosen == 0 then error(options.unknown("program", name, names), 0) end
  return chosen
end

return script_programs

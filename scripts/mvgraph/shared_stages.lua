-- Stages that runs of one command have in common are trained once. A stage says what it depends on:
--   reuse = { modules = { "irv" }, unread = { "fusion", "iev" } }
-- `modules` are the parts of the model that it sees and changes, { "" } all of it; `unread` lists the keys of the
-- configuration that make no difference to it, so that a forgotten key costs time and not correctness. Two runs share a
-- stage where all else is equal: scripts, program, device, training data, the rest of the configuration, the modules'
-- first values, and the stages before it; and where it has changed nothing but the modules. A script may replace any
-- function of the model it requires, so its own text counts, too, unless it declares M.changes = "configuration": that
-- it changes nothing else.
local cache = require "mvgraph.cache"
local checkpoint = require "mvgraph.checkpoint"
local config = require "mvgraph.config"
local mv = require "mvgraph"

local shared_stages = {}

local MODEL <const> = "model."
local SEEN <const> = { "images", "keypoints", "crop", "camera" }

-- Names and texts of the scripts that determine what a run computes, sorted; the first is the model script's.
local function script_texts(scripts, experiment)
  local texts = {}
  for i, script in ipairs(scripts) do
    local is_silent = i == 1 and experiment.changes == "configuration"
    if not is_silent then texts[#texts + 1] = script.name .. "\n" .. script.text end
  end
  table.sort(texts)
  return texts
end

-- Digits of what all stages of a run depend on; nil where the program cannot be told apart from others.
local function surroundings(runner, scripts)
  local platform, device, dataset = cache.platform_key(), mv.device(), runner.dataset
  if not platform then return nil end
  local values = script_texts(scripts, runner.experiment)
  table.move({ platform, device.name, device.driver, mv.core.getenv "MVGRAPH_HOST" or "",
    mv.core.getenv "MVGRAPH_ONEDNN" or "", tostring(dataset.views), dataset.skeleton and dataset.skeleton.name or "",
    tostring(dataset.is_detected), mv.json.encode(runner.files) }, 1, 9, #values + 1, values)
  local train, is_common = dataset.train, {}
  for _, name in ipairs(SEEN) do
    values[#values + 1], is_common[name] = train[name], true
  end
  for name, value in pairs(train) do -- what an adapter of one's own may add
    if type(value) == "userdata" and not is_common[name] then
      values[#values + 1], values[#values + 2] = name, value
    end
  end
  return mv.core.cache.key(values)
end

local function is_of(modules, name)
  for _, module in ipairs(modules) do
    if module == "" or name:sub(1, #module + 1) == module .. "." then return true end
  end
  return false
end

-- Names and values of a model's arrays of the modules, or of all others.
local function values_of(state, modules, is_inside)
  local names, values = {}, {}
  for name in pairs(state) do
    if is_of(modules, name) == is_inside then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do values[#values + 1], values[#values + 2] = name, state[name] end
  return values
end

---Stages that may be shared, by index; one that may not ends the list. The model is as it was built.
---@param runner Runner
---@param scripts {name: string, text: string}[] of the run, the model script first
---@return { key: string, modules: string[], others: string }[] key: digits of all that the stage depends on; modules:
---  all that may have changed at its end; others: digits of what may not
function shared_stages.find(runner, scripts)
  local found, stages, before, state = {}, runner.experiment.stages, nil, runner.model:state_dict()
  local changed = {}
  for k = 1, #stages - 1 do -- the last one's result is the run's own
    local reuse = stages[k].reuse
    before = reuse and (before or surroundings(runner, scripts))
    if not before then break end
    local values = values_of(state, reuse.modules, true)
    table.move({ before, stages[k].name, config.format(config.without(runner.config, reuse.unread)) }, 1, 3,
      #values + 1, values)
    before = mv.core.cache.key(values)
    changed = table.move(reuse.modules, 1, #reuse.modules, #changed + 1, { table.unpack(changed) })
    found[k] = { key = before, modules = changed, others = mv.core.cache.key(values_of(state, changed, false)) }
  end
  return found
end

---Whether a stage, at its end, has left everything but its modules as it was.
---@param entry table of find
---@param model table
function shared_stages.kept_others(entry, model)
  return mv.core.cache.key(values_of(model:state_dict(), entry.modules, false)) == entry.others
end

---Remembers a finished stage of a run.
---@param known table by key
---@param key string
---@param run RunDirectory
---@param index integer of the stage
---@param name string of the stage
---@param row table its metrics
function shared_stages.remember(known, key, run, index, name, row)
  local file = checkpoint.name({ stage = index, is_final = true }, name)
  known[key] = known[key] or { run = run, path = run.checkpoints .. "/" .. file, row = row }
end

---Remembers the stages of a finished run by its log.
---@param known table by key
---@param run RunDirectory
---@param stages table[] of its experiment
function shared_stages.remember_run(known, run, stages)
  local index = {}
  for k, stage in ipairs(stages) do index[stage.name] = k end
  for _, record in ipairs(run:read_log()) do
    if record.event == "evaluation" and record.key and index[record.stage] then
      shared_stages.remember(known, record.key, run, index[record.stage], record.stage, record.metrics)
    end
  end
end

-- The log of a stage as the run that trained it wrote it.
local function copy_log(from, into, name)
  for _, record in ipairs(from:read_log()) do
    if record.stage == name and record.event ~= "evaluation" then into:log(record) end
  end
end

---Takes a stage over from the run that trained it: its parts of the model, its state, its log.
---@param entry table as remembered
---@param runner Runner
---@param stage table
---@return table<string, Array> tensors of a checkpoint, those that training the stage here would have given
function shared_stages.take_over(entry, runner, stage)
  local trained, tensors = mv.safetensors.load(entry.path), {}
  for name, array in pairs(trained) do
    if name:sub(1, #MODEL) ~= MODEL then tensors[name] = array end
  end
  for name, array in pairs(runner.model:state_dict()) do
    tensors[MODEL .. name] = is_of(stage.reuse.modules, name) and trained[MODEL .. name] or array
  end
  copy_log(entry.run, runner.run, stage.name)
  return tensors
end

return shared_stages

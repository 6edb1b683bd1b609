-- Predictions of a trained model, on the dataset it was trained with or on footage it has never seen: a checkpoint and
-- its configuration in, a folder like a run's out.
local checkpoint = require "mvgraph.checkpoint"
local judgement = require "mvgraph.judgement"
local mv = require "mvgraph"
local named_dataset = require "mvgraph.named_dataset"
local outside_files = require "mvgraph.outside_files"
local run_directory = require "mvgraph.run_directory"
local run_files = require "mvgraph.run_files"
local stages = require "mvgraph.stages"

local prediction = {}

-- A checkpoint, or the newest one of a run's folder.
local function load_checkpoint(path, warn)
  if not mv.file.is_directory(path) then return checkpoint.load(path) end
  local folder = mv.file.is_directory(path .. "/checkpoints") and path .. "/checkpoints" or path
  return checkpoint.load_newest(folder, warn)
    or error(path .. ": there is no checkpoint in it; name one, such as runs/NAME/checkpoints/02-NAME.safetensors", 0)
end

local function stored_values(made, saved)
  if saved.metadata.experiment ~= made.name then
    error(("%s: is a checkpoint of '%s', not of '%s'; name its own script"):format(saved.path,
      tostring(saved.metadata.experiment), made.name), 0)
  end
  local is_read, stored = pcall(mv.json.decode, saved.metadata.config, saved.path)
  if not is_read or type(stored) ~= "table" then
    error(saved.path .. ": its configuration cannot be read; another version of this program wrote it: train again", 0)
  end
  run_files.values(stored, saved.path)
  return made:adopt(stored, saved.path)
end

-- What the model was trained with, on other footage: keys of the dataset are its defaults, and no view is taken away.
local function with_footage(made, values, given)
  if given.data then
    local fresh = made:resolve({ data = given.data, set = given.set }, "")
    local key = named_dataset.keys(fresh.dataset)
    values.dataset, values.path, values.missing_views = fresh.dataset, fresh.path, fresh.missing_views
    if key then values[key] = fresh[key] end
  end
  return made:resolve({ set = given.set }, "", values)
end

local function open_runner(made, saved, values, given)
  local files = run_files.outside(mv.json.decode(saved.metadata.files or "{}", saved.path), saved.path)
  outside_files.check_all(saved.path, made.files, files, values)
  local dataset = named_dataset.open(values, nil, given.progress, saved.path)
  local model = made:make(values, dataset)
  stages.load_weights(model, saved)
  local run = run_directory.create(given.runs, made.name .. "-predict", given.out)
  run:write_json("config.json", { experiment = made.name, script = given.script, config = values,
    checkpoint = saved.path, files = outside_files.record(made.files, values) })
  run:write_scripts(given.scripts and given.scripts() or {})
  return stages.new { experiment = made, config = values, dataset = dataset, model = model, run = run,
    progress = given.progress }
end

---Predicts every test sample of a dataset: all frames of a capture unless --set capture.test names some.
---@param made Experiment
---@param given table checkpoint: a file, or a run's folder; data, set, out as on the command line; runs, progress,
---  script, scripts as for Experiment:run
---@return { run: RunDirectory, row: table, values: table }
function prediction.run(made, given)
  made:check()
  local saved = load_checkpoint(given.checkpoint, function(message) given.progress:line("warning: " .. message) end)
  local values = with_footage(made, stored_values(made, saved), given)
  local index = saved.position.stage
  local stage = made.stages[index]
  if not stage or stage.name ~= saved.metadata.stage_name then
    error(("%s: ends in stage '%s', which '%s' does not have"):format(saved.path, tostring(saved.metadata.stage_name),
      made.name), 0)
  end
  local runner, began = open_runner(made, saved, values, given), mv.clock()
  local ctx = runner:context(stage)
  ctx.is_predicting = true
  local object = stage.setup(ctx)
  if not object.predict then
    error(("%s: ends in stage '%s', which predicts nothing yet; take a later one"):format(saved.path, stage.name), 0)
  end
  judgement.stage(runner, stage, object, { batch = runner:batch(stage) })
  local row = runner.evaluations[stage.name]
  runner.run:write_json("metrics.json", { experiment = made.name, seed = values.seed, baselines = {}, stages = { row },
    dataset = runner.dataset.name or values.dataset, checkpoint = saved.path, seconds = mv.clock() - began })
  return { run = runner.run, row = row, values = values }
end

return prediction

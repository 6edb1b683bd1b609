-- What a run left for commands that show it: its predictions, and the test samples that they are of.
local experiment = require "mvgraph.experiment"
local mv = require "mvgraph"
local progress = require "mvgraph.progress"
local run_directory = require "mvgraph.run_directory"

local run_results = {}

---@class RunResults
---@field run RunDirectory
---@field stored table config.json: experiment, preset, config
---@field stage string whose predictions these are
---@field predictions table<string, Array> of every test sample
---@field joints string[] names of predictions.joints
---@field root string? joint that MPJPE aligned, where the script named one
---@field frame_ids string[] a sample each
---@field dataset table
---@field split table its test split

-- config.json as `run` wrote it.
local function read_config(run)
  local stored = run:read_json "config.json"
  if type(stored) ~= "table" or type(stored.config) ~= "table" or type(stored.experiment) ~= "string" then
    error(run.path .. "/config.json: not the configuration of a run; it has no `experiment` or no `config`", 0)
  end
  return stored
end

local function add_predictions(results)
  local path = results.run.path .. "/predictions.safetensors"
  local predictions, metadata = results.run:load_predictions()
  if not predictions.joints or not metadata.joints or not metadata.frame_ids then
    error(path .. ": not the predictions of a run; they have joints, and names of joints and frames", 0)
  end
  results.predictions, results.stage, results.root = predictions, metadata.stage, metadata.root
  results.joints, results.frame_ids = mv.json.decode(metadata.joints, path), mv.json.decode(metadata.frame_ids, path)
end

-- The dataset as the run had it; an adapter that came with the script is found among the run's scripts.
local function open_dataset(run, stored, data)
  if data then stored.config.path = data end
  local search = package.path
  package.path = search .. ";" .. run.path .. "/scripts/?.lua"
  local dataset = experiment.open_dataset(stored.config, stored.preset, progress.on_terminal())
  package.path = search
  return dataset
end

---@param run RunDirectory
---@param given { data: string?, dataset: table?, is_partial: boolean? } where the run's capture lies now, when it has
---  moved, or the dataset itself; whether a run without predictions will do, which has no more than its configuration
---@return RunResults
function run_results.read(run, given)
  local results = { run = run, stored = read_config(run) }
  if given.is_partial and not mv.file.exists(run.path .. "/predictions.safetensors") then return results end
  add_predictions(results)
  results.dataset = given.dataset or open_dataset(run, results.stored, given.data)
  results.split = results.dataset.test
  local count = results.predictions.joints.shape[1]
  if results.split.count ~= count then
    error(("%s: has predictions of %d samples, the dataset now has %d; name the one it was trained on with --data")
      :format(run.path, count, results.split.count), 0)
  end
  return results
end

---The same of a folder named on the command line.
---@param path string
---@param given table as of read
---@return RunResults
function run_results.open(path, given)
  return run_results.read(run_directory.open(path), given)
end

return run_results

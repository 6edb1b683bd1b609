-- What a run left for commands that show it: its predictions, and the test samples that they are of.
local drawn = require "mvgraph.drawn"
local experiment = require "mvgraph.experiment"
local mv = require "mvgraph"
local named_dataset = require "mvgraph.named_dataset"
local progress = require "mvgraph.progress"
local run_directory = require "mvgraph.run_directory"

local run_results = {}

---@class RunResults
---@field run RunDirectory
---@field stored table config.json: experiment, preset, config
---@field stage string whose predictions these are
---@field predictions table<string, Array> of every test sample
---@field joints string[] names of the joints of predictions.joints or predictions.people
---@field root string? joint that MPJPE aligned, where the script named one
---@field metrics string[]? what it was measured by, likewise
---@field frame_ids string[] a sample each
---@field dataset table
---@field split table its test split
---@field drawn Drawn what is drawn of both

local function add_predictions(results)
  local loaded = results.run:load_predictions()
  results.predictions, results.stage, results.root = loaded.arrays, loaded.stage, loaded.root
  results.joints, results.frame_ids, results.metrics = loaded.joints, loaded.frame_ids, loaded.metrics
end

-- The dataset as the run had it; an adapter that came with the script is found among the run's scripts.
local function open_dataset(run, stored, data)
  if data then stored.config.path = data end
  local search = package.path
  package.path = search .. ";" .. run.path .. "/scripts/?.lua"
  local path = run.path .. "/config.json"
  stored.config = experiment.check_stored(stored.config, path)
  local dataset = named_dataset.open(stored.config, stored.preset, progress.on_terminal(), path)
  package.path = search
  return dataset
end

-- Predictions are rows of the split, of its views and, of one person, keypoints.
local function check_sizes(run, predictions, split)
  local people, reprojection = predictions.people, predictions.reprojection and predictions.reprojection.shape
  local shape = (people or predictions.joints).shape
  if split.count ~= shape[1] then
    error(("%s: has predictions of %d samples, the dataset now has %d; name the one it was trained on with --data")
      :format(run.path, shape[1], split.count), 0)
  end
  if (people ~= nil) ~= (#split.keypoints.shape == 5) then
    error(("%s/predictions.safetensors: of %s, and the dataset has %s; name the one it was trained on with --data")
      :format(run.path, people and "several people" or "one person", people and "one person" or "several people"), 0)
  end
  local own_views, keypoints = split.keypoints.shape[2], split.keypoints.shape[3]
  local views = not people and #shape == 4 and shape[2] or reprojection and reprojection[2] or own_views
  if views ~= own_views or not people and reprojection and reprojection[3] ~= keypoints then
    error(("%s/predictions.safetensors: of other views or keypoints than the dataset, which has %d of %d; name the "
      .. "one it was trained on with --data"):format(run.path, own_views, keypoints), 0)
  end
end

---@param run RunDirectory
---@param given { data: string?, dataset: table?, is_partial: boolean? } where the run's capture lies now, when it has
---  moved, or the dataset itself; whether a run without predictions will do, which has no more than its configuration
---@return RunResults
function run_results.read(run, given)
  local results = { run = run, stored = run:read_config() }
  if given.is_partial and not mv.file.exists(run.path .. "/predictions.safetensors") then return results end
  add_predictions(results)
  results.dataset = given.dataset or open_dataset(run, results.stored, given.data)
  results.split = results.dataset.test
  check_sizes(run, results.predictions, results.split)
  results.drawn = drawn.of(results)
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

-- Experiments: what a model script declares and `mvgraph run` runs.
--
--   local M = mv.experiment "lifter"
--   M.config = { views = 4, hidden = 256, lr = 1e-3 }      -- every key can be overridden: --set hidden=512
--   M.presets = { tiny = { hidden = 32 }, paper = {} }     -- overrides; --preset; "tiny" is the default on a CPU;
--                                                          -- `extends = "tiny"` begins with those of another
--   M.variants = { encoder = { large = { encoder = { width = 96 } } } }  -- optional; what --set encoder=large stands
--                                                          -- for
--   M.sizes = { "hidden", "encoder.depths" }               -- keys that are whole numbers from 1 on, or lists of such;
--                                                          -- views, image and batch are, too
--   M.dataset = "synthetic"                                -- datasets/<name>.lua; --data DIR makes it "capture",
--                                                          -- and "people" makes it "people_capture"
--   function M.build(config, dataset) return model end     -- has state_dict() and load_state_dict()
--   function M.initialise(model, config) end               -- optional: weights that a new run starts from
--   function M.training_split(model, config, dataset, report) return split end    -- optional: what training sees
--                                                          -- instead of dataset.train; report(label, done, total)
--   M.stages = { {
--     name = "lifting",
--     epochs = function(config, steps) return config.epochs end,  -- a number or a function; steps of an epoch
--     batch = 16,                                          -- likewise; default: config.batch
--     lr = function(config, step, total) ... end,          -- a number, or the rate of a step counted from 0
--     setup = function(ctx) return object end,
--     class = ...,                                         -- the script's own: what an ablation may derive from
--     reuse = { modules = { "net" }, unread = { "head" } },  -- optional; runs may share the stage: shared_stages.lua
--   } }
--   M.baselines = { { name = "mean pose", setup = function(ctx) return object end } }   -- optional rows; the object
--                                                          -- has `predict` and `joints` as a stage's
--   M.joints = { "pelvis", ... }                           -- names of predicted joints; default: the object's
--   M.root = "pelvis"                                      -- joint that MPJPE aligns
--   M.people = true                                        -- several people in a frame; default: one
--   M.metrics = { "n_mpjpe_mm", ... }                      -- what it is measured by; default: metrics.DEFAULT
--   M.pose_structure = { 50, 100 }                         -- clusters of Pose Structure Scores; default: none
--   M.changes = "configuration"                            -- of an ablation: it changes nothing else of its model
--   M.files = { "body" }                                   -- keys that name files from outside; a run goes on with the
--                                                          -- same ones alone. Predicted bodies are those of `body`
--
-- The runner owns order, batching, progress, checkpoints, resume and evaluation; the object that setup(ctx) returns
-- does the work. It has
--   step(self, indices, lr, overall)   one training step on these zero-based samples of ctx.dataset.train; `overall`
--                                      counts the stage's steps from 1, across epochs and resumes: feed it to dropout.
--                                      Returns a table of numbers (losses), or a function that waits for the
--                                      device and returns it.
--   prepare(self, indices, overall)    optional; makes the batch of the step that follows in the same epoch, while the
--                                      device works on the present one
--   train_begin(self)                  optional; before the first step of a new or resumed stage: what steps need that
--                                      follows from the model as it is loaded and need not be kept
--   epoch_begin(self, epoch)           optional; true when it did so much that a checkpoint should follow at once
--   make_programs(self)                optional; makes what it would make at a later need, for `mvgraph plan` to count
--   predict(self, split, indices)      predictions of samples: table of arrays [#indices, ...]; a stage without is not
--                                      judged; `joints` [n, J, 3] in metres is evaluated, `people` [n, P, J, 3] in the
--                                      world with `scores` [n, P] where several are in a frame; `reprojection`
--                                      [n, V, K, 2] in crop coordinates, too, NaN where there is none; `refined`
--                                      [n, V, K, 2] likewise are detections that it mended, held against where the
--                                      keypoints truly are;
--                                      `mvgraph export` makes bodies of `theta`, `beta` and `global` as 6D rotations
--                                      (export/motion.lua), placed by `translation` [n, V, 3], metres from each camera
--   refit(self, split, predictions)    optional; what an optimizer makes of all the predictions of a split, which is
--                                      judged and kept in their place; nil leaves them
--   joints                             names of the J joints
--   state(self), load_state(self, t)   optional: arrays that a checkpoint keeps besides the model: optimizer moments,
--                                      stores. Whatever influences training must be in the model or here.
-- ctx has config, dataset, model, seed, stage, ctx:report(label, done, total), ctx:print(...), ctx:generator(tag), and
-- is_predicting where the object will predict and not train: `mvgraph predict`.
-- setup runs again on resume, before the state is loaded, so it must not depend on training so far.
local config = require "mvgraph.config"
local judgement = require "mvgraph.judgement"
local mv = require "mvgraph"
local named_dataset = require "mvgraph.named_dataset"
local options = require "mvgraph.core.options"
local outside_files = require "mvgraph.outside_files"
local past_run = require "mvgraph.past_run"
local run_directory = require "mvgraph.run_directory"
local shared_stages = require "mvgraph.shared_stages"
local stages = require "mvgraph.stages"

local experiment = {}

-- What footage makes of the built-in datasets.
local CAPTURES <const> = { synthetic = "capture", people = "people_capture" }

-- Keys that every configuration has.
local COMMON <const> = {
  seed = 0,
  dataset = "synthetic",
  path = "", -- of a capture or another dataset on disk
  view_choice = "all", -- views of a sample: "min_max" or "min_2", the two with most and fewest, or fewest, keypoints
  missing_views = 0.0, -- share of views taken away at random
  checkpoint_every = 100, -- steps
  log_every = 10, -- steps
}

-- Likewise, where a configuration has them.
local COMMON_SIZES <const> = { "views", "image", "batch" }

local FIELDS <const> = { "name", "config", "presets", "variants", "dataset", "build", "stages", "baselines", "joints",
  "people", "sizes", "root", "metrics", "pose_structure", "changes", "initialise", "training_split", "files" }
local STAGE_FIELDS <const> = { "name", "epochs", "batch", "lr", "setup", "class", "reuse" }

---@class Experiment
---@field name string
---@field config table
---@field presets table
---@field stages table[]
local Experiment = {}
Experiment.__index = Experiment

---@param name string of the folder below runs/
---@return Experiment
function experiment.new(name)
  if type(name) ~= "string" or not name:find "^[%w][%w%-_.]*$" then
    error(("an experiment's name is letters, digits, '-', '_' and '.', got %s"):format(config.format(name)), 2)
  end
  return setmetatable({ name = name, config = {}, presets = {}, stages = {} }, Experiment)
end

function experiment.is_experiment(value)
  return getmetatable(value) == Experiment
end

---Raises where a model script returned something else.
---@param value any
---@param script string its path
function experiment.check_script(value, script)
  if not experiment.is_experiment(value) then
    error(("%s: a model script ends with `return M`, where M = mv.experiment \"name\""):format(script), 0)
  end
end

local function check_fields(given, known, what)
  for key in pairs(given) do
    options.choose("field", key, known, function(message) error(("%s: %s"):format(what, message), 0) end)
  end
end

---Raises when the script left something out.
function Experiment:check()
  local what = ("experiment '%s'"):format(self.name)
  check_fields(self, FIELDS, what)
  if type(self.build) ~= "function" then
    error(what .. ": needs a function build(config, dataset) that returns the model", 0)
  end
  if #self.stages == 0 then error(what .. ": needs at least one stage in its list `stages`", 0) end
  if self.changes ~= nil and self.changes ~= "configuration" then
    error(('%s: `changes` may be "configuration", got %s'):format(what, config.format(self.changes)), 0)
  end
  for _, key in ipairs(self.files or {}) do
    if type(config.lookup(self.config, key)) ~= "string" then
      error(("%s: `files` names '%s', which is no text of its configuration"):format(what, key), 0)
    end
  end
  local seen = {}
  for i, stage in ipairs(self.stages) do
    local where = ("%s, stage %d"):format(what, i)
    check_fields(stage, STAGE_FIELDS, where)
    if type(stage.name) ~= "string" then error(where .. ": needs a name", 0) end
    if seen[stage.name] then error(("%s: the name '%s' is taken by another stage"):format(where, stage.name), 0) end
    seen[stage.name] = true
    if type(stage.setup) ~= "function" then error(where .. ": needs a function setup(ctx)", 0) end
  end
end

local function chosen_dataset(given, default)
  local name = default
  for _, assignment in ipairs(given.set or {}) do name = assignment:match "^%s*dataset%s*=(.*)$" or name end
  return given.data and CAPTURES[name] or name
end

-- The script's defaults, what every run has, and a group with the dataset's own keys.
local function all_defaults(self, given)
  local defaults = config.copy(COMMON)
  for key, value in pairs(self.config) do defaults[key] = config.copy(value) end
  defaults.dataset = chosen_dataset(given, self.dataset or defaults.dataset)
  local key, own = named_dataset.keys(defaults.dataset)
  if key then
    defaults[key] = config.merge(own, self.config[key] or {}, ("experiment '%s'"):format(self.name))
  end
  return defaults
end

-- Refuses sizes that are none, of the file `where`, if a file says them.
local function check_sizes(self, values, where)
  config.check_sizes(values, COMMON_SIZES, where)
  config.check_sizes(values, self.sizes or {}, where)
end

---The configuration of a run.
---@param given table preset, set, seed, data as on the command line
---@param default_preset string used where the script has a preset of this name
---@param base table? values to start from instead of the script's with its preset
---@return table values
---@return string? preset
function Experiment:resolve(given, default_preset, base)
  local preset = given.preset or self.presets[default_preset] and default_preset or nil
  local values = base and config.resolve(base, {}, nil, given.set, self.variants)
    or config.resolve(all_defaults(self, given), self.presets, preset, given.set, self.variants)
  if given.seed then values.seed = given.seed end
  if given.data then
    values.path = given.data
    values.dataset = CAPTURES[values.dataset] or values.dataset
  end
  check_sizes(self, values)
  return values, preset
end

---The configuration of a run as it was stored, with the defaults of keys that the run did not know.
---@param values table
---@param where string the file that has it, for messages
---@param preset string? that the run began with
---@return table values
function Experiment:adopt(values, where, preset)
  named_dataset.adapter(values.dataset, where)
  if preset and not self.presets[preset] then
    error(("%s: was started with preset '%s', which '%s' does not have; start a new run"):format(where, preset,
      self.name), 0)
  end
  local adopted = config.merge(self:resolve({ preset = preset, set = { "dataset=" .. values.dataset } }, ""), values,
    where)
  check_sizes(self, adopted, where)
  return adopted
end

---A run's configuration as it was stored, where no script tells what it may hold: what every run has and the dataset's
---own keys are of their types.
---@param values table
---@param where string for messages
---@return table values
function experiment.check_stored(values, where)
  local known = config.copy(COMMON)
  local key, own = named_dataset.keys(values.dataset, where)
  if key then known[key] = own end
  for name, value in pairs(values) do
    if known[name] == nil then known[name] = value end
  end
  config.check_sizes(values, COMMON_SIZES, where)
  return config.merge(known, values, where)
end

---The model, untrained; raises where it cannot learn from the dataset.
---@param values table configuration
---@param dataset table
---@return table model
function Experiment:make(values, dataset)
  if dataset.people and not self.people then
    error(("the dataset '%s' has several people in a frame, '%s' takes one; leave --set dataset= out, or run "
      .. "models/voxelpose.lua"):format(dataset.name, self.name), 0)
  end
  if self.people and not dataset.people then
    error(("the dataset '%s' has one person in a frame, '%s' looks for several in calibrated views; take "
      .. "--set dataset=people, or --set dataset=people_capture for footage"):format(dataset.name, self.name), 0)
  end
  mv.nn.manual_seed(values.seed)
  return self.build(values, dataset)
end

-- The dataset with what training sees of it.
local function for_training(self, model, values, dataset, bar)
  if not self.training_split then return dataset end
  local split = self.training_split(model, values, dataset, function(...) bar:show(...) end)
  return setmetatable({ train = split }, { __index = dataset })
end

-- A device that the driver gave up ends a run as an interruption does: false, and what happened.
local function run_stages(runner)
  local went_well, value = pcall(runner.run_all, runner)
  if went_well then return value end
  if not mv.core.device_is_lost() then error(value, 0) end
  return false, tostring(value)
end

---@class RunResult
---@field is_finished boolean
---@field loss string? why it is not: what the device was doing when it was lost
---@field checkpoint string? of a run that is not finished: the last one
---@field run RunDirectory
---@field rows table[] baselines, then stages
---@field values table configuration
---@field dataset table

---A run that has finished, read from its folder; its configuration must be the one asked for.
---@param given table as of run; out names the folder
---@return RunResult? nil where the folder holds no finished run
function Experiment:finished(given)
  self:check()
  if not mv.file.exists(given.out .. "/metrics.json") then return nil end
  local run = run_directory.open(given.out)
  local values, preset = past_run.configuration(self, run, given)
  local final, rows = run:read_metrics(), {}
  for _, list in ipairs { final.baselines, final.stages } do table.move(list, 1, #list, #rows + 1, rows) end
  if given.shared then shared_stages.remember_run(given.shared, run, self.stages) end
  return { run = run, values = values, preset = preset, is_finished = true, rows = rows }
end

---Trains and evaluates.
---@param given table preset, set, seed, data, out, resume as on the command line; runs: folder of runs;
---  progress: Progress; script: path of the model script; scripts: function returning {name, text} of every script
---  used; default_preset: string; shared: table of stages that runs of one command have in common
---@return RunResult
function Experiment:run(given)
  self:check()
  local bar, started = given.progress, mv.clock()
  local run, values, preset, saved
  if given.resume then
    run = run_directory.find(given.runs, self.name, given.out)
    values, preset = past_run.configuration(self, run, given)
    saved = past_run.checkpoint(self, run, values, function(message) bar:line("warning: " .. message) end)
  else
    values, preset = self:resolve(given, given.default_preset)
  end
  local files = outside_files.record(self.files, values)
  local dataset = named_dataset.open(values, preset, bar, given.resume and run.path .. "/config.json")
  local model = self:make(values, dataset)
  if self.initialise and not given.resume then self.initialise(model, values) end
  dataset = for_training(self, model, values, dataset, bar)
  if dataset.train.count < 1 then
    error(("the dataset '%s' has no training sample"):format(dataset.name or values.dataset), 0)
  end
  run = run or run_directory.create(given.runs, self.name, given.out)
  local past_seconds, past_evaluations = past_run.read_log(self, run, saved)
  if not given.resume then
    run:write_json("config.json", { experiment = self.name, preset = preset, script = given.script, config = values,
      files = files })
    run:write_scripts(given.scripts and given.scripts() or {})
  end
  bar:line(("%s%s, seed %d, dataset %s: %d training and %d test samples of %d views\n%s %s"):format(self.name,
    preset and " (" .. preset .. ")" or "", values.seed, dataset.name or values.dataset, dataset.train.count,
    dataset.test.count, dataset.views or 1, saved and "continuing " .. saved.path .. " in" or "writing",
    run.path .. "/"))
  local runner = stages.new { experiment = self, config = values, dataset = dataset, model = model, run = run,
    files = files, progress = bar, resume = saved, seconds_before = past_seconds, evaluate = judgement.stage }
  runner.evaluations = past_evaluations
  if given.shared and given.scripts then
    runner.sharing, runner.shared = shared_stages.find(runner, given.scripts()), given.shared
    shared_stages.remember_run(given.shared, run, self.stages) -- of a run that goes on
  end
  local is_finished, loss = run_stages(runner)
  local result = { run = run, values = values, preset = preset, dataset = dataset, is_finished = is_finished,
    loss = loss, rows = {} }
  if not result.is_finished then
    result.checkpoint = runner.last_checkpoint
    return result
  end
  result.rows = judgement.baselines(runner)
  local final = { experiment = self.name, preset = preset, seed = values.seed, dataset = dataset.name or values.dataset,
    baselines = { table.unpack(result.rows) }, stages = {}, seconds = 0 }
  for i, stage in ipairs(self.stages) do
    local row = runner.evaluations[stage.name]
    final.stages[i], final.seconds = row, final.seconds + (row.seconds or 0)
    result.rows[#result.rows + 1] = row
  end
  result.session_seconds = mv.clock() - started
  run:write_csv()
  run:write_json("metrics.json", final)
  return result
end

return setmetatable(experiment, { __call = function(_, name) return experiment.new(name) end })

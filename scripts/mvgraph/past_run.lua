-- A run that goes on where it was stopped: its configuration, its newest checkpoint, what its log knows.
local checkpoint = require "mvgraph.checkpoint"
local config = require "mvgraph.config"
local outside_files = require "mvgraph.outside_files"

local past_run = {}

---The stored configuration of a run that goes on; what the command line says must agree with it.
---@param self Experiment
---@param run RunDirectory
---@param given table as of Experiment:run
---@return table values
---@return string? preset
function past_run.configuration(self, run, given)
  local stored, path = run:read_config(), run.path .. "/config.json"
  if stored.experiment ~= self.name then
    error(("%s: is a run of '%s', not of '%s'"):format(run.path, stored.experiment, self.name), 0)
  end
  local asked = { preset = stored.preset, set = given.set, seed = given.seed, data = given.data }
  if given.preset and given.preset ~= stored.preset then
    error(("%s: was started with preset '%s', not '%s'; resume without --preset or start a new run"):format(
      run.path, tostring(stored.preset), given.preset), 0)
  end
  local values = self:adopt(stored.config, path, stored.preset)
  local key, was, now = config.difference(values, self:resolve(asked, "", values))
  if key then
    error(("%s: was started with %s = %s, not %s; resume without it or start a new run"):format(run.path, key,
      config.format(was), config.format(now)), 0)
  end
  outside_files.check_all(run.path, self.files, stored.files, values)
  return values, stored.preset
end

---The newest checkpoint of a run that fits it.
---@param self Experiment
---@param run RunDirectory
---@param values table its configuration
---@param warn fun(message: string)
---@return Checkpoint?
function past_run.checkpoint(self, run, values, warn)
  local saved = checkpoint.load_newest(run.checkpoints, warn)
  if not saved then return nil end
  if saved.metadata.config ~= checkpoint.encode_config(values) then
    error(("%s: its configuration is not that of %s/config.json; start a new run"):format(saved.path, run.path), 0)
  end
  if not self.stages[saved.position.stage] then
    error(("%s: ends in stage %d, '%s' has %d; start a new run"):format(saved.path, saved.position.stage, self.name,
      #self.stages), 0)
  end
  return saved
end

-- Whether a record was logged before a checkpoint.
local function is_before(record, position, stage_index)
  local stage = stage_index[record.stage]
  if not stage or stage > position.stage then return false end
  if stage < position.stage then return true end
  if record.event ~= "step" then return position.is_final end
  return position.is_final or record.epoch < position.epoch
    or record.epoch == position.epoch and record.step <= position.step
end

---What a run's log tells of the time before a checkpoint; what came after it is taken out of the log.
---@param self Experiment
---@param run RunDirectory
---@param saved Checkpoint?
---@return table<string, number> seconds of each stage
---@return table<string, table> evaluations of each stage
function past_run.read_log(self, run, saved)
  local index, seconds, evaluations = {}, {}, {}
  for i, stage in ipairs(self.stages) do index[stage.name] = i end
  local records = run:trim_log(function(record) return saved ~= nil and is_before(record, saved.position, index) end)
  for _, record in ipairs(records) do
    if record.event == "step" then seconds[record.stage] = record.seconds end
    if record.event == "evaluation" then evaluations[record.stage] = record.metrics end
  end
  return seconds, evaluations
end

return past_run

-- What trained stages and baselines are worth: predictions of the test split, kept and scored.
local evaluation = require "mvgraph.evaluation"
local mv = require "mvgraph"
local stages = require "mvgraph.stages"

local judgement = {}

local function joint_names(self, object)
  local names = object.joints or self.joints
  if not names then
    error("predictions need the names of their joints: set `joints` on the stage's object or on the experiment", 0)
  end
  return names
end

local function measure(self, dataset)
  return { root = self.root, metrics = self.metrics, keypoints = dataset.skeleton and dataset.skeleton.joints }
end

local function encode_names(names)
  return mv.json.encode(mv.json.array and mv.json.array(names) or names)
end

-- What the object predicts of the test split, kept, and its score.
local function judge(runner, stage, object, batch)
  local self, split = runner.experiment, runner.dataset.test
  local predictions = stages.predict(function(indices) return object:predict(split, indices) end, split.count, batch)
  local names = joint_names(self, object)
  local refitted = object.refit and object:refit(split, predictions)
  if refitted then
    local before = evaluation.score(predictions, names, split, measure(self, runner.dataset))
    runner.progress:line(("%s, before the refit: %s"):format(stage.name, evaluation.line(before)))
    predictions = refitted
  end
  local row, errors = evaluation.score(predictions, names, split, measure(self, runner.dataset))
  if self.pose_structure then
    local scores = evaluation.structure(predictions, names, split, runner.dataset.train, self.pose_structure)
    for field, percent in pairs(scores) do row[field] = percent end
  end
  if errors then predictions.error = mv.array.from(errors, { #errors }) end
  mv.safetensors.save(runner.run.path .. "/predictions.safetensors", predictions, {
    stage = stage.name, frame_ids = encode_names(split.frame_ids), joints = encode_names(names),
    rate = split.rate and tostring(split.rate), root = self.root,
    metrics = self.metrics and encode_names(self.metrics) })
  return row
end

---Evaluates a trained stage, logs it and keeps its predictions, if it predicts.
---@param runner Runner
---@param stage table
---@param object table the stage's
---@param trained { batch: integer, seconds: number?, overall: integer? } seconds and steps that its training took
---@param key string? of a stage that runs may share
function judgement.stage(runner, stage, object, trained, key)
  runner.progress:close()
  local row = object.predict and judge(runner, stage, object, trained.batch) or {}
  row.name, row.seconds = stage.name, trained.seconds
  runner.run:log { event = "evaluation", stage = stage.name, overall = trained.overall, metrics = row,
    seconds = trained.seconds, key = key }
  runner.evaluations[stage.name] = row
  runner.progress:line(("%s: %s"):format(stage.name, evaluation.line(row)))
end

---Scores of the experiment's baselines, none where the test split has no reference.
---@param runner Runner
---@return table[] rows
function judgement.baselines(runner)
  local self, rows, split = runner.experiment, {}, runner.dataset.test
  for _, baseline in ipairs(split.reference and self.baselines or {}) do
    local object = baseline.setup(runner:context(baseline))
    local predictions = stages.predict(function(indices) return object:predict(split, indices) end, split.count,
      math.min(split.count, 64))
    local row = evaluation.score(predictions, joint_names(self, object), split, measure(self, runner.dataset))
    row.name = baseline.name
    rows[#rows + 1] = row
  end
  return rows
end

return judgement

-- The stage runner: epochs, shuffled batches, checkpoints, resume, evaluation. What a step computes is the stage's.
local checkpoint = require "mvgraph.checkpoint"
local mv = require "mvgraph"
local program_meter = require("mvgraph.program").meter
local shared_stages = require "mvgraph.shared_stages"

local stages = {}

local MODEL <const>, STAGE <const> = "model.", "stage."

---@class Context what a stage's setup gets
---@field config table resolved configuration
---@field dataset table
---@field model table what the experiment's build returned
---@field seed integer
---@field stage string name
---@field is_predicting boolean? the object needs `predict` and `joints` alone
local Context = {}
Context.__index = Context

---Shows how far a long preparation is; cheap enough to call often.
---@param label string
---@param done integer
---@param total integer
function Context:report(label, done, total)
  local bar = self.progress
  bar:show(label, done, total)
  if not self.has_noted_interrupt and mv.core.interrupted() then
    self.has_noted_interrupt = true
    bar:line("interrupted: stopping after this preparation")
  end
end

---Prints a line above the progress bar.
function Context:print(message, ...)
  self.progress:line(message:format(...))
end

---A random generator that depends on the seed and the tag alone.
---@param tag string
function Context:generator(tag)
  return mv.generator(self.seed):fork(tag)
end

---@class Runner
local Runner = {}
Runner.__index = Runner

---@param settings table
---  experiment (name, stages), config, dataset, model, run RunDirectory, progress, resume (a loaded checkpoint or nil),
---  files (of outside_files.record), sharing table of stages that may be shared, shared table of those that are known;
---  see shared_stages
function stages.new(settings)
  local self = setmetatable(settings, Runner)
  self.config_text = checkpoint.encode_config(self.config)
  self.evaluations, self.sharing, self.shared = {}, self.sharing or {}, self.shared or {}
  self.files = self.files or {}
  return self
end

function Runner:context(stage)
  return setmetatable({ config = self.config, dataset = self.dataset, model = self.model, seed = self.config.seed,
    stage = stage.name, progress = self.progress }, Context)
end

local function value_of(setting, values, fallback, ...)
  if type(setting) == "function" then setting = setting(values, ...) end
  if setting == nil then return fallback end
  return setting
end

---Samples of a step.
---@param stage table
---@return integer
function Runner:batch(stage)
  return value_of(stage.batch, self.config, self.config.batch or 1)
end

-- Batches are always full, so that one compiled shape serves: what does not fill one waits for another epoch's order,
-- and a set smaller than a batch repeats.
local function epoch_order(seed, stage_name, epoch, count, batch)
  local order = {}
  for i = 1, math.max(count, batch) do order[i] = (i - 1) % count end
  mv.generator(seed):fork(("order/%s/%d"):format(stage_name, epoch)):shuffle(order)
  return order
end

local function prefixed(tensors, prefix, into)
  for name, array in pairs(tensors) do into[prefix .. name] = array end
end

local function without_prefix(tensors, prefix)
  local own = {}
  for name, array in pairs(tensors) do
    if name:sub(1, #prefix) == prefix then own[name:sub(#prefix + 1)] = array end
  end
  return own
end

-- Calls object:load(arrays); what it refuses is told of the checkpoint.
local function load_into(object, load, arrays, saved)
  local is_loaded, problem = pcall(load, object, arrays)
  if not is_loaded then
    error(("%s: does not fit the model: %s; leave the model's configuration keys as they were"):format(saved.path,
      tostring(problem)), 0)
  end
end

---Takes the model's arrays from a checkpoint.
---@param model table
---@param saved Checkpoint
function stages.load_weights(model, saved)
  load_into(model, model.load_state_dict, without_prefix(saved.tensors, MODEL), saved)
end

local function check_finite(tensors, place)
  for name, array in pairs(tensors) do
    if array.dtype ~= "u8" and array.dtype ~= "i32" and not array:is_finite() then
      error(("%s: '%s' holds NaN or infinity, so no checkpoint is written; the one before is intact. Lower the "
        .. "learning rate or look at the data of the last batches"):format(place, name), 0)
    end
  end
end

function Runner:save(position, stage, object)
  local tensors = {}
  prefixed(self.model:state_dict(), MODEL, tensors)
  if object.state then prefixed(object:state(), STAGE, tensors) end
  check_finite(tensors, ("stage '%s', epoch %d, step %d"):format(stage.name, position.epoch, position.step))
  self:write_checkpoint(position, stage, tensors)
end

function Runner:write_checkpoint(position, stage, tensors)
  self.last_checkpoint = checkpoint.save(self.run.checkpoints, position, stage.name, tensors,
    { experiment = self.experiment.name, config = self.config_text, files = mv.json.encode(self.files) })
end

-- The end of a stage that another run has trained, as a checkpoint.
function Runner:take_over(entry, index, stage)
  local plan = self:plan(stage, 0)
  local position = { stage = index, epoch = plan.epochs + 1, step = 0, has_begun = false, is_final = true }
  local tensors = shared_stages.take_over(entry, self, stage)
  self:write_checkpoint(position, stage, tensors)
  self.run:log { event = "evaluation", stage = stage.name, overall = plan.epochs * plan.steps, metrics = entry.row,
    seconds = entry.row.seconds, key = self.sharing[index].key, trained_by = entry.run.path }
  self.evaluations[stage.name] = entry.row
  self.progress:line(("%s: as %s trained it, everything it depends on is the same"):format(stage.name, entry.run.path))
  return { path = entry.path, position = position, tensors = tensors }
end

-- Makes the stage's object, with the state of a checkpoint where there is one.
function Runner:prepare(stage, saved)
  if saved then stages.load_weights(self.model, saved) end
  local object = stage.setup(self:context(stage))
  if saved then
    stages.load_weights(self.model, saved)
    if object.load_state then load_into(object, object.load_state, without_prefix(saved.tensors, STAGE), saved) end
  end
  return object
end

local function sorted_losses(losses)
  local fields = {}
  for name, value in pairs(losses) do fields[#fields + 1] = { name, value } end
  table.sort(fields, function(a, b) return a[1] < b[1] end)
  return fields
end

function Runner:check_losses(losses, place, indices)
  for name, value in pairs(losses) do
    if value ~= value or value == math.huge or value == -math.huge then
      local samples = {}
      for i, index in ipairs(indices) do samples[i] = tostring(self.dataset.train.frame_ids[index + 1] or index) end
      error(("%s: loss '%s' is %s\n  batch: samples %s\n  %s\n  Try a lower learning rate, or look at these samples.")
        :format(place, name, tostring(value), table.concat(samples, ", "), self.last_checkpoint
          and "the checkpoint before it is intact: " .. self.last_checkpoint or "there was no checkpoint yet"), 0)
    end
  end
end

local function is_interrupted()
  return mv.core.interrupted()
end

local function batch_indices(order, step, plan)
  return table.move(order, (step - 1) * plan.batch + 1, step * plan.batch, 1, {})
end

-- One epoch from `position.step` on; false when interrupted.
function Runner:run_epoch(stage, object, position, plan)
  local bar = self.progress
  if not position.has_begun then
    local is_heavy = object.epoch_begin and object:epoch_begin(position.epoch)
    position.has_begun = true
    if is_heavy then self:save(position, stage, object) end
    if is_interrupted() then
      self:save(position, stage, object)
      return false
    end
  end
  local order = epoch_order(self.config.seed, stage.name, position.epoch, plan.count, plan.batch)
  local before = (position.epoch - 1) * plan.steps
  bar:begin(stage.name, plan.epochs * plan.steps, before + position.step, "samples", plan.batch)
  for step = position.step + 1, plan.steps do
    local indices = batch_indices(order, step, plan)
    local overall = before + step
    local lr = plan.lr(overall - 1, plan.epochs * plan.steps)
    local began, computed = mv.clock(), program_meter.seconds
    local losses = object:step(indices, lr, overall)
    if object.prepare and step < plan.steps then object:prepare(batch_indices(order, step + 1, plan), overall + 1) end
    if type(losses) == "function" then losses = losses() end
    plan.taken = plan.taken + 1
    plan.step_seconds = plan.step_seconds + mv.clock() - began
    plan.computing_seconds = plan.computing_seconds + program_meter.seconds - computed
    self:check_losses(losses, ("stage '%s', epoch %d, step %d"):format(stage.name, position.epoch, step), indices)
    position.step = step
    bar:update(overall, ("epoch %d/%d"):format(position.epoch, plan.epochs), sorted_losses(losses))
    if overall % self.config.log_every == 0 or step == plan.steps then
      self.run:log { event = "step", stage = stage.name, epoch = position.epoch, step = step, overall = overall,
        lr = lr, losses = losses, seconds = plan.seconds_before + mv.clock() - plan.started }
    end
    local is_stopping = is_interrupted()
    if overall < plan.epochs * plan.steps then
      if is_stopping or overall % self.config.checkpoint_every == 0 then self:save(position, stage, object) end
      if is_stopping then return false end
    end
  end
  return true
end

function Runner:plan(stage, seconds_before)
  local values = self.config
  local count, batch = self.dataset.train.count, self:batch(stage)
  local rate, steps = stage.lr, math.max(count // batch, 1)
  return {
    epochs = value_of(stage.epochs, values, 1, steps), count = count, batch = batch, steps = steps,
    lr = type(rate) == "function" and function(step, total) return rate(values, step, total) end
      or function() return rate or 0 end,
    seconds_before = seconds_before, started = mv.clock(), taken = 0, step_seconds = 0, computing_seconds = 0,
  }
end

-- What a step took, and how much of it was a program's run: the rest prepared its batch.
function Runner:report_speed(stage, plan)
  if plan.taken == 0 then return end
  local step_ms, computing = plan.step_seconds / plan.taken * 1e3, plan.computing_seconds / plan.step_seconds
  self.run:log { event = "speed", stage = stage.name, steps = plan.taken, step_ms = step_ms, computing = computing }
  self.progress:line(("%s: %d steps of %.1f ms, %.0f %% of it computing"):format(stage.name, plan.taken, step_ms,
    100 * computing))
end

-- Trains a stage from `position`; false when interrupted.
function Runner:train(stage, object, position, plan)
  if object.train_begin then object:train_begin() end
  while position.epoch <= plan.epochs do
    if not self:run_epoch(stage, object, position, plan) then return false end
    position.epoch, position.step, position.has_begun = position.epoch + 1, 0, false
  end
  position.is_final = true
  self:save(position, stage, object)
  self.progress:close()
  self:report_speed(stage, plan)
  return true
end

---Runs a predictor over a split in batches of one size.
---@param predict fun(indices: integer[]): table<string, Array> rows in the order of the indices
---@param count integer samples
---@param batch integer
---@return table<string, Array> predictions [count, ...]
function stages.predict(predict, count, batch)
  local whole = {}
  for first = 0, count - 1, batch do
    local indices = {}
    for i = 1, batch do indices[i] = math.min(first + i - 1, count - 1) end
    local used = math.min(batch, count - first)
    for name, array in pairs(predict(indices)) do
      if not whole[name] then
        local shape = array.shape
        shape[1] = count
        whole[name] = mv.array(shape, array.dtype)
      end
      whole[name]:narrow(first, used):copy_(array:narrow(0, used))
    end
  end
  return whole
end

-- The key under which other runs may take the stage over that has just ended.
function Runner:sharing_key(index, stage)
  local sharing = self.sharing[index]
  if not sharing then return nil end
  if shared_stages.kept_others(sharing, self.model) then return sharing.key end
  self.progress:line(("%s: other runs do not share it; it changed more of the model than its `reuse` names"):format(
    stage.name))
end

---Trains and evaluates what is left to do.
---@return boolean is_finished false when interrupted
function Runner:run_all()
  self.progress.defers_interrupts = true
  local is_finished = self:run_stages()
  self.progress.defers_interrupts = false
  return is_finished
end

function Runner:run_stages()
  local saved = self.resume
  local first = saved and saved.position.stage or 1
  if saved then self.last_checkpoint = saved.path end
  for k = first, #self.experiment.stages do
    if k > first and is_interrupted() then return false end
    local stage = self.experiment.stages[k]
    local entry = not saved and self.sharing[k] and self.shared[self.sharing[k].key]
    if entry then saved = self:take_over(entry, k, stage) end
    local position = { stage = k, epoch = 1, step = 0, has_begun = false, is_final = false }
    if saved then position = saved.position end
    local is_done = position.is_final and self.evaluations[stage.name] and k < #self.experiment.stages
    if not is_done then
      local plan = self:plan(stage, self.seconds_before and self.seconds_before[stage.name] or 0)
      local object = self:prepare(stage, saved)
      if not position.is_final and not self:train(stage, object, position, plan) then return false end
      local seconds = plan.seconds_before + (saved and saved.position.is_final and 0 or mv.clock() - plan.started)
      local key = self:sharing_key(k, stage)
      self:evaluate(stage, object, { batch = plan.batch, seconds = seconds, overall = plan.epochs * plan.steps }, key)
      if key then shared_stages.remember(self.shared, key, self.run, k, stage.name, self.evaluations[stage.name]) end
    else
      stages.load_weights(self.model, saved)
    end
    saved = nil
  end
  return true
end

return stages

-- What stages of experiments do alike: a training step as one program, batches made while the device works on the one
-- before, the optimizer's state, learning rates. A model's stage is a class on top: what it adds is said at Stage.

local mv = require "mvgraph"
local options = require "mvgraph.core.options"
local stages = require "mvgraph.stages"

local training = {}

local WARMUP_SHARE <const> = 0.05
local PLAIN_SCHEDULES <const>, SCHEDULES <const> = { "constant", "cosine" }, { "constant", "cosine", "milestones" }

---Epochs of a stage: as configured, or where that is 0 as many as the wanted number of steps takes.
---@param wanted { epochs: integer, steps: integer }
---@param steps integer of an epoch
function training.epochs(wanted, steps)
  return wanted.epochs > 0 and wanted.epochs or math.max(1, math.ceil(wanted.steps / steps))
end

---The rate of a step, from 0: constant, a tenth after each milestone, or a short warm-up and half a cosine.
---@param schedule "constant"|"milestones"|"cosine"
---@param lr number
---@param step integer
---@param total integer
---@param milestones number[]? shares of all steps
function training.learning_rate(schedule, lr, step, total, milestones)
  options.choose("schedule", schedule, milestones and SCHEDULES or PLAIN_SCHEDULES)
  if schedule == "constant" then
    return lr
  end
  if schedule == "milestones" then
    for _, share in ipairs(milestones) do
      lr = step >= share * total and lr / 10 or lr
    end
    return lr
  end
  local warmup = math.max(1, WARMUP_SHARE * total)
  if step < warmup then
    return lr * (step + 1) / warmup
  end
  return lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup)))
end

---Epochs and rates of a stage whose part of the configuration is `key`: epochs, steps and lr, and milestones where they
---are not those of all stages.
---@param key string
---@return fun(config: table, steps: integer): integer epochs
---@return fun(config: table, step: integer, total: integer): number lr
function training.schedule(key)
  local function epochs(config, steps)
    return training.epochs(config[key], steps)
  end
  local function lr(config, step, total)
    local own = config[key]
    return training.learning_rate(config.schedule, own.lr, step, total, own.milestones or config.milestones)
  end
  return epochs, lr
end

---The shape of a batch's pictures.
---@param self TrainingStage
function training.pictures(self)
  local side = self.config.image
  return { images = { self.config.batch, self.data.views, 3, side, side } }
end

---Inputs of a program, by name, from tables of shapes.
function training.specs(...)
  local given = {}
  for _, shapes in ipairs { ... } do
    for name, shape in pairs(shapes) do
      given[name] = { shape = shape }
    end
  end
  return given
end

---A stage's object, as the runner wants it. A class of stages has besides its fields
---  losses(self, given)            tensors by name, `loss` is what is minimised
---  estimate(self, given)          tensors by name that `predict` reads
---  batch(self, indices, overall)  arrays of a step by name, as compile_step was told
---@class TrainingStage
---@field name string
---@field ctx Context
---@field config table seed, clip: the largest common norm of the gradients, 0 for any
---@field model Module
---@field trained Module what of it learns
---@field data table dataset
local Stage = {}
Stage.__index = Stage

---The training step of batches of one size, by an optimizer that updates self.trained.
---@param optimizer Optimizer
---@param shapes table<string, integer[]> of a batch's arrays
---@param given ProgramOptions?
function Stage:compile_step(optimizer, shapes, given)
  local config = self.config
  self.optimizer, self.parameters = optimizer, self.trained:parameters()
  self.scaler = mv.optim.GradScaler { enabled = given and given.precision == "f16" or false }
  self.model:eval()
  self.trained:train() -- what is frozen neither drops nor tracks
  self.train_program = mv.program(self.name .. "_train", training.specs(shapes, { lr = {} }), function(inputs)
    local terms = self:losses(inputs)
    local gradients = self.scaler:unscale(mv.grad(self.scaler:scale(terms.loss), self.parameters))
    if config.clip > 0 then
      gradients = mv.optim.clip_grad_norm_(gradients, config.clip)
    end
    self.scaler:step(self.optimizer, gradients, inputs.lr)
    return terms
  end, given)
  self.train_program:compile()
end

---@param shapes table<string, integer[]> of what `estimate` is given
function Stage:compile_prediction(shapes)
  self.model:eval()
  self.predict_program = mv.program(self.name .. "_predict", training.specs(shapes), function(given)
    return self:estimate(given)
  end)
  self.predict_program:compile()
end

---Makes the batch of the step that follows.
function Stage:prepare(indices, overall)
  self.prepared = { overall = overall, batch = self:batch(indices, overall) }
end

function Stage:step(indices, lr, overall)
  local is_prepared = self.prepared and self.prepared.overall == overall
  local batch = is_prepared and self.prepared.batch or self:batch(indices, overall)
  self.prepared = nil
  batch.lr, batch.rng_step = lr, overall
  local run = self.train_program:start(batch)
  return function()
    local terms = {}
    for name, value in pairs(run:wait()) do
      terms[name] = value[1]
    end
    return terms
  end
end

---What a program says of all training samples.
---@param run fun(indices: integer[]): table<string, Array>
---@param label string of the progress bar
---@return table<string, Array>
function Stage:run_all(run, label)
  local count, done = self.data.train.count, 0
  return stages.predict(function(indices)
    local rows = run(indices)
    done = math.min(done + #indices, count)
    self.ctx:report(("%s: %s"):format(self.name, label), done, count)
    return rows
  end, count, self.config.batch)
end

---What a checkpoint keeps besides the model.
function Stage:state()
  local state = {}
  for _, part in ipairs { "optimizer", "scaler" } do
    for name, array in pairs(self[part]:state_dict()) do
      state[part .. "." .. name] = array
    end
  end
  return state
end

function Stage:load_state(state)
  for _, part in ipairs { "optimizer", "scaler" } do
    local own = {}
    for name, array in pairs(state) do
      local key = name:match("^" .. part .. "%.(.+)$")
      if key then
        own[key] = array
      end
    end
    self[part]:load_state_dict(own)
  end
end

---@param name string of the stage
---@param base table? class to build on
function training.class(name, base)
  local made = setmetatable({ name = name }, { __index = base or Stage })
  made.__index = made
  return made
end

training.Stage = Stage

return training

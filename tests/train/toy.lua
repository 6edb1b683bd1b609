-- Two stages of linear regression on the host with momentum, noise and a store: what a resume must bring back.
local mv = require "mvgraph"

local M = mv.experiment "toy"

M.config = { samples = 40, batch = 4, epochs = 6, lr = 0.05, momentum = 0.9, noise = 0.01, work = 0, poison = 0,
  checkpoint_every = 7, log_every = 5 }
M.presets = { tiny = {}, large = { samples = 80 } }
M.dataset = "toy"
M.joints = { "pelvis", "head", "nose" }
M.root = "pelvis"

local Model = {}
Model.__index = Model

function Model:state_dict() return { weight = self.weight, bias = self.bias } end

local function copy_into(own, state)
  for name, array in pairs(own) do
    local given = state[name]
    local is_same = given and given.dtype == array.dtype and #given == #array and given.shape[1] == array.shape[1]
    if not is_same then error(("'%s' is missing or of another shape"):format(name), 0) end
    array:copy_(given)
  end
end

function Model:load_state_dict(state) copy_into(self:state_dict(), state) end

function M.build(config)
  local model = setmetatable({ weight = mv.array { 3, 4 }, bias = mv.array { 3 } }, Model)
  mv.generator(config.seed):fork("init"):fill_uniform(model.weight, -0.1, 0.1)
  return model
end

local function predict_one(model, inputs, i, d)
  local sum = model.bias[d + 1]
  for k = 0, 3 do sum = sum + model.weight:at(d, k) * inputs:at(i, k) end
  return sum
end

local Trainer = {}
Trainer.__index = Trainer

function Trainer:epoch_begin(epoch)
  self.store:fill(self.store[1] + epoch)
  return epoch % 2 == 0
end

function Trainer:step(indices, lr, overall)
  local model, inputs = self.ctx.model, self.ctx.dataset.train.inputs
  local random = self.ctx:generator("noise/" .. overall)
  local loss, waste = 0, 0
  for _ = 1, self.ctx.config.work do waste = waste + 1 end
  for d = 0, 2 do
    for k = 0, 3 do self.moment:put(self.moment:at(d, k) * self.ctx.config.momentum, d, k) end
    for _, i in ipairs(indices) do
      local target = self.ctx.dataset.train.reference:at(i, 1, d) + random:normal(0, self.ctx.config.noise)
      local error_here = predict_one(model, inputs, i, d) - target
      loss = loss + error_here * error_here
      for k = 0, 3 do
        self.moment:put(self.moment:at(d, k) + error_here * inputs:at(i, k) / #indices, d, k)
      end
    end
    for k = 0, 3 do model.weight:put(model.weight:at(d, k) - lr * self.moment:at(d, k), d, k) end
  end
  if overall == self.ctx.config.poison then loss = 0 / 0 end
  return { loss = loss }
end

function Trainer:predict(split, indices)
  local joints = mv.array { #indices, 3, 3 }
  for row, i in ipairs(indices) do
    for d = 0, 2 do
      local value = predict_one(self.ctx.model, split.inputs, i, d)
      joints:put(value, row - 1, 1, d)
      joints:put(value / 2, row - 1, 2, (d + 1) % 3)
    end
  end
  return { joints = joints }
end

function Trainer:state() return { moment = self.moment, store = self.store } end

function Trainer:load_state(state) copy_into(self:state(), state) end

local function setup(ctx)
  return setmetatable({ ctx = ctx, moment = mv.array { 3, 4 }, store = mv.array { 1 } }, Trainer)
end

local function rate(config, step, total) return config.lr * (1 - step / total) end

M.stages = {
  { name = "first", epochs = function(config) return config.epochs end, lr = rate, setup = setup },
  { name = "second", epochs = 2, batch = 8, lr = 0.01, setup = setup },
}

return M

-- Linear regression in a program on the device, with dropout and moments: what losing the device must not change.
local mv = require "mvgraph"
local nn = mv.nn

local M = mv.experiment "fit"
M.config = { samples = 24, batch = 4, checkpoint_every = 4 }
M.dataset = "toy"
M.joints = { "pelvis", "head", "nose" }
M.root = "pelvis"

function M.build()
  return nn.Sequential(nn.Linear(4, 16), nn.Dropout(0.1), nn.Linear(16, 3))
end

local Stage = {}
Stage.__index = Stage

function Stage:step(indices, lr, overall)
  local train = self.ctx.dataset.train
  local target = train.reference:gather(indices):narrow(0, #indices)
  local results = self.program { x = train.inputs:gather(indices), y = target, lr = lr, rng_step = overall,
    rng_seed = self.ctx.seed }
  return { loss = results.loss[1] }
end

function Stage:state() return self.optimizer:state_dict() end

function Stage:load_state(state) self.optimizer:load_state_dict(state) end

function Stage:predict(_, indices)
  return { joints = mv.array { #indices, 3, 3 } }
end

M.stages = { { name = "fit", epochs = 3, lr = 1e-2, setup = function(ctx)
  local parameters, batch = ctx.model:parameters(), ctx.config.batch
  local optimizer = mv.optim.Adam(parameters, { lr = 1e-2 })
  local inputs = { x = { shape = { batch, 4 } }, y = { shape = { batch, 3, 3 } }, lr = {} }
  local program = mv.program("fit_train", inputs, function(given)
    local loss = mv.F.mse_loss(ctx.model(given.x), given.y:sum { 1 })
    optimizer:step(mv.grad(loss, parameters), given.lr)
    return { loss = loss }
  end)
  return setmetatable({ ctx = ctx, program = program, optimizer = optimizer }, Stage)
end } }

return M

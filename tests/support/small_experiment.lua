-- A small experiment whose one stage is a program: what commands about programs are tried on. Its text is a script.
return [[
local mv = require "mvgraph"
local nn = mv.nn
local M = mv.experiment "small"
M.config = { batch = 64, width = 32, poison = 0, recompute = {}, precision = "f32" }
M.dataset = "small"

package.preload["datasets.small"] = function()
  return { open = function()
    local split = { count = 256, images = mv.array({ 256, 1, 2, 2, 3 }, "u8"), keypoints = mv.array { 256, 1, 1, 3 },
      crop = mv.array { 256, 1, 3 }, frame_ids = {}, inputs = mv.array { 256, 8 }, targets = mv.array { 256, 1 } }
    local random = mv.generator(3)
    random:fill_normal(split.inputs, 0, 1)
    for i = 1, 256 do
      split.targets[i] = split.inputs:at(i - 1, 0) - split.inputs:at(i - 1, 1)
      split.frame_ids[i] = ("frame %d"):format(i)
    end
    return { name = "small", views = 1, train = split, test = split }
  end }
end

function M.build(config)
  return nn.Sequential(nn.Linear(8, config.width), nn.ReLU(), nn.Linear(config.width, 1))
end

local Stage = {}
Stage.__index = Stage

function Stage:step(indices, lr)
  local train, results = self.ctx.dataset.train, {}
  local batch = { x = train.inputs:gather(indices), y = train.targets:gather(indices), lr = lr }
  for name, value in pairs(self.program(batch)) do results[name] = value[1] end
  return results
end

function Stage:predict(_, indices)
  return { joints = mv.array { #indices, 1, 3 } }
end

M.joints = { "pelvis" }

M.stages = { { name = "fit", epochs = 2, lr = 1e-2, setup = function(ctx)
  local config, parameters = ctx.config, ctx.model:parameters()
  local optimizer = mv.optim.Adam(parameters, { lr = 1e-2 })
  local program = mv.program("fit_train", { x = { shape = { config.batch, 8 } }, y = { shape = { config.batch, 1 } },
    lr = {} }, function(given)
    local loss = mv.F.mse_loss(ctx.model(given.x), given.y)
    if config.poison > 0 then loss = loss + mv.with_path("poisoned", function() return (loss * -1 - 1):log() end) end
    optimizer:step(mv.grad(loss, parameters), given.lr)
    return { loss = loss }
  end, { recompute = config.recompute, precision = config.precision, halves = { "" } })
  program:compile()
  return setmetatable({ ctx = ctx, program = program }, Stage)
end } }

return M
]]

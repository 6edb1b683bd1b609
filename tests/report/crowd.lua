-- Predictions of several people: the truth of generated samples and some noise. What is "trained" is one number.
local mv = require "mvgraph"

local M = mv.experiment "crowd"

M.dataset, M.people = "people", true
M.config = { noise = 0.03, views = 3, image = 64, steps = 4, batch = 2, log_every = 1,
  data = { train_count = 2, test_count = 8 } }

local Model = {}
Model.__index = Model

function Model:state_dict() return { value = self.value } end

function Model:load_state_dict(state) self.value:copy_(state.value) end

function M.build()
  return setmetatable({ value = mv.array { 1 } }, Model)
end

local Stage = {}
Stage.__index = Stage

function Stage:step(_, lr)
  local value = self.ctx.model.value
  value[1] = value[1] - lr * 2 * (value[1] - 1)
  return { loss = (value[1] - 1) ^ 2 + 1e-3 }
end

function Stage:predict(split, indices)
  local people, random = split.people:gather(indices), self.ctx:generator "noise"
  local n, count = people.shape[1], people.shape[2]
  local scores = mv.array { n, count }
  for row = 0, n * count - 1 do
    local pose = people:reshape { n * count, -1 }:row(row)
    scores[row + 1] = pose[1] == pose[1] and 0.9 or -1
    for i = 1, #pose do pose[i] = pose[i] == pose[i] and pose[i] + random:normal(0, self.ctx.config.noise) or 0 end
  end
  return { people = people, scores = scores, reprojection = split.oracle.keypoints:gather(indices) }
end

M.stages = { {
  name = "pretence",
  epochs = function(config) return config.steps end,
  lr = 0.02,
  setup = function(ctx) return setmetatable({ ctx = ctx, joints = ctx.dataset.skeleton.joints }, Stage) end,
} }

return M

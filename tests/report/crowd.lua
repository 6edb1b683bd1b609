-- Predictions of several people: the truth of generated samples and some noise.
local mv = require "mvgraph"
local pretence = require "pretence"

local M = mv.experiment "crowd"

M.dataset, M.people = "people", true
M.config = { noise = 0.03, views = 3, image = 64, steps = 4, batch = 2, log_every = 1,
  data = { train_count = 2, test_count = 8 } }

local function predict(self, split, indices)
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

M.build = pretence.build
M.stages = { pretence.stage(predict) }

return M

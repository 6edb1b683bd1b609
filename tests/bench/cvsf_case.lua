-- What the cases of cross-view self-fusion's two phases share: the model of preset `paper` on a detector's keypoints,
-- some of them missing. Where two peaks of a heatmap are about as high, rounding decides between them, and Adam's first
-- steps, as long as the rate, carry the difference on: the rate is a tenth of the preset's.
local mv = require "mvgraph"
local Fusion = require "cvsf.fusion"
local experiment = require "cvsf"

local SKELETON <const> = "body_25b" -- what the synthetic dataset has

-- A body of random proportions, seen by cameras that stand round it, as an imperfect detector finds it.
local function draw_keypoints(batch, views, count)
  local random, keypoints = mv.generator(3), mv.array { batch, views, count, 3 }
  for i = 0, batch - 1 do
    local body = mv.array { count, 3 }
    random:fill_normal(body, 0, 0.3)
    for view = 0, views - 1 do
      local m = mv.geometry.rotation_y(2 * math.pi * view / views)
      for k = 0, count - 1 do
        local x, y = mv.geometry.apply(m, body:at(k, 0), body:at(k, 1), body:at(k, 2))
        local is_missing = random:uniform(0, 1) < 0.05
        keypoints:put(is_missing and 0 or x + random:normal(0, 0.02), i, view, k, 0)
        keypoints:put(is_missing and 0 or y + random:normal(0, 0.02), i, view, k, 1)
        keypoints:put(is_missing and 0 or random:uniform(0.6, 1), i, view, k, 2)
      end
    end
  end
  return keypoints
end

---@param batch integer samples of four views
---@param phase string "first" or "second": whose weights the losses have
return function(batch, phase)
  local config = experiment:resolve({ preset = "paper" }, "paper")
  local skeleton = mv.skeletons.get(SKELETON)
  local model = experiment.build(config, { skeleton = skeleton })
  local stage = setmetatable({ model = model, config = config, refines = true }, Fusion)
  local weights, parameters = config.weights[phase], model:parameters()
  return {
    inputs = {
      keypoints = draw_keypoints(batch, config.views, #skeleton.joints),
      w1 = mv.array.from({ weights[1] }, {}), w2 = mv.array.from({ weights[2] }, {}),
    },
    states = model:state_dict(),
    parameters = parameters,
    optimizer = mv.optim.Adam(parameters, { lr = 0.1 * config.lifting.lr, weight_decay = config.weight_decay }),
    loss = function(given) return stage:losses(given).loss end,
  }
end

-- Before the paper's method begins: both branches start from a network that finds 2D poses (there one trained on MPII).
-- Here it learns a detector's keypoints in the training pictures; the depth of its volume means nothing yet.

local mv = require "mvgraph"
local stage = require "epipolarpose.stage"
local training = require "mvgraph.training"
local ops = mv.ops

local Pose2D = training.class("pose-2d", stage.Stage)

-- Keypoints that count as targets: x, y, no depth, confidence.
local function targets_of(keypoints, lambda)
  local shape = keypoints.shape
  local targets = mv.array { shape[1], shape[2], shape[3], 4 }
  for i = 0, #keypoints // 3 - 1 do
    local confidence = keypoints[3 * i + 3]
    if confidence >= lambda then
      targets[4 * i + 1], targets[4 * i + 2] = keypoints[3 * i + 1], keypoints[3 * i + 2]
      targets[4 * i + 4] = confidence
    end
  end
  return targets
end

function Pose2D:train_begin()
  self.targets = targets_of(self.data.train.keypoints, self.config.lambda)
end

function Pose2D:losses(given)
  return { loss = stage.loss(self:volume(given.images), given.targets, 2, self.config.loss_scale) }
end

---A flat pose: nobody has told this branch what depth is.
function Pose2D:estimate(given)
  local volume = self:volume(given.images)
  local flat = ops.concat({ volume:slice(2, 0, 2), ops.zeros_like(volume:slice(2, 2, 1)) }, 2)
  return self:to_camera(flat, given)
end

local epochs, lr = training.schedule "pose_2d"

return {
  class = Pose2D,
  stage = {
    name = Pose2D.name,
    reuse = { modules = { "pose_2d" }, unread = { "supervision", "joints_2d", "triangulation", "ransac", "pose_3d",
      "refinement", "refine" } },
    epochs = epochs,
    lr = lr,
    setup = function(ctx)
      return stage.new(Pose2D, ctx, { branch = ctx.model.pose_2d, lr = ctx.config.pose_2d.lr })
    end,
  },
}

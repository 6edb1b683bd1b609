-- The paper's method (section 3): the 2D branch is frozen, says where joints are in every view, and epipolar geometry
-- makes 3D poses of that, which the other branch, begun as its copy, learns from single pictures.

local mv = require "mvgraph"
local pseudo_labels = require "epipolarpose.pseudo_labels"
local stage = require "epipolarpose.stage"
local training = require "mvgraph.training"
local true_labels = require "epipolarpose.true_labels"

local Pose3D = training.class("pose-3d", stage.Stage)

-- U of the training pictures by the frozen branch; a joint is as sure as the detector was of it.
local function frozen_keypoints(self)
  local train, pictures = self.data.train, training.pictures(self)
  local b, n, side = pictures.images[1], pictures.images[2], pictures.images[4]
  local program = mv.program(self.name .. "_frozen", training.specs(pictures), function(given)
    local volume = self.model.pose_2d(given.images:reshape { b * n, 3, side, side })
    return { u = (2 * volume:slice(2, 0, 2)):reshape { b, n, #self.joints, 2 } }
  end)
  local found = self:run_all(function(indices)
    return program { images = mv.image.normalize_views(train.images:gather(indices)) }
  end, "the frozen branch").u
  local keypoints = train.keypoints:clone()
  for i = 0, #found // 2 - 1 do
    keypoints[3 * i + 1], keypoints[3 * i + 2] = found[2 * i + 1], found[2 * i + 2]
  end
  return keypoints
end

local JOINTS_2D <const> = { branch = frozen_keypoints, detector = function(self) return self.data.train.keypoints end }

local LABELS <const> = {}

function LABELS.epipolar(self, extrinsics)
  local train, config = self.data.train, self.config
  local views = { keypoints = JOINTS_2D[config.joints_2d](self), intrinsics = stage.intrinsics(train),
    extrinsics = extrinsics, rig = train.rig }
  local settings = { triangulation = config.triangulation, lambda = config.lambda, outlier = config.ransac.outlier,
    parallax = config.ransac.parallax }
  return pseudo_labels.keep(views, settings, self.anatomy, function(done, total)
    self.ctx:report(self.name .. ": pseudo labels", done, total)
  end)
end

---The stronger variant: cameras are calibrated.
function LABELS.calibrated(self)
  local extrinsics = self.data.train.extrinsics
  if not extrinsics then
    error(("supervision=calibrated needs extrinsics, which the dataset '%s' does not tell; --set supervision=epipolar")
      :format(self.data.name), 0)
  end
  return LABELS.epipolar(self, extrinsics)
end

LABELS["true"] = function(self)
  return true_labels.make(self.data, self.anatomy)
end

function Pose3D:train_begin()
  self.targets = LABELS[self.config.supervision](self)
  local known, count = 0, #self.targets // 4
  for i = 4, 4 * count, 4 do known = known + self.targets[i] end
  if known == 0 then error("no joint could be triangulated; look at the keypoints and lower lambda", 0) end
  self.ctx:print("%s: %.0f %% of the joints have a target", self.name, 100 * known / count)
end

---Both branches have the same start.
function Pose3D:epoch_begin(epoch)
  if epoch > 1 then return false end
  self.model.pose_3d:load_state_dict(self.model.pose_2d:state_dict())
  return true
end

function Pose3D:losses(given)
  return { loss = stage.loss(self:volume(given.images), given.targets, 3, self.config.loss_scale) }
end

local epochs, lr = training.schedule "pose_3d"

return {
  class = Pose3D, JOINTS_2D = JOINTS_2D, LABELS = LABELS,
  stage = {
    name = Pose3D.name,
    reuse = { modules = { "pose_2d", "pose_3d" }, unread = { "refinement", "refine" } },
    epochs = epochs,
    lr = lr,
    setup = function(ctx)
      return stage.new(Pose3D, ctx, { branch = ctx.model.pose_3d, lr = ctx.config.pose_3d.lr })
    end,
  },
}

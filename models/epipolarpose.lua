-- EpipolarPose: self-supervised learning of 3D human pose using multi-view geometry (Kocabas et al. 2019, arXiv
-- 1903.02330). A network learns 2D poses and is frozen; 2D poses of several views give, without extrinsics, 3D poses by
-- epipolar geometry; a second branch learns those from single pictures. What the paper leaves open is a config key.

local mv = require "mvgraph"
local PoseBranch = require "epipolarpose.network"
local anatomy = require "epipolarpose.anatomy"
local options = require "mvgraph.core.options"
local pose_2d = require "epipolarpose.pose_2d"
local pose_3d = require "epipolarpose.pose_3d"
local pretrained = require "mvgraph.pretrained"
local refinement = require "epipolarpose.refinement"

local M = mv.experiment "epipolarpose"

M.config = {
  views = 4,
  image = 256, -- crop side, pixels
  batch = 8, -- samples of `views` images: the paper's 32 images
  skeleton = "", -- of the predicted joints; empty: the dataset's own
  -- ResNet-50; pool: its max pooling, without which maps of small pictures stay twice as large
  encoder = { block = "Bottleneck", layers = { 3, 4, 6, 3 }, width = 64, pool = true },
  encoder_weights = "", -- a file with torchvision's names that the ResNet starts from; empty: random weights
  deconvolutions = { 256, 256, 256 }, -- channels
  depth = 64, -- voxels along the depth; across the crop there are image / 4
  beta = 1, -- of the soft-argmax: heatmaps are multiplied by it
  lambda = 0.3, -- joints of lower confidence do not count
  -- what the 3D branch learns from: "epipolar" pseudo labels without extrinsics, "calibrated" with them, "true" joints
  supervision = "epipolar",
  joints_2d = "branch", -- the 2D poses that are triangulated: the frozen "branch"'s, or the "detector"'s that taught it
  triangulation = "polynomial", -- or "linear"
  -- a joint's distance from its epipolar line in the other view, in crop sides, beyond which the two do not belong
  -- together; least mean sine of the angle between two views' rays
  ransac = { outlier = 0.03, parallax = 0.3 },
  loss_scale = 64, -- units across a crop that eq. (2) measures V in; at 1 weight decay outweighs what is learnt
  weight_decay = 1e-4,
  schedule = "milestones", -- rates: a tenth after each, or "constant", or "cosine"
  milestones = { 90 / 140, 120 / 140 }, -- shares of a stage
  pose_2d = { epochs = 140, steps = 0, lr = 1e-3 }, -- epochs 0: as many as `steps` takes
  pose_3d = { epochs = 140, steps = 0, lr = 1e-3 },
  -- the refinement unit, of scripts that have its stage (`refine`): width, and noise on the poses it mends, in crops
  refinement = { hidden = 1024, dropout = 0.5, noise = 0.02, epochs = 140, steps = 0, lr = 1e-3 },
  refine = false,
  clip = 0, -- largest common norm of the gradients; 0: any
  augment = { geometry = 0.5, colour = 0.5, mirror = 0, occlusion = 0.5 }, -- strengths 0 to 1, probability to mirror
  data = { train_count = 0, test_count = 0 }, -- samples of the synthetic dataset; 0: its default
  capture = require("datasets.capture").defaults, -- of a capture given with --data
}

M.sizes = { "encoder.layers", "encoder.width", "deconvolutions", "depth", "refinement.hidden" }

M.presets = {
  paper = {},
  tiny = {
    image = 64,
    batch = 4,
    encoder = { block = "BasicBlock", layers = { 1, 1, 1, 1 }, width = 16, pool = false },
    deconvolutions = { 64, 64 },
    depth = 16,
    augment = { geometry = 0.3, colour = 0.3, occlusion = 0.3 },
    joints_2d = "detector", -- of pictures this small the branch says less
    schedule = "cosine",
    pose_2d = { epochs = 0, steps = 750, lr = 2e-3 },
    pose_3d = { epochs = 0, steps = 750, lr = 2e-3 },
    refinement = { hidden = 256, dropout = 0.1, epochs = 0, steps = 1500 },
    data = { train_count = 3000 },
  },
}

-- Values that a key may have.
local CHOICES <const> = {
  supervision = pose_3d.LABELS, joints_2d = pose_3d.JOINTS_2D,
  triangulation = { polynomial = true, linear = true },
}

local function check(config)
  for key, choices in pairs(CHOICES) do
    options.choose(key, config[key], options.names(choices))
  end
end

---@class EpipolarPose: Module
local EpipolarPose = mv.nn.class("EpipolarPose", mv.nn.Module)

function EpipolarPose:__init(config, skeleton)
  self.skeleton, self.anatomy = skeleton.name, anatomy.of(skeleton)
  self.pose_2d = PoseBranch(config, #skeleton.joints)
  self.pose_3d = PoseBranch(config, #skeleton.joints)
  if config.refine then self.refinement = refinement.Unit(config.refinement, #skeleton.joints) end
end

function M.build(config, dataset)
  check(config)
  return EpipolarPose(config, config.skeleton ~= "" and mv.skeletons.get(config.skeleton) or dataset.skeleton)
end

---A new run's ResNet may start from what it learnt elsewhere.
function M.initialise(model, config)
  if config.encoder_weights ~= "" then
    pretrained.load(model.pose_2d.body, config.encoder_weights)
  end
end

M.metrics = { "mpjpe_mm", "pck150", "auc", "n_mpjpe_mm", "pa_mpjpe_mm", "pa_pck150", "pa_auc" }
M.pose_structure = { 50, 100 }
M.stages = { pose_2d.stage, pose_3d.stage }

return M

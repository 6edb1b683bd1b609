-- Cross-View Self-Fusion for self-supervised 3D human pose estimation in the wild (Kim et al., ACCV 2022): CanonPose's
-- lifting network, trained on 2D poses that a fusion module refines with the other views' detections and the rotations
-- that the network itself predicts. One view is enough once it is trained.

local mv = require "mvgraph"
local CanonPose = require "canonpose.model"
local CSM = require "cvsf.csm"
local Fusion = require "cvsf.fusion"
local Lifting = require "canonpose.lifting"

local M = mv.experiment "cvsf"

M.config = {
  views = 4,
  image = 64, -- crop side, pixels; pictures are shown, not learnt from
  batch = 64, -- samples of `views` poses
  hidden = 1024, -- width of the lifting network
  steps = 2, -- 0: the baseline, L_rep alone; 1: losses of refined poses, S1; 2: those are lifted, too, S1+S2
  weights = { first = { 1, 0.01 }, second = { 0.01, 1 } }, -- w1 and w2 of eq. (7) before and after convergence
  -- CanonPose's camera consistency, of cameras that stand still: what keeps a pose and its mirror image apart
  camera = 0.1,
  consistency = 0.1, -- share of w2 that L_3D has; with all of it poses agree with each other, not with what is seen
  -- of the loss: its running mean changes by less than `tolerance` in an epoch, or `latest` of all epochs are over
  convergence = { tolerance = 1e-3, momentum = 0.99, latest = 0.5 },
  -- heatmaps of size^2 pixels over extent^2 of canonical space, sigmas in pixels; whether cameras stand still, and
  -- rotations between them are a rig's, not a sample's; joints of higher confidence than the threshold stay, and those
  -- of `keep`
  csm = { size = 64, extent = 1, joint_sigma = 3, line_sigma = 2, still = false, threshold = 0.85,
    keep = { "pelvis", "thorax", "nose", "head_top" } },
  lifting = { epochs = 100, steps = 0, lr = 1e-4 }, -- epochs 0: as many as `steps` takes
  schedule = "milestones", -- rates: a tenth after each, or "constant", or "cosine"
  milestones = { 0.3, 0.6, 0.9 }, -- shares of all steps
  weight_decay = 1e-5,
  clip = 0, -- largest common norm of the gradients; 0: any
  data = { train_count = 0, test_count = 0 }, -- samples of the synthetic dataset; 0: its default
  capture = require("datasets.capture").defaults, -- of a capture given with --data
}

M.sizes = { "hidden", "csm.size" }

M.presets = {
  paper = {},
  tiny = {
    batch = 32,
    hidden = 256,
    csm = { extent = 1.25, -- ankles may be farther off than 0.5
      threshold = 0.65, -- what the synthetic detector sees has 0.7 and more
      still = true },
    weights = { first = { 1, 0 } }, -- without w2 nothing is refined, which takes a fraction of the time
    convergence = { latest = 0.4 },
    consistency = 0.01,
    lifting = { epochs = 0, steps = 3000, lr = 1e-3 },
    schedule = "cosine",
    data = { train_count = 3000 },
  },
}

M.metrics = { "n_mpjpe_mm", "pa_mpjpe_mm", "n_pck150" }

function M.build(config, dataset)
  for phase, weights in pairs(config.weights) do
    if #weights ~= 2 then error(("weights.%s has two numbers, w1 and w2; got %d"):format(phase, #weights), 0) end
  end
  local model = CanonPose(config, dataset.skeleton)
  model.csm = CSM(config.csm, model.joints.names)
  return model
end

M.stages = { Lifting.stage(Fusion) }

return M

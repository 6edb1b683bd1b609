-- CanonPose: self-supervised monocular 3D pose estimation in the wild (Wandt et al. 2021, arXiv 2011.14679). A network
-- lifts 2D poses with the detector's confidences; it learns from several uncalibrated views of one instant, in which
-- its poses must project onto what was detected, turned by the rotations that it says itself.

local mv = require "mvgraph"
local CanonPose = require "canonpose.model"
local Lifting = require "canonpose.lifting"

local M = mv.experiment "canonpose"

M.config = {
  views = 4,
  image = 64, -- crop side, pixels; pictures are shown, not learnt from
  batch = 32, -- samples of `views` poses
  hidden = 1024, -- width of the lifting network
  weights = { reprojection = 1, view = 1, camera = 0.1 }, -- of the losses; camera: where cameras stand still
  lifting = { epochs = 100, steps = 0, lr = 1e-4 }, -- epochs 0: as many as `steps` takes
  schedule = "milestones", -- rates: a tenth after each, or "constant", or "cosine"
  milestones = { 0.3, 0.6, 0.9 }, -- shares of all steps
  weight_decay = 1e-5,
  clip = 0, -- largest common norm of the gradients; 0: any
  data = { train_count = 0, test_count = 0 }, -- samples of the synthetic dataset; 0: its default
  capture = require("datasets.capture").defaults, -- of a capture given with --data
}

M.sizes = { "hidden" }

M.presets = {
  paper = {},
  tiny = {
    hidden = 256,
    lifting = { epochs = 0, steps = 3000, lr = 1e-3 },
    schedule = "cosine",
    data = { train_count = 3000 },
  },
}

M.metrics = { "n_mpjpe_mm", "pa_mpjpe_mm", "n_pck150" }

function M.build(config, dataset)
  return CanonPose(config, dataset.skeleton)
end

M.stages = { Lifting.stage(Lifting) }

return M

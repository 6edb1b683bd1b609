-- VoxelPose: towards multi-camera 3D human pose estimation in wild environment (Tu et al. 2020, arXiv 2004.06239).
-- Heatmaps of all calibrated views are carried into space; one network finds where people are, the other in what poses.
-- Nobody matches people between views.

local mv = require "mvgraph"
local VoxelPose = require "voxelpose.model"
local heatmaps = require "voxelpose.heatmaps"
local labels = require "voxelpose.labels"
local people = require "voxelpose.people"

local M = mv.experiment "voxelpose"

M.dataset, M.people = "people", true
M.config = {
  views = 5,
  image = 512, -- side of the pictures, pixels
  batch = 1, -- samples of `views` pictures
  -- ResNet-50; pool: its max pooling, without which maps of small pictures stay twice as large; dilate: the last stage
  -- does not halve maps once more, but dilates kernels of blocks after its first (of Bottlenecks alone)
  encoder = { block = "Bottleneck", layers = { 3, 4, 6, 3 }, width = 64, pool = true, dilate = false },
  deconvolutions = { 256, 256, 256 }, -- channels
  sigma = 3, -- of the heatmaps, pixels of theirs
  foreground = 0, -- how much more than the rest of a heatmap its peaks count in the first stage
  labels = "detected", -- 2D poses that teach: a detector's, or "true", projections of true poses
  lambda = 0.3, -- joints of lower confidence do not count
  proposals = 10, -- people of a frame
  root_joints = "all", -- joints whose heatmaps tell where people are: "all" (VoxelPose) or "root" alone (SelfPose3d)
  root = { bins = { 80, 20, 80 }, width = 16, sigma = 0.2, threshold = 0.3 }, -- see voxelpose/root_net.lua
  pose = { size = 2, bins = 64, width = 16, beta = 100 }, -- see voxelpose/pose_net.lua
  schedule = "milestones", -- rates: a tenth after each of a stage, shares of its steps; or "constant", or "cosine"
  heatmaps = { epochs = 20, steps = 0, lr = 1e-4, milestones = { 0.5, 0.75 } }, -- epochs 0: as many as `steps` takes
  people = { epochs = 10, steps = 0, lr = 1e-4, milestones = {}, threshold = 0 }, -- of proposals that teach poses
  -- of the first stage's pictures: degrees, share, and strengths 0 to 1
  augment = { rotation = 45, scale = 0.35, colour = 0.5, occlusion = 0.5 },
  clip = 0, -- largest common norm of the gradients; 0: any
  data = { train_count = 0, test_count = 0 }, -- samples of the built-in dataset; 0: its default
}

M.sizes = { "encoder.layers", "encoder.width", "deconvolutions", "proposals", "root.bins", "root.width", "pose.bins",
  "pose.width", "attention.layers", "attention.width" }

M.presets = {
  paper = {},
  tiny = {
    views = 4,
    image = 256,
    batch = 2,
    encoder = { block = "BasicBlock", layers = { 1, 1, 1, 1 }, width = 16, pool = false, dilate = true },
    deconvolutions = { 64 },
    sigma = 1.5,
    foreground = 10,
    proposals = 3,
    root = { bins = { 32, 16, 32 }, width = 8 },
    pose = { bins = 20, width = 8 },
    schedule = "cosine",
    augment = { rotation = 15, scale = 0.15, colour = 0.3, occlusion = 0.3 },
    heatmaps = { epochs = 0, steps = 1000, lr = 2e-3 },
    people = { epochs = 0, steps = 600, lr = 1e-3 },
  },
}

function M.build(config, dataset)
  return VoxelPose(config, dataset)
end

function M.training_split(_, config, dataset)
  labels.check(config, dataset, true)
  return dataset.train
end

M.stages = { heatmaps.stage, people.stage }

return M

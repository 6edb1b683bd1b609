-- SelfPose3d: self-supervised multi-person multi-view 3D pose estimation (Srivastav et al. 2024, arXiv 2404.02041):
-- VoxelPose's networks, taught by 2D poses of a detector in calibrated views instead of true 3D poses.

local mv = require "mvgraph"
local SelfPose3d = require "selfpose3d.model"
local config = require "mvgraph.config"
local heatmaps = require "voxelpose.heatmaps"
local labels = require "voxelpose.labels"
local people = require "selfpose3d.people"
local roots = require "selfpose3d.roots"
local voxelpose = require "voxelpose"

local M = mv.experiment "selfpose3d"

M.dataset, M.people, M.sizes = voxelpose.dataset, true, voxelpose.sizes
M.config = config.copy(voxelpose.config)
M.config.root_joints = "root"
-- attn_net: a ResNet-18 whose maps have the heatmaps' size
M.config.attention = { block = "BasicBlock", layers = { 2, 2, 2, 2 }, width = 64 }
M.config.end_to_end = true -- the last stages train heatmap_net, too
M.config.lambda = 0 -- soft labels: every joint that was found counts
-- hard labels: confidence of the joints that count in the last share of the last stage's steps (section 7.8)
M.config.hard = { confidence = 0.7, share = 0.4 }
M.config.cross_view = true -- whether one version of the pictures is held against 2D poses in the other
M.config.soft_attention = true -- whether attention_net weighs heatmaps, eq. (7)
M.config.hard_attention = true -- whether the worst view's joints do not count, eq. (9)
M.config.lambda_heatmaps = 1 -- of the heatmaps' loss in eq. (11), which has none
M.config.lambda_joints = 0.01 -- lambda and sigma of eq. (11)
M.config.sigma_attention = 0.1
M.config.roots = { epochs = 1, steps = 0, lr = 1e-4, milestones = {} } -- epochs 0: as many as `steps` takes
M.config.people = { epochs = 5, steps = 0, lr = 1e-4, milestones = {} }
M.config.joints = { epochs = 5, steps = 0, lr = 5e-5, milestones = {} }

M.presets = {
  paper = {},
  tiny = config.copy(voxelpose.presets.tiny),
}
M.presets.tiny.attention = { layers = { 1, 1, 1, 1 }, width = 8 }
M.presets.tiny.end_to_end = false
M.presets.tiny.lambda, M.presets.tiny.hard = 0.3, { share = 0 }
M.presets.tiny.roots = { epochs = 0, steps = 200, lr = 1e-3 }
M.presets.tiny.people = { epochs = 0, steps = 400, lr = 1e-3 }
M.presets.tiny.joints = { epochs = 0, steps = 200, lr = 5e-4 }

function M.build(values, dataset)
  return SelfPose3d(values, dataset)
end

function M.training_split(_, values, dataset)
  labels.check(values, dataset, false)
  return dataset.train
end

M.stages = { heatmaps.stage, roots.stage, people.heatmaps.stage, people.joints.stage }

return M

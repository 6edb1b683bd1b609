-- First stage: a network that finds joints of everybody in a picture (SelfPose3d's heatmap_net), learnt from a
-- detector's 2D poses in augmented pictures.

local losses = require "voxelpose.losses"
local stage = require "voxelpose.stage"
local training = require "mvgraph.training"

local Heatmaps = training.class("heatmaps", stage.Stage)

function Heatmaps:losses(given)
  local maps = self:heatmaps(given.images)
  local wanted = losses.heatmaps(given.keypoints, { maps.shape[4], maps.shape[5] }, self.config.sigma,
    given.affine)
  return { loss = losses.mse(maps, wanted, self.config.foreground) }
end

return stage.declare(Heatmaps, { key = "heatmaps", sees = { "images", "keypoints", "affine" },
  trained = function(model) return model.heatmap_net end,
  reuse = { modules = { "heatmap_net" }, unread = { "people", "joints", "roots", "root", "root_joints", "proposals",
    "pose", "attention", "end_to_end", "hard", "cross_view", "soft_attention", "hard_attention", "lambda_heatmaps",
    "lambda_joints", "sigma_attention" } } })

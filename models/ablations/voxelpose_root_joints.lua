-- Ablation: people are found by the heatmaps of their roots alone (SelfPose3d's table 15).
local M = require "voxelpose"
M.name = "voxelpose-root-joints"
M.changes = "configuration"
M.config.root_joints = "root"
return M

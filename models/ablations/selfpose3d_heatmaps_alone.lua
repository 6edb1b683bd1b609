-- Ablation: poses are learnt by heatmaps alone, as long as they are by both (table 5).
local M = require "selfpose3d"
M.name = "selfpose3d-heatmaps-alone"
M.changes = "configuration"
M.config.lambda_joints = 0
return M

-- Ablation: poses are learnt joint by joint alone, from the start, as long as they are by both (table 5).
local M = require "selfpose3d"
M.name = "selfpose3d-joints-alone"
M.config.lambda_heatmaps, M.config.soft_attention = 0, false
M.config.joints.epochs = M.config.people.epochs + M.config.joints.epochs
M.presets.tiny.joints.steps = M.presets.tiny.people.steps + M.presets.tiny.joints.steps
M.stages = { M.stages[1], M.stages[2], M.stages[4] }
return M

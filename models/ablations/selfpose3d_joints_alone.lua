-- Ablation: poses are learnt joint by joint alone, from the start (table 5).
local M = require "selfpose3d"
M.name = "selfpose3d-joints-alone"
M.config.lambda_heatmaps, M.config.soft_attention = 0, false
M.stages = { M.stages[1], M.stages[2], M.stages[4] }
return M

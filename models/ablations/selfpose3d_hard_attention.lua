-- Ablation: attention to joints alone; every pixel of a heatmap counts the same (table 6).
local M = require "selfpose3d"
M.name = "selfpose3d-hard-attention"
M.changes = "configuration"
M.config.soft_attention = false
return M

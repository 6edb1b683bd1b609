-- Ablation: attention to heatmaps alone; the worst view counts, too (table 6).
local M = require "selfpose3d"
M.name = "selfpose3d-soft-attention"
M.changes = "configuration"
M.config.hard_attention = false
return M

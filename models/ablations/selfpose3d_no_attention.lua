-- Ablation: every pixel and every view counts the same (table 6).
local M = require "selfpose3d"
M.name = "selfpose3d-no-attention"
M.changes = "configuration"
M.config.soft_attention, M.config.hard_attention = false, false
return M

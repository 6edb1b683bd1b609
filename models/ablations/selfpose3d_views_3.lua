-- Ablation: three views (table 14).
local M = require "selfpose3d"
M.name = "selfpose3d-views-3"
M.changes = "configuration"
M.config.views = 3
M.presets.tiny.views = 3
return M

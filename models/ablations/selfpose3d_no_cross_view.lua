-- Ablation: poses of one version of the pictures are held against 2D poses in the same one (table 4).
local M = require "selfpose3d"
M.name = "selfpose3d-no-cross-view"
M.changes = "configuration"
M.config.cross_view = false
return M

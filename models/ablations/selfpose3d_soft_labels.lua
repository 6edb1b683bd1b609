-- Ablation: every joint that was found counts to the end (table 16).
local M = require "selfpose3d"
M.name = "selfpose3d-soft-labels"
M.changes = "configuration"
M.config.hard.share = 0
M.presets.tiny.lambda = 0
return M

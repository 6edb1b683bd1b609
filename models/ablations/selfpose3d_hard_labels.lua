-- Ablation: joints count of which the detector is sure, from the start (table 16).
local M = require "selfpose3d"
M.name = "selfpose3d-hard-labels"
M.changes = "configuration"
M.config.lambda = 0.7
M.presets.tiny.lambda = 0.7
return M

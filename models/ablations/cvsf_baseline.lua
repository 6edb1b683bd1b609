-- Ablation: the baseline, reprojections of what was detected (table 1).
local M = require "cvsf"
M.name = "cvsf-baseline"
M.changes = "configuration"
M.config.steps = 0
return M

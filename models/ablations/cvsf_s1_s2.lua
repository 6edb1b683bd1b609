-- Ablation: steps 1 and 2, the whole method (table 1).
local M = require "cvsf"
M.name = "cvsf-s1-s2"
M.changes = "configuration"
M.config.steps = 2
return M

-- Ablation: step 1 alone, refined poses are not lifted (table 1).
local M = require "cvsf"
M.name = "cvsf-s1"
M.changes = "configuration"
M.config.steps = 1
return M

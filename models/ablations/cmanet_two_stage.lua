-- No ablation: two-stage learning of IRV and IEV with four views, the last row of tables 1 and 2.
local M = require "cmanet"
M.changes = "configuration"
return M

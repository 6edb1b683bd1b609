-- Ablation: 6 views instead of four.
local M = require "cmanet"
M.name = "cmanet-views-6"
M.changes = "configuration"
M.config.views = 6
return M

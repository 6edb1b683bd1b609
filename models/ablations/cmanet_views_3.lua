-- Ablation: 3 views instead of four.
local M = require "cmanet"
M.name = "cmanet-views-3"
M.changes = "configuration"
M.config.views = 3
return M

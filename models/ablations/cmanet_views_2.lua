-- Ablation: 2 views instead of four.
local M = require "cmanet"
M.name = "cmanet-views-2"
M.changes = "configuration"
M.config.views = 2
return M

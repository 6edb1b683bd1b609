-- Ablation: 7 views instead of four.
local M = require "cmanet"
M.name = "cmanet-views-7"
M.changes = "configuration"
M.config.views = 7
return M

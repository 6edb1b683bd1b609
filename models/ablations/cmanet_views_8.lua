-- Ablation: 8 views instead of four.
local M = require "cmanet"
M.name = "cmanet-views-8"
M.changes = "configuration"
M.config.views = 8
return M

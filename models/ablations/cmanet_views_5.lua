-- Ablation: 5 views instead of four.
local M = require "cmanet"
M.name = "cmanet-views-5"
M.changes = "configuration"
M.config.views = 5
return M

-- Ablation: 1 view instead of four.
local M = require "cmanet"
M.name = "cmanet-views-1"
M.changes = "configuration"
M.config.views = 1
return M

-- Ablation: without screening (section 3.4). IEV starts from the mean of the views' bodies.
local M = require "cmanet"
M.name = "cmanet-no-screening"
M.changes = "configuration"
M.config.start = "average"
return M

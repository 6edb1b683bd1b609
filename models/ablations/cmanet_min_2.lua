-- Ablation: the two views with fewest visible keypoints alone (table 2, Min_2).
local M = require "cmanet"
M.name = "cmanet-min-2"
M.changes = "configuration"
M.config.view_choice = "min_2"
return M

-- Ablation: the views with most and with fewest visible keypoints alone (table 2, Min_Max).
local M = require "cmanet"
M.name = "cmanet-min-max"
M.changes = "configuration"
M.config.view_choice = "min_max"
return M

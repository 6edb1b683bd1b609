-- Ablation: without confidence weights, eq. (1). Keypoints that count, count the same.
local M = require "cmanet"
M.name = "cmanet-no-confidence"
M.changes = "configuration"
M.config.confidence_weights = false
return M

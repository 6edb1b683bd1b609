-- Ablation: without confidence filtering (section 3.5). Keypoints of any confidence count.
local M = require "cmanet"
M.name = "cmanet-no-filter"
M.changes = "configuration"
M.config.lambda = 0
return M

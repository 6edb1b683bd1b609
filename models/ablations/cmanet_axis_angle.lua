-- Ablation: axis-angle instead of 6D rotations.
local M = require "cmanet"
M.name = "cmanet-axis-angle"
M.changes = "configuration"
M.config.rotation = "axis_angle"
return M

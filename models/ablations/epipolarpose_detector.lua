-- Ablation: the 2D poses that are triangulated are those that taught the 2D branch, not the frozen branch's own.
local M = require "epipolarpose"
M.name = "epipolarpose-detector"
M.changes = "configuration"
M.config.joints_2d = "detector"
return M

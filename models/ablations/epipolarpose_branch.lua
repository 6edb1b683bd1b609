-- Ablation: the 2D poses that are triangulated are the frozen branch's own, at every size.
local M = require "epipolarpose"
M.name = "epipolarpose-branch"
M.changes = "configuration"
M.presets.tiny.joints_2d = "branch"
return M

-- Ablation: joints are triangulated by the direct linear transform.
local M = require "epipolarpose"
M.name = "epipolarpose-linear"
M.changes = "configuration"
M.config.triangulation = "linear"
return M

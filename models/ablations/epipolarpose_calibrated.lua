-- Ablation: cameras are calibrated, so that pseudo labels take their poses from there ("SS, R and t known").
local M = require "epipolarpose"
M.name = "epipolarpose-calibrated"
M.changes = "configuration"
M.config.supervision = "calibrated"
return M

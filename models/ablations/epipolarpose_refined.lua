-- Ablation: the refinement unit mends what the 3D branch says ("SS + RU").
local M = require "epipolarpose"
M.name = "epipolarpose-refined"
M.config.refine = true
M.stages[3] = require("epipolarpose.refinement").stage
return M

-- Ablation: IEV alone. No intra-view losses; IEV starts from mean parameters (table 1, first row).
local M = require "cmanet"
M.name = "cmanet-iev-only"
M.config.start = "mean"
M.presets.tiny.iev.lr = 2e-4 -- at 1e-3 it stays near the mean pose
M.stages = { require("cmanet.joint").stage(false) }
return M
